// Paint hover: what is pointed at, over the picture as it stands.

import { cellOf, regionOf } from '../core/views.js';

/**
 * The base again and, over it, the hovered patch, its anchor and its fellows.
 * @param {FineCanvas} canvas
 * @param {HTMLCanvasElement | undefined} base
 * @param {{ layout: Layout }} scene
 * @param {{ patch: number, anchor: number, members: number[], lit?: number[], tint?: string } | null} hover
 * @param {Ink} ink
 */
export function paintHover(canvas, base, scene, hover, ink) {
  if (!base?.width || !canvas.width) return;
  const context = /** @type {CanvasRenderingContext2D} */ (canvas.getContext('2d'));
  const ratio = canvas.ratio;
  context.globalAlpha = 1;
  context.clearRect(0, 0, canvas.width, canvas.height);
  context.drawImage(base, 0, 0);
  if (!hover) return;
  const { layout } = scene;
  const regions = layout.views.map((view) => regionOf(canvas, view));
  /** @type {(patch: number) => Box} */
  const boxOf = (patch) => {
    const { number, view, row, column } = cellOf(layout, patch);
    const [x, y, width, height] = regions[number];
    const [w, h] = [width / view.columns, height / view.rows];
    return [x + column * w, y + row * h, w, h];
  };
  const stroke = (/** @type {Path2D} */ path, /** @type {number} */ width, /** @type {string} */ colour) => {
    for (const [line, tint] of /** @type {[number, string][]} */ ([[width + 2, 'rgba(0, 0, 0, 0.85)'], [width, colour]])) {
      context.lineWidth = line * ratio;
      context.strokeStyle = tint;
      context.stroke(path);
    }
  };
  const frame = (/** @type {number} */ patch, /** @type {string} */ colour) => {
    const path = new Path2D();
    path.rect(...boxOf(patch));
    stroke(path, 2.5, colour);
  };
  stroke(outline(hover.members, layout, boxOf), 1.5, '#fff');
  if (hover.lit?.length) {
    const cells = new Path2D();
    hover.lit.forEach((patch) => cells.rect(...boxOf(patch)));
    stroke(cells, 1.5, hover.tint || '#fff');
  }
  if (hover.anchor >= 0) frame(hover.anchor, ink.anchor);
  if (hover.patch >= 0 && hover.patch !== hover.anchor) frame(hover.patch, '#fff');
}

/**
 * The edges of a set of patches.
 * @param {number[]} patches
 * @param {Layout} layout
 * @param {(patch: number) => Box} boxOf
 */
function outline(patches, layout, boxOf) {
  const inside = new Set(patches);
  const path = new Path2D();
  for (const patch of patches) {
    const [x, y, w, h] = boxOf(patch);
    const { view: { rows, columns }, row, column } = cellOf(layout, patch);
    /** @type {(isOpen: boolean, x1: number, y1: number, x2: number, y2: number) => void} */
    const edge = (isOpen, x1, y1, x2, y2) => {
      if (!isOpen) return;
      path.moveTo(x1, y1);
      path.lineTo(x2, y2);
    };
    edge(!row || !inside.has(patch - columns), x, y, x + w, y);
    edge(row + 1 === rows || !inside.has(patch + columns), x, y + h, x + w, y + h);
    edge(!column || !inside.has(patch - 1), x, y, x, y + h);
    edge(column + 1 === columns || !inside.has(patch + 1), x + w, y, x + w, y + h);
  }
  return path;
}
