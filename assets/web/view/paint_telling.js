// Paint telling: a moment of how a prompt's cache was made, on a sheet over a picture.

import { NOWHERE, onItsWay, IN_WORD } from '../core/telling.js';
import { cellsOf, regionOf } from '../core/views.js';
import { scaled } from './paint.js';
import { paintCells, paintLight } from './paint_cells.js';

const STRENGTH = 0.7; // of the light
const FADED = 0.75; // how far what is gone is covered
const MEAN = 0.8; // how far a slot's mean colour covers what lies under it, at the end

/**
 * What does not move, painted once: the picture, the picture in the light of attention, and what is left of it in the end.
 * @param {Omit<TellingScene, 'stills'>} scene
 * @param {Ink} ink
 */
export function tellingStills(scene, ink) {
  const { to } = scene.telling;
  const sizes = new Map();
  to.forEach((patch) => sizes.set(patch, (sizes.get(patch) ?? 0) + 1));
  const isShared = (/** @type {number} */ patch) => to[patch] >= 0 && sizes.get(to[patch]) > 1;
  const [plain, lit, left] = ['plain', 'lit', 'left'].map(() => {
    const canvas = Object.assign(document.createElement('canvas'), { width: scene.sheet.width, height: scene.sheet.height });
    const pen = /** @type {CanvasRenderingContext2D} */ (canvas.getContext('2d'));
    paintPictures(pen, scene, ink);
    return { canvas, pen };
  });
  paintLight(lit.pen, { ...scene, opacity: STRENGTH });
  paintCells(left.pen, scene, (patch) => scene.means?.[patch] ?? ink.veil, (patch) => (isShared(patch) ? MEAN : 0));
  paintCells(left.pen, scene, () => ink.blank, (patch) => (to[patch] < 0 ? FADED : 0));
  return { plain: plain.canvas, lit: lit.canvas, left: left.canvas };
}

/**
 * @param {TellingScene} scene
 * @param {TellingParts} parts
 * @param {Ink} ink
 */
export function paintTelling(scene, { light, rings, way, leave }, ink) {
  const { sheet, stills } = scene;
  const pen = /** @type {CanvasRenderingContext2D} */ (sheet.getContext('2d'));
  sheet.style.opacity = String(1 - leave);
  for (const [still, alpha] of /** @type {[HTMLCanvasElement, number][]} */ ([[stills.plain, 1], [stills.left, way], [stills.lit, light * (1 - way)]])) {
    pen.globalAlpha = alpha;
    if (alpha) pen.drawImage(still, 0, 0);
  }
  if (way && way < 1) paintPieces(pen, scene, way);
  if (rings) paintRings(pen, scene, scene.telling.to.map((patch, own) => patch === own), rings, ink);
  pen.globalAlpha = 1;
}

/**
 * @param {CanvasRenderingContext2D} pen
 * @param {Pick<TellingScene, 'layout' | 'pictures'>} scene
 * @param {Ink} ink
 */
function paintPictures(pen, { layout, pictures }, ink) {
  layout.views.forEach((view, number) => {
    const [x, y, w, h] = regionOf(pen.canvas, view);
    const picture = pictures[number];
    pen.fillStyle = ink.plain;
    pen.fillRect(x, y, w, h);
    if (picture?.complete && picture.naturalWidth) pen.drawImage(scaled(picture, w, h), x, y);
  });
}

/**
 * The pieces of patches on their way to where their slot is; those without one in the picture are not on any way.
 * @param {CanvasRenderingContext2D} pen
 * @param {TellingScene} scene
 * @param {number} way
 */
function paintPieces(pen, { layout, pictures, telling: { to } }, way) {
  const cell = cellsOf(pen.canvas, layout);
  const longest = Math.hypot(pen.canvas.width, pen.canvas.height);
  const regions = layout.views.map((view) => regionOf(pen.canvas, view));
  layout.views.forEach((view, number) => {
    const picture = pictures[number];
    const [left, top, width, height] = regions[number];
    if (!picture?.complete || !picture.naturalWidth) return;
    const source = scaled(picture, width, height);
    for (let patch = view.first; patch < view.first + view.rows * view.columns; patch++) {
      const target = to[patch];
      if (target === patch || target === NOWHERE || target === IN_WORD) continue;
      const [[x, y, w, h], [endX, endY]] = [cell(patch), cell(target)];
      const gone = onItsWay(way, Math.hypot(endX - x, endY - y) / longest);
      if (gone >= 1) continue;
      const size = 1 - 0.35 * gone;
      pen.globalAlpha = 1 - 0.55 * gone;
      pen.drawImage(source, x - left, y - top, w, h,
        x + (endX - x) * gone + w * (1 - size) / 2, y + (endY - y) * gone + h * (1 - size) / 2, w * size, h * size);
    }
  });
}

/**
 * Rings that close around the patches that keep their slot; where all do, one around each picture.
 * @param {CanvasRenderingContext2D} pen
 * @param {TellingScene} scene
 * @param {boolean[]} isLeft
 * @param {number} share
 * @param {Ink} ink
 */
function paintRings(pen, { layout, sheet }, isLeft, share, ink) {
  const cell = cellsOf(sheet, layout);
  const boxes = isLeft.every(Boolean) ? layout.views.map((view) => regionOf(sheet, view)) : [...isLeft.keys()].filter((patch) => isLeft[patch]).map(cell);
  const line = 1.6 * sheet.ratio;
  const out = 4 * sheet.ratio * (1 - share) - line / 2 - 0.5;
  pen.beginPath();
  boxes.forEach(([x, y, w, h]) => pen.rect(x - out, y - out, w + 2 * out, h + 2 * out));
  for (const [width, colour] of /** @type {[number, string][]} */ ([[line * 1.7, 'rgba(0, 0, 0, 0.4)'], [line, ink.anchor]])) {
    pen.globalAlpha = share;
    pen.lineWidth = width;
    pen.strokeStyle = colour;
    pen.stroke();
  }
}
