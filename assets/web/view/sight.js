// Sight: what grows at an end that nobody sees is brought on once a second there, and not with every message: laying a
// long answer out and painting it takes longer than all else in a frame.

import { redraw, state } from './state.js';

const PAUSE = 1000;

/** @type {WeakMap<Element, Growth>} */
const growths = new WeakMap();
const ends = new IntersectionObserver((entries) => entries.forEach(({ target, isIntersecting }) => {
  const growth = growths.get(target);
  if (!growth || growth.end !== target) return;
  growth.isSeen = isIntersecting;
  if (isIntersecting && growth.waiting) growNow(growth);
}));

/**
 * Something that grows, of which a part of the view is drawn anew; its end counts as seen until more is known.
 * @param {Part} part
 * @returns {Growth}
 */
export function newGrowth(part) {
  return { part, end: null, isSeen: true, grownAt: 0, waiting: 0 };
}

/**
 * Whether it is to grow in this frame. Where it is not, it will be drawn a second later, or once its end is seen.
 * @param {Growth} growth
 */
export function isDue(growth) {
  if (state.done || growth.isSeen || performance.now() - growth.grownAt >= PAUSE) return true;
  growth.waiting ||= setTimeout(growNow, PAUSE, growth);
  return false;
}

/** @param {Growth} growth */
function growNow(growth) {
  clearTimeout(growth.waiting);
  Object.assign(growth, { waiting: 0, grownAt: 0 });
  redraw(growth.part);
}

/**
 * It has grown: here is where it ends now.
 * @param {Growth} growth
 * @param {Element | null | undefined} end
 */
export function noteEnd(growth, end) {
  growth.grownAt = performance.now();
  if (!end || growth.end === end) return;
  if (growth.end) ends.unobserve(growth.end);
  growth.end = end;
  growths.set(end, growth);
  ends.observe(end);
}
