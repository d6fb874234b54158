// Paint: the picture with its patches. A base layer per side is painted when something changes, hover goes on top.

import { cividisParts } from '../core/colours.js';
import { dots, hatching } from './patterns.js';

/**
 * The picture at the size of the canvases: scaling it anew for every frame is the dearest part of one.
 * @param {HTMLImageElement & { scaled?: HTMLCanvasElement }} picture
 * @param {number} width
 * @param {number} height
 */
export function scaled(picture, width, height) {
  const known = picture.scaled;
  if (known?.width === width && known.height === height) return known;
  picture.scaled = Object.assign(document.createElement('canvas'), { width, height });
  const pen = /** @type {CanvasRenderingContext2D} */ (picture.scaled.getContext('2d'));
  pen.drawImage(picture, 0, 0, width, height);
  return picture.scaled;
}

/**
 * Everything the base of one canvas needs to know is in `scene`.
 * @param {FineCanvas} canvas
 * @param {Scene} scene
 * @param {Ink} ink
 */
export function paintBase(canvas, scene, ink) {
  const context = /** @type {CanvasRenderingContext2D} */ (canvas.getContext('2d'));
  const { width, height, ratio } = canvas;
  context.globalAlpha = 1;
  context.fillStyle = ink.plain;
  context.fillRect(0, 0, width, height);
  if (scene.picture?.complete && scene.picture.naturalWidth) context.drawImage(scaled(scene.picture, width, height), 0, 0);
  paintFill(context, scene, ink, ratio);
  paintHeat(context, scene);
  if (scene.borders) paintBorders(context, scene, ratio);
  paintGone(context, scene, ink, ratio);
  if (scene.anchors !== 'none') paintAnchors(context, scene, ink, ratio);
  context.globalAlpha = 1;
}

/**
 * One pixel per patch, [red, green, blue] and how opaque, blown up without smoothing.
 * @param {Cells} scene
 * @param {(patch: number) => number[]} colourOf
 * @param {(patch: number) => number} alphaOf
 */
function cellMap(scene, colourOf, alphaOf) {
  const small = document.createElement('canvas');
  Object.assign(small, { width: scene.columns, height: scene.rows });
  const pen = /** @type {CanvasRenderingContext2D} */ (small.getContext('2d'));
  const image = pen.createImageData(scene.columns, scene.rows);
  let isEmpty = true;
  for (let patch = 0; patch < scene.patches.length; patch++) {
    const alpha = alphaOf(patch);
    if (!alpha) continue;
    isEmpty = false;
    image.data.set(colourOf(patch), patch * 4);
    image.data[patch * 4 + 3] = Math.round(alpha * 255);
  }
  pen.putImageData(image, 0, 0);
  return isEmpty ? null : small;
}

/**
 * @param {CanvasRenderingContext2D} context
 * @param {Cells} scene
 * @param {(patch: number) => number[]} colourOf
 * @param {(patch: number) => number} alphaOf
 */
export function paintCells(context, scene, colourOf, alphaOf) {
  const map = cellMap(scene, colourOf, alphaOf);
  if (!map) return;
  context.globalAlpha = 1;
  context.imageSmoothingEnabled = false;
  context.drawImage(map, 0, 0, context.canvas.width, context.canvas.height);
  context.imageSmoothingEnabled = true;
}

/**
 * A pattern over the patches, as opaque as `alphaOf` says.
 * @param {CanvasRenderingContext2D} context
 * @param {Cells} scene
 * @param {CanvasPattern} pattern
 * @param {(patch: number) => number} alphaOf
 */
