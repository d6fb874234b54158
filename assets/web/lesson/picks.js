// Picks: patches that the reader picks on a picture, and then what became of their tokens.

import { ink } from '../view/ink.js';
import { patchAt } from '../view/pointer.js';
import { state } from '../view/state.js';
import { layOver, patchesOn } from './sheet.js';

const PICK_DARK = 'rgba(22, 22, 28, 0.95)';
const PICK_GREY = '#5b5b66';
/**
 * Instead of the number, as strokes around the middle of a disc of radius 1.
 * @type {Record<string, number[][][]>}
 */
const PICK_SIGNS = {
  hit: [[[-0.42, 0.05], [-0.1, 0.38], [0.45, -0.35]]],
  dropped: [[[-0.35, -0.35], [0.35, 0.35]], [[0.35, -0.35], [-0.35, 0.35]]],
};

/**
 * @param {HTMLCanvasElement} canvas
 * @param {number} count
 * @param {(picks: number[]) => void} changed
 * @returns {DrawnPicks}
 */
export function buildPicks(canvas, count, changed) {
  /** @type {Picked} */
  const own = { picks: [], answer: null };
  const { sheet, lift } = layOver(canvas, (each) => paintPicks(each, own));
  const show = () => {
    if (sheet.ratio && sheet.width) paintPicks(sheet, own);
  };
  const toggle = (/** @type {number} */ patch) => {
    const { picks } = own;
    if (!picks.includes(patch) && picks.length >= count) return;
    own.picks = picks.includes(patch) ? picks.filter((each) => each !== patch) : [...picks, patch];
    show();
    changed([...own.picks]);
  };
  const unlisten = listenPicks(canvas, toggle);
  show();
  return {
    picks: () => [...own.picks],
    fates: () => own.answer && own.picks.map((patch) => [patch, fateOfPick(patch, /** @type {PickAnswer} */ (own.answer))]),
    set(picks) {
      const [{ rows, columns }] = state.layout.views;
      own.picks = [...new Set(picks)].filter((patch) => patch >= 0 && patch < rows * columns).slice(0, count);
      show();
    },
    reveal(answer) {
      unlisten();
      own.answer = answer;
      show();
    },
    stop() {
      unlisten();
      lift();
    },
  };
}

/**
 * Before the view's own listeners, which would hold the patch.
 * @param {HTMLCanvasElement} canvas
 * @param {(patch: number) => void} toggle
 */
function listenPicks(canvas, toggle) {
  const press = (/** @type {Event} */ event) => {
    const isClick = event.type === 'click';
    const { key, repeat } = /** @type {KeyboardEvent} */ (event); // a click has neither
    const patch = isClick ? patchAt(canvas, /** @type {MouseEvent} */ (event)) : key === 'Enter' ? state.hover?.patch ?? null : null;
    if (!isClick && patch === null) return;
    event.stopImmediatePropagation();
    event.preventDefault();
    if (patch !== null && !repeat) toggle(patch);
  };
  ['click', 'keydown'].forEach((kind) => canvas.addEventListener(kind, press, true));
  return () => ['click', 'keydown'].forEach((kind) => canvas.removeEventListener(kind, press, true));
}

/**
 * Where the token of a pick is: 'hit' in a slot of its own, 'text', 'dropped', or the patch that it was merged into.
 * @param {number} patch
 * @param {PickAnswer} answer
 */
function fateOfPick(patch, { anchors, ownerOf }) {
  if (anchors.has(patch)) return 'hit';
  const owner = ownerOf(patch);
  return owner === null ? 'dropped' : owner < 0 ? 'text' : owner;
}

// ---- painting

/**
 * @param {FineCanvas} sheet
 * @param {Picked} own
 */
function paintPicks(sheet, { picks, answer }) {
  const pen = /** @type {CanvasRenderingContext2D} */ (sheet.getContext('2d'));
  const cell = patchesOn(sheet);
  const { anchor } = ink();
  const fates = picks.map((patch) => (answer ? fateOfPick(patch, answer) : null));
  const [, , w, h] = cell(0);
  const size = Math.max(10 * sheet.ratio, Math.min(20 * sheet.ratio, 0.4 * Math.min(w, h)));
  const centre = (/** @type {number} */ patch) => middleOf(sheet, cell(patch), size + 3.5 * sheet.ratio);
  pen.clearRect(0, 0, sheet.width, sheet.height);
  if (!answer) paintGrid(pen, sheet);
  picks.forEach((patch, i) => {
    const fate = fates[i];
    if (typeof fate === 'number') paintOwner(pen, centre(patch), cell(fate), sheet.ratio, anchor);
  });
  picks.forEach((patch, i) => paintPick(pen, centre(patch), size, String(i + 1), fates[i], anchor, sheet.ratio));
}

