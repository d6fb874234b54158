// Light: what a word of a text beside the view names is lit up on it; a word for a side dims the other one.

import { wordsFrom } from '../core/tokens.js';
import { root } from './dom.js';
import { redraw, state } from './state.js';

const kept = (/** @type {number} */ token, /** @type {Side} */ { scene }) => scene.shares.kept[token] > 0.5;
/** @type {Record<string, (side: Side) => number[]>} */
const LIGHTS = { // which tokens of a side a word names
  patch: (side) => side.patches,
  first: () => [0],
  words: (side) => wordsFrom(side, 0),
  question: (side) => wordsFrom(side, side.patches.at(-1) ?? Infinity),
  anchor: (side) => (side.chooses ? side.patches.filter((token) => kept(token, side)) : []),
  merged: (side) => side.patches.filter((token) => side.scene.shares.merged[token] + side.scene.shares.intoText[token] > 0.5),
  gone: (side) => side.patches.filter((token) => side.scene.shares.dropped[token] + side.scene.shares.evicted[token] > 0.5),
  heat: (side) => brightest(side),
  story: (side) => state.story.patches.map((patch) => side.patches[patch]),
};

const TELLING = ['anchor', 'merged', 'gone'];

/**
 * The patches in the upper half of the scale.
 * @param {Side} side
 */
function brightest(side) {
  const { heat, range } = side.scene;
  if (!heat) return [];
  const ranked = side.patches.map((token, patch) => [token, heat[patch]]).filter(([, value]) => value > range[1] / 2);
  return ranked.map(([token]) => token);
}

/** @param {Side} side */
export function litTokens(side) {
  return side.scene && LIGHTS[state.lit] ? LIGHTS[state.lit](side) : [];
}

/**
 * '' puts the light out. Nothing is lit that somebody is to guess.
 * @param {string} name
 * @param {string} [colour]
 */
export function light(name, colour = '') {
  if (state.lit === name || (state.blind && TELLING.includes(name))) return;
  Object.assign(state, { lit: name, litColour: colour });
  root.dataset.lit = name;
  root.style.setProperty('--tv-lit', colour);
  redraw('hover');
}