export function paintPattern(context, scene, pattern, alphaOf) {
  const map = cellMap(scene, () => [0, 0, 0], alphaOf);
  if (!map) return;
  const { width, height } = context.canvas;
  const layer = document.createElement('canvas');
  Object.assign(layer, { width, height });
  const pen = /** @type {CanvasRenderingContext2D} */ (layer.getContext('2d'));
  pen.imageSmoothingEnabled = false;
  pen.drawImage(map, 0, 0, width, height);
  pen.globalCompositeOperation = 'source-in';
  pen.fillStyle = pattern;
  pen.fillRect(0, 0, width, height);
  context.globalAlpha = 1;
  context.drawImage(layer, 0, 0);
}

/**
 * @param {CanvasRenderingContext2D} context
 * @param {Scene} given
 */
function paintHeat(context, { heat, range: [low, high], ...scene }) {
  if (!heat) return;
  const colourOf = (/** @type {number} */ patch) => cividisParts(high > low ? (heat[patch] - low) / (high - low) : 0);
  paintCells(context, scene, colourOf, (patch) => (Number.isNaN(heat[patch]) ? 0 : scene.opacity));
}

/**
 * @param {CanvasRenderingContext2D} context
 * @param {Scene} scene
 * @param {Ink} ink
 * @param {number} ratio
 */
function paintFill(context, scene, ink, ratio) {
  const { fill, opacity, colours, means, shares: { merged, intoText }, patches } = scene;
  if (fill === 'none') return;
  if (fill === 'colours' && colours) paintCells(context, scene, (patch) => ink.groups[colours[patch]], (patch) => (colours[patch] < 0 ? 0 : opacity));
  if (fill === 'mean' && means) paintCells(context, scene, (patch) => means[patch] ?? [], (patch) => (means[patch] ? opacity : 0));
  if (fill === 'fade') paintCells(context, scene, () => ink.veil, (patch) => opacity * merged[patches[patch]]);
  const inText = (/** @type {number} */ patch) => intoText[patches[patch]];
  paintCells(context, scene, () => ink.blank, (patch) => 0.7 * inText(patch));
  paintPattern(context, scene, dots(context, ratio, ink.text), inText);
}

/**
 * @param {CanvasRenderingContext2D} context
 * @param {Scene} scene
 * @param {Ink} ink
 * @param {number} ratio
 */
function paintGone(context, scene, ink, ratio) {
  const { dropped, evicted } = scene.shares;
  const gone = (/** @type {number} */ patch) => Math.min(1, dropped[scene.patches[patch]] + evicted[scene.patches[patch]]);
  // The heat of a dropped patch is worth seeing: only lines go over it.
  if (!scene.heat) paintCells(context, scene, () => ink.blank, (patch) => 0.7 * gone(patch));
  paintPattern(context, scene, hatching(context, ratio, ink.hatch, scene.heat ? ink.edge : 'transparent'), gone);
}

/**
 * @param {{ width: number, height: number }} canvas
 * @param {Grid} scene
 */
export function cellsOf(canvas, scene) {
  /** @type {(patch: number) => [number, number, number, number]} */
  return (patch) => {
    const row = Math.floor(patch / scene.columns);
    const column = patch % scene.columns;
    const x = Math.round(column * canvas.width / scene.columns);
    const y = Math.round(row * canvas.height / scene.rows);
    const right = Math.round((column + 1) * canvas.width / scene.columns);
    const bottom = Math.round((row + 1) * canvas.height / scene.rows);
    return [x, y, right - x, bottom - y];
  };
}

// Shapes that are equally strong are drawn together: thousands of strokes of their own take long.
function byStrength() {
  /** @type {Map<number, Path2D>} */
  const paths = new Map();
  return {
    paths,
    /** @param {number} strength */
    at(strength) {
      const level = Math.ceil(strength * 16) / 16;
      if (!paths.has(level)) paths.set(level, new Path2D());
      return /** @type {Path2D} */ (paths.get(level));
    },
  };
}

/**
 * Where every patch is an anchor, one frame says it and leaves the picture readable.
 * @param {CanvasRenderingContext2D} context
 * @param {Scene} scene
 * @param {Ink} ink
 * @param {number} ratio
 */
