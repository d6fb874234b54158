// Colours: of heat, and of groups of patches.

import { holder } from './holders.js';
import { viewOf } from './tokens.js';
import { eachPair } from './views.js';

// Heat is light on the picture. Where none falls it lies in dusk, darker and greyer; where much falls it has its own
// colours, and a warm light is added, which shows on dark ground what colours show on bright. Per strength, from 0 to 1.
const DUSK = { dark: 0.46, grey: 0.6, tint: [18, 24, 48] };
const LAMP = [182, 153, 59];
const LUMA = [0.3, 0.59, 0.11];
export const PALETTE = 6;

/**
 * What light of a share, from 0 to 1, does to a pixel, in the order in which it is painted: how much of its colour it
 * loses, how far it is covered by which dusk, and how much of which lamp is added to it.
 * @param {number} share
 * @param {number} strength
 */
export function lightOf(share, strength) {
  const lit = Math.min(1, Math.max(0, share));
  return { grey: DUSK.grey * strength * (1 - lit), dark: DUSK.dark * strength * (1 - lit), tint: DUSK.tint, lamp: LAMP, bright: strength * lit };
}

/**
 * A colour under a light, as a canvas blends it.
 * @param {number[]} colour
 * @param {number} share
 * @param {number} strength
 */
export function lightOn(colour, share, strength) {
  const { grey, dark, tint, lamp, bright } = lightOf(share, strength);
  const luma = colour.reduce((sum, value, i) => sum + LUMA[i] * value, 0);
  return colour.map((value, i) => {
    const dusky = (value + grey * (luma - value)) * (1 - dark) + tint[i] * dark;
    return 255 - (255 - dusky) * (1 - bright * lamp[i] / 255);
  });
}

const LEGEND = { grey: [168, 168, 168], strength: 0.7 };

/**
 * Light on a light grey, for legends.
 * @param {number} share
 */
export function lightColour(share) {
  return 'rgb(' + lightOn(LEGEND.grey, share, LEGEND.strength).map(Math.round).join(',') + ')';
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
