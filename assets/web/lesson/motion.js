// Motion: quick movements, of a picture's pieces over a canvas of patches, and of the measured line as it appears.

import { isStill } from '../view/dom.js';
import { ink } from '../view/ink.js';
import { scaled } from '../view/paint.js';
import { state } from '../view/state.js';
import { layOver, patchesOn } from './sheet.js';

const MOTION_MS = 1050;
const MOTION_LIMIT = 1200; // of slow frames, or of none in a tab that is not seen
const DELAY_MOST = 0.25; // how much later than the first the last piece starts, of the whole

const eased = (/** @type {number} */ share) => (share < 0.5 ? 2 * share ** 2 : 1 - 2 * (1 - share) ** 2);
// The own time of a piece that starts later.
const delayed = (/** @type {number} */ share, /** @type {number} */ delay) => Math.min(1, Math.max(0, (share - delay) / (1 - DELAY_MOST)));

/**
 * Calls `paint` with a sheet over the canvas and the share of the time gone by, and `done` once: at the end, when
 * cancelled, or at once where nothing would be seen.
 * @param {HTMLCanvasElement} canvas
 * @param {(sheet: FineCanvas, share: number) => void} paint
 * @param {() => void} done
 */
function playOver(canvas, paint, done) {
  const [picture] = state.pictures;
  const isSeen = canvas.clientWidth && canvas.clientHeight && picture?.complete && picture.naturalWidth;
  if (isStill() || !isSeen || document.hidden) {
    done();
    return () => {};
  }
  let share = 0;
  let due = 0;
  let isOver = false;
  const { sheet, lift } = layOver(canvas, (each) => paint(each, share));
  const finish = () => {
    if (isOver) return;
    isOver = true;
    cancelAnimationFrame(due);
    clearTimeout(limit);
    lift();
    done();
  };
  const limit = setTimeout(finish, MOTION_LIMIT);
  const start = performance.now();
  const next = (/** @type {number} */ now) => {
    share = Math.max(0, (now - start) / MOTION_MS);
    if (share >= 1) return finish();
    if (sheet.width && sheet.height) paint(sheet, share);
    due = requestAnimationFrame(next);
  };
  due = requestAnimationFrame(next);
  return finish;
}

/** @param {FineCanvas} sheet */
function paintGround(sheet) {
  const pen = /** @type {CanvasRenderingContext2D} */ (sheet.getContext('2d'));
  pen.globalAlpha = 1;
  pen.fillStyle = ink().plain;
  pen.fillRect(0, 0, sheet.width, sheet.height);
  return pen;
}

const allPatches = () => [...Array(state.layout.views[0].rows * state.layout.views[0].columns).keys()];

/**
 * The picture's patches drift apart, those in the middle first, and settle with thin gaps.
 * @param {HTMLCanvasElement} canvas
 * @param {() => void} done
 */
export function cutMotion(canvas, done) {
  return playOver(canvas, (sheet, share) => {
    const pen = paintGround(sheet);
    const picture = scaled(/** @type {HTMLImageElement} */ (state.pictures[0]), sheet.width, sheet.height);
    const cell = patchesOn(sheet);
    allPatches().forEach((patch) => {
      const [x, y, w, h] = cell(patch);
      const away = Math.hypot((x + w / 2) / sheet.width - 0.5, (y + h / 2) / sheet.height - 0.5) / Math.SQRT1_2;
      const own = delayed(share, DELAY_MOST * away);
      const gap = 0.1 * eased(own) + 0.24 * Math.sin(Math.PI * own);
      pen.drawImage(picture, x, y, w, h, x + w * gap / 2, y + h * gap / 2, w * (1 - gap), h * (1 - gap));
    });
  }, done);
}

/**
 * Every patch's piece slides under the anchor that its token is merged into; what is in no slot of the image fades.
 * @param {HTMLCanvasElement} canvas
 * @param {(patch: number) => number | null} ownerOf
 * @param {() => void} done
 */
export function slideMotion(canvas, ownerOf, done) {
  const owners = allPatches().map(ownerOf);
  const isAnchor = (/** @type {number} */ patch) => owners[patch] === patch;
  return playOver(canvas, (sheet, share) => {
    const pen = paintGround(sheet);
    const cell = patchesOn(sheet);
    // The last moments belong to what is left.
    const now = Math.min(1, share / 0.85);
    const draw = pieceDrawer(pen, scaled(/** @type {HTMLImageElement} */ (state.pictures[0]), sheet.width, sheet.height), cell);
    owners.forEach((owner, patch) => {
      if (isAnchor(patch)) return;
      if (owner === null || owner < 0) draw(patch, patch, 0, 1 - eased(Math.min(1, now / 0.6)));
      else slidePiece(draw, cell, patch, owner, now, Math.hypot(sheet.width, sheet.height));
    });
    owners.forEach((_, patch) => { if (isAnchor(patch)) draw(patch, patch, 0, 1); });
    strokeAnchors(pen, cell, allPatches().filter(isAnchor), sheet.ratio);
  }, done);
}

/**
 * Those with a short way start first.
 * @param {(patch: number, to: number, way: number, alpha: number) => void} draw
 * @param {(patch: number) => CellBox} cell
 * @param {number} patch
 * @param {number} owner
 * @param {number} now
 * @param {number} longest
 */
function slidePiece(draw, cell, patch, owner, now, longest) {
  const [[fromX, fromY], [toX, toY]] = [cell(patch), cell(owner)];
  const delay = DELAY_MOST * Math.hypot(toX - fromX, toY - fromY) / longest;
  const own = eased(delayed(now, delay));
  // What has arrived lies in the anchor's slot, whatever becomes of the piece that covers it.
  if (own < 1) draw(patch, owner, own, 1);
}

/**
 * @param {CanvasRenderingContext2D} pen
 * @param {HTMLCanvasElement} picture
 * @param {(patch: number) => CellBox} cell
 * @returns {(patch: number, to: number, way: number, alpha: number) => void}
 */
function pieceDrawer(pen, picture, cell) {
  return (patch, to, way, alpha) => {
    const [x, y, w, h] = cell(patch);
    const [endX, endY] = cell(to);
    pen.globalAlpha = alpha;
    pen.drawImage(picture, x, y, w, h, x + (endX - x) * way, y + (endY - y) * way, w, h);
    pen.globalAlpha = 1;
  };
}

/**
 * @param {CanvasRenderingContext2D} pen
 * @param {(patch: number) => CellBox} cell
 * @param {number[]} anchors
 * @param {number} ratio
 */
function strokeAnchors(pen, cell, anchors, ratio) {
  pen.strokeStyle = ink().anchor;
  pen.lineWidth = 1.5 * ratio;
  anchors.forEach((patch) => {
    const [x, y, w, h] = cell(patch);
    pen.strokeRect(x + ratio, y + ratio, w - 2 * ratio, h - 2 * ratio);
  });
}

/**
 * The line first, then what explains it.
 * @param {SVGGElement} plot
 */
export function drawOn(plot) {
  const dash = (/** @type {number} */ offset) => ({ strokeDasharray: 1, strokeDashoffset: offset });
  plot.querySelector('.ls-real')?.animate([dash(1), dash(0)], { duration: 600, easing: 'ease-out' });
  plot.querySelectorAll('.ls-gap, .ls-end, [data-end="real"]').forEach((node) => {
    node.animate([{ opacity: 0 }, { opacity: 0, offset: 0.6 }, { opacity: 1 }], { duration: 900 });
  });
}