function paintAnchors(context, scene, ink, ratio) {
  const { canvas } = context;
  context.strokeStyle = ink.anchor;
  context.globalAlpha = 1;
  if (scene.patches.every((token) => scene.shares.kept[token] > 0.999)) {
    context.lineWidth = 2 * ratio;
    context.strokeRect(ratio, ratio, canvas.width - 2 * ratio, canvas.height - 2 * ratio);
  } else if (scene.anchors === 'dot') paintDots(context, scene, ink, ratio);
  else paintOutlines(context, scene, ratio);
}

/**
 * @param {CanvasRenderingContext2D} context
 * @param {Scene} scene
 * @param {number} ratio
 */
function paintOutlines(context, scene, ratio) {
  const cell = cellsOf(context.canvas, scene);
  const levels = byStrength();
  const line = 1.5 * ratio;
  scene.patches.forEach((token, patch) => {
    const share = scene.shares.kept[token];
    if (!share) return;
    const [x, y, w, h] = cell(patch);
    // Kept by one head of four, a patch still stands out from those that none keeps.
    levels.at(Math.sqrt(share)).rect(x + line / 2 + 0.5, y + line / 2 + 0.5, w - line - 1, h - line - 1);
  });
  context.lineWidth = line;
  levels.paths.forEach((path, strength) => {
    context.globalAlpha = strength;
    context.stroke(path);
  });
}

/**
 * @param {CanvasRenderingContext2D} context
 * @param {Scene} scene
 * @param {Ink} ink
 * @param {number} ratio
 */
function paintDots(context, scene, ink, ratio) {
  const cell = cellsOf(context.canvas, scene);
  const levels = byStrength();
  scene.patches.forEach((token, patch) => {
    const share = scene.shares.kept[token];
    if (!share) return;
    const [x, y, w, h] = cell(patch);
    const size = Math.max(3 * ratio, Math.min(w, h) * 0.28);
    levels.at(share).rect(x + (w - size) / 2, y + (h - size) / 2, size, size);
  });
  context.lineWidth = 2 * ratio;
  context.strokeStyle = 'rgba(0, 0, 0, 0.8)';
  context.fillStyle = ink.anchor;
  levels.paths.forEach((path, strength) => {
    context.globalAlpha = strength;
    context.stroke(path);
    context.fill(path);
  });
}

/**
 * A line between neighbours in different slots, weak between two that share theirs with nobody.
 * @param {CanvasRenderingContext2D} context
 * @param {Scene} scene
 * @param {number} ratio
 */
function paintBorders(context, scene, ratio) {
  const { at, columns } = scene;
  if (!at) return;
  const sizes = new Map();
  at.forEach((owner) => sizes.set(owner, (sizes.get(owner) ?? 0) + 1));
  const isAlone = (/** @type {number} */ patch) => at[patch] >= 0 && sizes.get(at[patch]) < 2;
  const cell = cellsOf(context.canvas, scene);
  const levels = byStrength();
  /** @type {(p: number, q: number, x1: number, y1: number, x2: number, y2: number) => void} */
  const line = (p, q, x1, y1, x2, y2) => {
    if (at[p] === at[q]) return;
    const path = levels.at(isAlone(p) && isAlone(q) ? 0.25 : 0.9);
    path.moveTo(x1, y1);
    path.lineTo(x2, y2);
  };
  for (let patch = 0; patch < at.length; patch++) {
    const [x, y, w, h] = cell(patch);
    if ((patch + 1) % columns) line(patch, patch + 1, x + w, y, x + w, y + h);
    if (patch + columns < at.length) line(patch, patch + columns, x, y + h, x + w, y + h);
  }
  context.strokeStyle = 'rgba(0, 0, 0, 0.75)';
  context.lineWidth = ratio;
  levels.paths.forEach((path, strength) => {
    context.globalAlpha = strength;
    context.stroke(path);
  });
}
