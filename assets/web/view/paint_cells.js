// Paint cells: colours, patterns and light over the patches, each blown up from a pixel.

import { lightOf } from '../core/colours.js';
import { regionOf } from '../core/views.js';

/**
 * One pixel per patch of a view, [red, green, blue] and how opaque, to be blown up without smoothing.
 * @param {Region} view
 * @param {(patch: number) => number[]} colourOf
 * @param {(patch: number) => number} alphaOf
 */
function cellMap({ rows, columns, first }, colourOf, alphaOf) {
  const small = document.createElement('canvas');
  Object.assign(small, { width: columns, height: rows });
  const pen = /** @type {CanvasRenderingContext2D} */ (small.getContext('2d'));
  const image = pen.createImageData(columns, rows);
  let isEmpty = true;
  for (let cell = 0; cell < rows * columns; cell++) {
    const alpha = alphaOf(first + cell);
    if (!alpha) continue;
    isEmpty = false;
    image.data.set(colourOf(first + cell), cell * 4);
    image.data[cell * 4 + 3] = Math.round(alpha * 255);
  }
  pen.putImageData(image, 0, 0);
  return isEmpty ? null : small;
}

/**
 * The patches of every view, blown up onto a canvas; false where none shows.
 * @param {CanvasRenderingContext2D} pen
 * @param {Cells} scene
 * @param {(patch: number) => number[]} colourOf
 * @param {(patch: number) => number} alphaOf
 */
function drawMaps(pen, scene, colourOf, alphaOf) {
  let isDrawn = false;
  pen.imageSmoothingEnabled = false;
  for (const view of scene.layout.views) {
    const map = cellMap(view, colourOf, alphaOf);
    if (map) pen.drawImage(map, ...regionOf(pen.canvas, view));
    isDrawn ||= Boolean(map);
  }
  pen.imageSmoothingEnabled = true;
  return isDrawn;
}

/**
 * @param {CanvasRenderingContext2D} context
 * @param {Cells} scene
 * @param {(patch: number) => number[]} colourOf
 * @param {(patch: number) => number} alphaOf
 */
export function paintCells(context, scene, colourOf, alphaOf) {
  context.globalAlpha = 1;
  drawMaps(context, scene, colourOf, alphaOf);
}

/**
 * A pattern over the patches, as opaque as `alphaOf` says.
 * @param {CanvasRenderingContext2D} context
 * @param {Cells} scene
 * @param {CanvasPattern} pattern
 * @param {(patch: number) => number} alphaOf
 */
export function paintPattern(context, scene, pattern, alphaOf) {
  const { width, height } = context.canvas;
  const layer = document.createElement('canvas');
  Object.assign(layer, { width, height });
  const pen = /** @type {CanvasRenderingContext2D} */ (layer.getContext('2d'));
  if (!drawMaps(pen, scene, () => [0, 0, 0], alphaOf)) return;
  pen.globalCompositeOperation = 'source-in';
  pen.fillStyle = pattern;
  pen.fillRect(0, 0, width, height);
  context.globalAlpha = 1;
  context.drawImage(layer, 0, 0);
}

/**
 * @param {CanvasRenderingContext2D} context
 * @param {Cells & Pick<Scene, 'heat' | 'range' | 'opacity'>} given
 */
export function paintLight(context, { heat, range: [low, high], ...scene }) {
  if (!heat) return;
  // Where there is no number, as of patches that held no slot any more when it was taken, no light falls.
  const shareOf = (/** @type {number} */ patch) => (high > low && !Number.isNaN(heat[patch]) ? (heat[patch] - low) / (high - low) : 0);
  const lightAt = (/** @type {number} */ patch) => lightOf(shareOf(patch), scene.opacity);
  context.globalAlpha = 1;
  context.globalCompositeOperation = 'saturation';
  drawMaps(context, scene, () => [128, 128, 128], (patch) => lightAt(patch).grey);
  context.globalCompositeOperation = 'source-over';
  drawMaps(context, scene, (patch) => lightAt(patch).tint, (patch) => lightAt(patch).dark);
  context.globalCompositeOperation = 'screen';
  drawMaps(context, scene, (patch) => lightAt(patch).lamp, (patch) => lightAt(patch).bright);
  context.globalCompositeOperation = 'source-over';
}
