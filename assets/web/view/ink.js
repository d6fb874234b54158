// Ink: the colours of the page's theme, and those of the picture's patches.

import { PALETTE, hexParts } from '../core/colours.js';
import { root } from './dom.js';

/** @type {Ink | null} */
let known = null;

// Read once: what a style says takes long to ask.
export function ink() {
  return known ??= readColours();
}

// The page's theme has changed.
export function forgetInk() {
  known = null;
}

/** @returns {Ink} */
function readColours() {
  const style = getComputedStyle(root);
  const get = (/** @type {string} */ name) => style.getPropertyValue('--tv-' + name).trim();
  return {
    anchor: get('anchor'), veil: hexParts(get('veil')), blank: hexParts(get('blank')), hatch: get('hatch'), edge: get('edge'),
    text: get('merged'), plain: get('plain'),
    groups: [...Array(PALETTE).keys()].map((number) => hexParts(get('group-' + number))),
  };
}

/**
 * The mean colour of every patch of all views, [red, green, blue] each; null while one of them is not there.
 * @param {(HTMLImageElement | null)[]} pictures
 * @param {Layout} layout
 */
export function patchColours(pictures, { views }) {
  const found = views.map((view, number) => coloursOf(pictures[number], view));
  return found.every((colours) => colours) ? /** @type {number[][]} */ (found.flat()) : null;
}

/**
 * @param {HTMLImageElement | null} picture
 * @param {Region} view
 */
function coloursOf(picture, { rows, columns }) {
  if (!picture?.complete || !picture.naturalWidth) return null;
  const scale = Math.max(1, Math.floor(Math.min(picture.naturalWidth / columns, picture.naturalHeight / rows, 16)));
  const canvas = document.createElement('canvas');
  Object.assign(canvas, { width: columns * scale, height: rows * scale });
  const pen = /** @type {CanvasRenderingContext2D} */ (canvas.getContext('2d', { willReadFrequently: true }));
  pen.drawImage(picture, 0, 0, canvas.width, canvas.height);
  const { data } = pen.getImageData(0, 0, canvas.width, canvas.height);
  const sums = Array.from({ length: rows * columns }, () => [0, 0, 0]);
  for (let i = 0; i < data.length; i += 4) {
    const x = (i / 4) % canvas.width;
    const y = (i / 4 - x) / canvas.width;
    const sum = sums[Math.floor(y / scale) * columns + Math.floor(x / scale)];
    for (let part = 0; part < 3; part++) sum[part] += data[i + part] / scale ** 2;
  }
  return sums;
}
