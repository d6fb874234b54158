// Wipe: one picture, of which the left part is what side A has and the right one what side B has left, with a bar between.

import { slotPixels } from '../core/left.js';
import { viewOf } from '../core/tokens.js';
import { cellsOf, regionOf } from '../core/views.js';
import { find, setText } from './dom.js';
import { ink } from './ink.js';
import { layerName, openSides, state, stepOn } from './state.js';

const FINEST = 32; // pixels of a patch, as much as is averaged
const FADE = 0.78; // how far what is gone is covered

/** @type {{ key: string, sheets: HTMLCanvasElement[] } | null} */
let left = null;

export function listenWipe() {
  find('.tv-wipe').addEventListener('input', (/** @type {{ target: any }} */ { target }) => {
    state.wipe = Number(target.value) / 100;
    if (left) paintWipe(find('.tv-wipe-canvas'), left.sheets);
  });
}

// The canvas has the size of its place; what both sides have left is computed anew where a slot has changed.
export function drawWipe() {
  if (state.size !== 'wipe' || openSides().length < 2) return;
  const canvas = find('.tv-wipe-canvas');
  const ratio = Math.min(3, window.devicePixelRatio || 1);
  canvas.style.aspectRatio = '1 / ' + state.layout.ratio;
  const [width, height] = [Math.round(canvas.clientWidth * ratio), Math.round(canvas.clientWidth * state.layout.ratio * ratio)];
  if (canvas.width !== width || canvas.height !== height) Object.assign(canvas, { width, height });
  if (!width || !state.pictures.every((picture) => picture?.complete && picture.naturalWidth)) return;
  const sides = openSides();
  const key = JSON.stringify([state.run, width, height, sides.map((side) => side.scene.at), ink().blank]);
  if (left?.key !== key) left = { key, sheets: sides.map((side) => leftOf(side, width, height)) };
  paintWipe(canvas, left.sheets);
  const says = 'left of the bar what A has, right of it what B has left, ' + layerName() + ', after token ' + stepOn(sides[1]);
  setText(find('.tv-wipe-says'), says[0].toUpperCase() + says.slice(1) + '. Each slot is drawn as the mean of the patches it stands for; what is gone is faded.');
}

/**
 * @param {HTMLCanvasElement} canvas
 * @param {HTMLCanvasElement[]} sheets
 */
function paintWipe(canvas, [ofA, ofB]) {
  const pen = /** @type {CanvasRenderingContext2D} */ (canvas.getContext('2d'));
  const x = Math.round(state.wipe * canvas.width);
  const ratio = canvas.width / (canvas.clientWidth || canvas.width);
  pen.drawImage(ofB, 0, 0);
  if (x) pen.drawImage(ofA, 0, 0, x, canvas.height, 0, 0, x, canvas.height);
  pen.fillStyle = 'rgba(0, 0, 0, 0.7)';
  pen.fillRect(x - 2.5 * ratio, 0, 5 * ratio, canvas.height);
  pen.fillStyle = '#fff';
  pen.fillRect(x - 1.25 * ratio, 0, 2.5 * ratio, canvas.height);
  find('.tv-wipe').setAttribute('aria-valuetext', 'A left of ' + Math.round(state.wipe * 100) + ' %, B right of it');
}

/**
 * What a side has left of its pictures in the shown layer, at the size of the canvas.
 * @param {Side} side
 * @param {number} width
 * @param {number} height
 */
function leftOf(side, width, height) {
  const { layout, pictures } = state;
  const at = side.scene.at ?? [];
  const sheet = Object.assign(document.createElement('canvas'), { width, height });
  const pen = /** @type {CanvasRenderingContext2D} */ (sheet.getContext('2d'));
  pen.fillStyle = ink().plain;
  const size = Math.max(1, Math.min(FINEST, ...layout.views.map((view) => Math.floor(regionOf(sheet, view)[2] / view.columns))));
  const small = Object.assign(document.createElement('canvas'), { width: size, height: size });
  const smallPen = /** @type {CanvasRenderingContext2D} */ (small.getContext('2d'));
  const pixels = layout.views.flatMap((view, number) => patchPixels(/** @type {HTMLImageElement} */ (pictures[number]), view, size));
  const means = slotPixels(pixels, at, (owner) => viewOf(side, owner) >= 0);
  const cell = cellsOf(sheet, layout);
  layout.views.forEach((view) => pen.fillRect(...regionOf(sheet, view)));
  pixels.forEach((own, patch) => {
    const [x, y, w, h] = cell(patch);
    smallPen.putImageData(new ImageData(Uint8ClampedArray.from(means[patch] ?? own), size, size), 0, 0);
    pen.drawImage(small, x, y, w, h);
    if (means[patch]) return;
    pen.globalAlpha = FADE;
    pen.fillStyle = 'rgb(' + ink().blank.join(',') + ')';
    pen.fillRect(x, y, w, h);
    pen.globalAlpha = 1;
  });
  return sheet;
}

/**
 * The pixels of every patch of a view, as many of each.
 * @param {HTMLImageElement} picture
 * @param {Region} view
 * @param {number} size
 */
function patchPixels(picture, { rows, columns }, size) {
  const canvas = Object.assign(document.createElement('canvas'), { width: columns * size, height: rows * size });
  const pen = /** @type {CanvasRenderingContext2D} */ (canvas.getContext('2d', { willReadFrequently: true }));
  pen.drawImage(picture, 0, 0, canvas.width, canvas.height);
  const { data } = pen.getImageData(0, 0, canvas.width, canvas.height);
  return Array.from({ length: rows * columns }, (_, cell) => {
    const own = new Uint8ClampedArray(size * size * 4);
    const first = (Math.floor(cell / columns) * size * canvas.width + (cell % columns) * size) * 4;
    for (let y = 0; y < size; y++) own.set(data.subarray(first + y * canvas.width * 4, first + (y * canvas.width + size) * 4), y * size * 4);
    return own;
  });
}