/**
 * What can be picked.
 * @param {CanvasRenderingContext2D} pen
 * @param {FineCanvas} sheet
 */
function paintGrid(pen, { width, height, ratio }) {
  const [{ rows, columns }] = state.layout.views;
  pen.fillStyle = 'rgba(0, 0, 0, 0.28)';
  for (let row = 1; row < rows; row++) pen.fillRect(0, Math.round(row * height / rows), width, ratio);
  for (let column = 1; column < columns; column++) pen.fillRect(Math.round(column * width / columns), 0, ratio, height);
}

/**
 * Of a patch at the edge, so that a disc around it is not cut off.
 * @param {FineCanvas} sheet
 * @param {CellBox} cell
 * @param {number} room
 * @returns {[number, number]}
 */
function middleOf(sheet, [x, y, w, h], room) {
  const inside = (/** @type {number} */ value, /** @type {number} */ most) => Math.max(room, Math.min(most - room, value));
  return [inside(x + w / 2, sheet.width), inside(y + h / 2, sheet.height)];
}

/**
 * Twice, so that it can be read on any picture: first wider, in the colour of the edge.
 * @param {CanvasRenderingContext2D} pen
 * @param {Path2D} path
 * @param {number} width
 * @param {string} colour
 * @param {string} edge
 * @param {number} ratio
 */
function strokeTwice(pen, path, width, colour, edge, ratio) {
  for (const [line, tint] of /** @type {[number, string][]} */ ([[width + 3, edge], [width, colour]])) {
    pen.lineWidth = line * ratio;
    pen.strokeStyle = tint;
    pen.stroke(path);
  }
}

/**
 * From a pick to the patch in whose slot its token is.
 * @param {CanvasRenderingContext2D} pen
 * @param {[number, number]} from
 * @param {CellBox} cell
 * @param {number} ratio
 * @param {string} anchor
 */
function paintOwner(pen, [fromX, fromY], [x, y, w, h], ratio, anchor) {
  const line = new Path2D();
  line.moveTo(fromX, fromY);
  line.lineTo(x + w / 2, y + h / 2);
  pen.lineCap = 'round';
  strokeTwice(pen, line, 2.5, PICK_GREY, '#fff', ratio);
  const frame = new Path2D();
  frame.rect(x + 2 * ratio, y + 2 * ratio, w - 4 * ratio, h - 4 * ratio);
  strokeTwice(pen, frame, 2.5, anchor, PICK_DARK, ratio);
  const end = new Path2D();
  end.arc(x + w / 2, y + h / 2, 1.5 * ratio, 0, 7);
  strokeTwice(pen, end, 3, anchor, PICK_DARK, ratio);
}

/**
 * @param {CanvasRenderingContext2D} pen
 * @param {[number, number]} centre
 * @param {number} size
 * @param {string} number
 * @param {string | number | null} fate
 * @param {string} anchor
 * @param {number} ratio
 */
function paintPick(pen, [x, y], size, number, fate, anchor, ratio) {
  const disc = new Path2D();
  disc.arc(x, y, size, 0, 7);
  pen.lineCap = 'round';
  pen.fillStyle = fate === null ? PICK_DARK : fate === 'hit' ? anchor : PICK_GREY;
  pen.fill(disc);
  // What went into text has no place on the picture: its rim is dotted.
  if (fate === 'text') pen.setLineDash([0.1, 4.5 * ratio]);
  strokeTwice(pen, disc, 2, '#fff', PICK_DARK, ratio);
  pen.setLineDash([]);
  if (fate !== null && fate in PICK_SIGNS) return paintSign(pen, [x, y], size, PICK_SIGNS[fate], fate === 'hit' ? '#16161c' : '#fff', ratio);
  Object.assign(pen, { fillStyle: '#fff', textAlign: 'center', textBaseline: 'middle' });
  pen.font = '700 ' + size * (number.length > 1 ? 1 : 1.25) + 'px sans-serif';
  pen.fillText(number, x, y + 0.06 * size);
}

/**
 * @param {CanvasRenderingContext2D} pen
 * @param {[number, number]} centre
 * @param {number} size
 * @param {number[][][]} strokes
 * @param {string} colour
 * @param {number} ratio
 */
function paintSign(pen, [x, y], size, strokes, colour, ratio) {
  pen.beginPath();
  strokes.forEach((points) => points.forEach(([dx, dy], i) => pen[i ? 'lineTo' : 'moveTo'](x + dx * size, y + dy * size)));
  pen.lineWidth = 2.5 * ratio;
  pen.strokeStyle = colour;
  pen.stroke();
}
