// Charts: the points of their lines, where things are in them, and what they say.

import { bytesText, percentText, shortTick } from './numbers.js';
import { bytesReadAt } from './reading.js';

// ---- memory

/**
 * Bytes after compressing and after each step that has arrived: [[step, bytes], ...].
 * @param {Side} side
 */
export function memoryPoints(side) {
  return withPrompt(side.prompt_bytes, side.bytes_held);
}

/**
 * What the policy aims at, in the same form; nothing where it may keep everything.
 * @param {Side} side
 */
export function limitPoints(side) {
  return side.is_compressed && Number.isFinite(side.prompt_limit_bytes) ? withPrompt(side.prompt_limit_bytes, side.limit_bytes) : [];
}

/**
 * @param {number} first
 * @param {number[]} rest
 */
function withPrompt(first, rest) {
  return [[0, first], ...rest.map((value, i) => [i + 1, value])].filter(([, value]) => Number.isFinite(value));
}

/** @param {Side} side */
export function roomPoints(side) {
  return side.bytes_allocated.map((bytes, i) => [i + 1, bytes]).filter(([, bytes]) => Number.isFinite(bytes));
}

/**
 * @param {Side} side
 * @param {number} step
 */
export function bytesAfter(side, step) {
  const at = Math.min(step, side.steps);
  return at ? side.bytes_held[at - 1] ?? NaN : side.prompt_bytes;
}

/** @param {Side} side */
export function shortTitle(side) {
  return side.title.length > 30 ? side.title.slice(0, 29) + '…' : side.title;
}

/**
 * @param {Side} side
 * @param {number} step
 */
export function memoryWords(side, step) {
  const aim = limitPoints(side)[Math.min(step, side.steps)]?.[1];
  const read = bytesReadAt(side, step);
  return side.title + ' ' + bytesText(bytesAfter(side, step)) + (Number.isFinite(read) ? ', of which a word reads ' + bytesText(read) : '')
    + (aim === undefined ? '' : ' (aims at ' + bytesText(aim) + ')');
}

// ---- certainty

/**
 * Per step the probability a side gave to the token that the first side wrote, as far as both texts are the same.
 * @param {Side} side
 * @param {Side} first
 */
export function surePoints(side, first) {
  const logs = side === first ? side.logprob : side.reference_logprob;
  const end = logs.findIndex((value) => !Number.isFinite(value));
  return (end < 0 ? logs : logs.slice(0, end)).map((value, i) => [i + 1, Math.exp(value)]);
}

/**
 * The number of the first token in which a side's text is not the first side's, null while there is none.
 * @param {Side} side
 * @param {Side} first
 */
export function differsAt(side, first) {
  const judged = surePoints(side, first).length;
  if (side === first || !judged) return null;
  const unlike = side.answer_pieces[judged - 1] !== first.answer_pieces[judged - 1];
  const endedEarly = first.steps > judged && side.finish === 'end';
  return unlike || side.steps > judged || endedEarly ? judged : null;
}

/**
 * @param {Side} side
 * @param {Side} first
 * @param {number[][]} points
 * @param {number} step
 */
export function sureWords(side, first, points, step) {
  const value = points[step - 1]?.[1];
  if (value !== undefined) return percentText(value);
  const at = differsAt(side, first);
  return at !== null && step > at ? '– (texts differ since token ' + at + ')' : '–';
}

const tenths = (/** @type {number} */ value) => Math.round(value * 10) / 10;

/**
 * Points as the corners of a path, each written out.
 * @param {number[][]} points
 * @param {(at: number) => number} x
 * @param {(value: number) => number} y
 */
export function corners(points, x, y) {
  return points.map(([at, value]) => tenths(x(at)) + ' ' + tenths(y(value)));
}

/** @param {string[]} corners */
export function path(corners) {
  return corners.length ? 'M' + corners.join('L') : '';
}

// ---- where things are

/**
 * In a room of that size: the edges, and where steps and values are. Ticks are in units of `size`. What has to do with
 * letters is given for letters of 14 px and grows with them, as they do on projectors.
 * @param {{ width: number, height: number, em: number }} given
 * @param {number[]} ticks
 * @param {number} size
 * @param {number} last
 * @param {number} top
 * @returns {Plot}
 */
export function plotFor({ width, height, em }, ticks, size, last, top) {
  const letters = Math.max(3, ...ticks.map((tick) => shortTick(tick).length));
  const scale = em / 14;
  const edge = { left: (10 + 8 * letters) * scale, right: 12, top: top * scale, bottom: 20 * scale };
  const end = Math.max(last, 1);
  const x = (/** @type {number} */ at) => edge.left + (width - edge.left - edge.right) * at / end;
  const high = ticks[ticks.length - 1] * size;
  const y = (/** @type {number} */ value) => height - edge.bottom - (height - edge.top - edge.bottom) * value / high;
  return { width, em, scale, edge, x, y, steps: { x0: x(0), x1: x(end), last: end } };
}

/**
 * How high the label of each line is, the upper one first: above its line's end, or below the lower one where there is no
 * room between.
 * @param {Side[]} sides
 * @param {Plot} given
 * @param {number} step
 */
export function labelPlaces(sides, { y, scale }, step) {
  const tall = 17 * scale;
  const labels = sides.map((side) => ({ side, bytes: bytesAfter(side, step), line: y(bytesAfter(side, side.steps)) }))
    .filter((label) => Number.isFinite(label.bytes + label.line))
    .sort((a, b) => a.line - b.line)
    .map((label) => ({ ...label, at: label.line - 7 }));
  if (labels.length > 1 && labels[1].line - labels[0].line < tall + 4) {
    const below = labels[1].line + 16 * scale;
    labels[1].at = below < y(0) - 2 ? below : labels[0].at - tall;
    if (labels[1].at < labels[0].at) [labels[0].at, labels[1].at] = [labels[1].at, labels[0].at];
  }
  return labels;
}
