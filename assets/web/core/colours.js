// Colours: of heat, and of groups of patches.

import { holder } from './holders.js';
import { viewOf } from './tokens.js';
import { eachPair } from './views.js';

// Cividis reads the same with every kind of colour vision.
const CIVIDIS = ['00224e', '123570', '3b496c', '575d6d', '707173', '8a8678', 'a59c74', 'c3b369', 'e1cc55', 'fee838']
  .map((hex) => [0, 2, 4].map((at) => parseInt(hex.slice(at, at + 2), 16)));
export const PALETTE = 6;

/** @param {number} share */
export function cividisParts(share) {
  const at = Math.min(1, Math.max(0, share)) * (CIVIDIS.length - 1);
  const low = Math.min(CIVIDIS.length - 2, Math.floor(at));
  return CIVIDIS[low].map((value, i) => Math.round(value + (at - low) * (CIVIDIS[low + 1][i] - value)));
}

/** @param {number} share */
export function cividis(share) {
  return 'rgb(' + cividisParts(share).join(',') + ')';
}

/** @param {string} hex */
export function hexParts(hex) {
  return [1, 3, 5].map((at) => parseInt(hex.slice(at, at + 2), 16));
}

/**
 * Every patch in the mean colour of the patches that share its slot; null for those in no slot of the image.
 * @param {Side} side
 * @param {number[]} at
 * @param {number[][]} colours
 */
export function groupMeans(side, at, colours) {
  const sums = new Map();
  at.forEach((owner, patch) => {
    const sum = sums.get(owner) ?? [0, 0, 0, 0];
    colours[patch].forEach((value, part) => { sum[part] += value; });
    sum[3]++;
    sums.set(owner, sum);
  });
  return at.map((owner) => {
    if (owner < 0 || viewOf(side, owner) < 0) return null;
    const [red, green, blue, count] = sums.get(owner);
    return [red / count, green / count, blue / count].map(Math.round);
  });
}

/**
 * A colour number per patch such that neighbouring groups differ; -1 for patches that share a slot with no other.
 * @param {Side} side
 * @param {number} plane
 * @param {number} step
 * @param {Layout} layout
 * @param {number} palette
 */
export function groupColours(side, plane, step, layout, palette) {
  const at = side.patches.map((token) => holder(side, plane, token, step));
  const size = new Map();
  at.forEach((owner) => size.set(owner, (size.get(owner) ?? 0) + 1));
  const isGroup = (/** @type {number} */ owner) => owner >= 0 && viewOf(side, owner) >= 0 && size.get(owner) > 1;
  const near = new Map();
  at.forEach((owner) => { if (isGroup(owner)) near.set(owner, new Set()); });
  const touch = (/** @type {number} */ p, /** @type {number} */ q) => {
    if (at[p] === at[q] || !near.has(at[p]) || !near.has(at[q])) return;
    near.get(at[p]).add(at[q]);
    near.get(at[q]).add(at[p]);
  };
  eachPair(layout, touch);
  const colour = new Map();
  const byDegree = [...near.keys()].sort((a, b) => near.get(b).size - near.get(a).size || a - b);
  for (const owner of byDegree) {
    const taken = new Set([...near.get(owner)].map((other) => colour.get(other)));
    const free = [...Array(palette).keys()].find((number) => !taken.has(number));
    colour.set(owner, free ?? 0);
  }
  return at.map((owner) => colour.get(owner) ?? -1);
}
