// Paint: the picture with its patches. A base layer per side is painted when something changes, hover goes on top.

import { cellsOf, eachPair, regionOf } from '../core/views.js';
import { paintCells, paintLight, paintPattern } from './paint_cells.js';
import { dots, hatching, ruling } from './patterns.js';

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
  context.clearRect(0, 0, width, height);
  context.fillStyle = ink.plain;
  scene.layout.views.forEach((view, number) => {
    const [x, y, w, h] = regionOf(canvas, view);
    const picture = scene.pictures[number];
    context.fillRect(x, y, w, h);
    if (picture?.complete && picture.naturalWidth) context.drawImage(scaled(picture, w, h), x, y);
  });
  paintFill(context, scene, ink, ratio);
  paintLight(context, scene);
  const { reused } = scene;
  if (reused) paintPattern(context, scene, ruling(context, ratio), (patch) => (reused[patch] ? 0.45 : 0));
  if (scene.borders) paintBorders(context, scene, ratio);
  paintUnread(context, scene, ink, ratio);
  paintGone(context, scene, ink, ratio);
  if (scene.anchors !== 'none') paintAnchors(context, scene, ink, ratio);
  if (scene.layout.views.length > 1) paintEdges(context, scene, ratio);
  context.globalAlpha = 1;
}

/**
 * Where one view ends and the next begins.
 * @param {CanvasRenderingContext2D} context
 * @param {Scene} scene
 * @param {number} ratio
 */
function paintEdges(context, scene, ratio) {
  context.globalAlpha = 1;
  for (const [line, colour] of /** @type {[number, string][]} */ ([[3, 'rgba(255, 255, 255, 0.9)'], [1, 'rgba(0, 0, 0, 0.9)']])) {
    context.lineWidth = line * ratio;
    context.strokeStyle = colour;
    scene.layout.views.forEach((view) => context.strokeRect(...regionOf(context.canvas, view)));
  }
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
  // A patch that shares its slot with no other is its own mean, pixel by pixel.
  const isAlone = aloneIn(scene.at);
  if (fill === 'mean' && means) paintCells(context, scene, (patch) => means[patch] ?? [], (patch) => (means[patch] && !isAlone(patch) ? opacity : 0));
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
  // The heat of a dropped patch is worth seeing: only lines go over it, unless it was gone before there was any.
  const isUnlit = (/** @type {number} */ patch) => !scene.heat || Number.isNaN(scene.heat[patch]);
  paintCells(context, scene, () => ink.blank, (patch) => (isUnlit(patch) ? 0.7 * gone(patch) : 0));
  paintPattern(context, scene, hatching(context, ratio, ink.hatch, scene.heat ? ink.edge : 'transparent'), gone);
}

/**
 * What is held and not read now: under a grey veil with lines that lean the other way than those of what is gone.
 * @param {CanvasRenderingContext2D} context
 * @param {Scene} scene
 * @param {Ink} ink
 * @param {number} ratio
 */
function paintUnread(context, { unread, ...scene }, ink, ratio) {
  if (!unread) return;
  const { dropped, evicted } = scene.shares;
  const share = (/** @type {number} */ patch) => Math.max(0, unread[patch] - dropped[scene.patches[patch]] - evicted[scene.patches[patch]]);
  paintCells(context, scene, () => ink.blank, (patch) => 0.5 * share(patch));
  paintPattern(context, scene, hatching(context, ratio, ink.hatch, 'transparent', true), (patch) => 0.5 * share(patch));
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
  context.strokeStyle = ink.anchor;
  context.globalAlpha = 1;
  if (scene.patches.every((token) => scene.shares.kept[token] > 0.999)) {
    context.lineWidth = 2 * ratio;
    scene.layout.views.forEach((view) => {
      const [x, y, w, h] = regionOf(context.canvas, view);
      context.strokeRect(x + ratio, y + ratio, w - 2 * ratio, h - 2 * ratio);
    });
  } else if (scene.anchors === 'dot') paintDots(context, scene, ink, ratio);
  else paintOutlines(context, scene, ratio);
}

/**
 * @param {CanvasRenderingContext2D} context
 * @param {Scene} scene
 * @param {number} ratio
 */
function paintOutlines(context, scene, ratio) {
  const cell = cellsOf(context.canvas, scene.layout);
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
  const cell = cellsOf(context.canvas, scene.layout);
  const levels = byStrength();
  scene.patches.forEach((token, patch) => {
    const share = scene.shares.kept[token];
    if (!share) return;
    const [x, y, w, h] = cell(patch);
    // In the smallest cells it still leaves something of them.
    const size = Math.min(Math.max(3 * ratio, Math.min(w, h) * 0.28), Math.min(w, h) * 0.6);
    levels.at(share).rect(x + (w - size) / 2, y + (h - size) / 2, size, size);
  });
  const [, , wide, high] = cell(0);
  context.lineWidth = Math.min(2 * ratio, Math.min(wide, high) * 0.3);
  context.strokeStyle = 'rgba(0, 0, 0, 0.8)';
  context.fillStyle = ink.anchor;
  levels.paths.forEach((path, strength) => {
    context.globalAlpha = strength;
    context.stroke(path);
    context.fill(path);
  });
}

/**
 * Whether a patch shares its slot with no other patch.
 * @param {number[] | null} at
 */
function aloneIn(at) {
  const sizes = new Map();
  at?.forEach((owner) => sizes.set(owner, (sizes.get(owner) ?? 0) + 1));
  return (/** @type {number} */ patch) => at !== null && at[patch] >= 0 && sizes.get(at[patch]) < 2;
}

/**
 * A line between neighbours in different slots, weak between two that share theirs with nobody.
 * @param {CanvasRenderingContext2D} context
 * @param {Scene} scene
 * @param {number} ratio
 */
function paintBorders(context, scene, ratio) {
  const { at, layout } = scene;
  if (!at) return;
  const isAlone = aloneIn(at);
  const cell = cellsOf(context.canvas, scene.layout);
  const levels = byStrength();
  /** @type {(p: number, q: number, x1: number, y1: number, x2: number, y2: number) => void} */
  const line = (p, q, x1, y1, x2, y2) => {
    if (at[p] === at[q]) return;
    const path = levels.at(isAlone(p) && isAlone(q) ? 0.25 : 0.9);
    path.moveTo(x1, y1);
    path.lineTo(x2, y2);
  };
  eachPair(layout, (patch, other, isBeside) => {
    const [x, y, w, h] = cell(patch);
    if (isBeside) line(patch, other, x + w, y, x + w, y + h);
    else line(patch, other, x, y + h, x + w, y + h);
  });
  context.strokeStyle = 'rgba(0, 0, 0, 0.75)';
  context.lineWidth = ratio;
  levels.paths.forEach((path, strength) => {
    context.globalAlpha = strength;
    context.stroke(path);
  });
}
