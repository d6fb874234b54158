// Axis: of a prediction in bytes, which leaves the answer open.

import { niceSteps, unitFor } from '../core/numbers.js';

const ROUND_TOPS = [1, 1.5, 2, 2.5, 3, 4, 5, 6, 8, 10];
export const GUESS_STEPS = 200; // a guess is a multiple of the axis / 200, so that it reads well

/**
 * Its top follows the measured value only roughly: half the axis is not the answer.
 * @param {number} total
 * @returns {GuessAxis}
 */
export function guessAxis(total) {
  const aim = 2.4 * total;
  const [unit, size] = unitFor(aim);
  const power = 10 ** Math.floor(Math.log10(aim / size));
  const off = (/** @type {number} */ factor) => Math.abs(Math.log(factor * power * size / aim));
  const factor = ROUND_TOPS.reduce((best, each) => (off(each) < off(best) ? each : best));
  return { unit, size, top: factor * power * size, ticks: niceSteps(factor * power, 5) };
}

/**
 * @param {number} bytes
 * @param {{ top: number }} axis
 */
export function snapped(bytes, { top }) {
  const step = top / GUESS_STEPS;
  return Math.min(top, Math.max(0, Math.round(bytes / step) * step));
}
