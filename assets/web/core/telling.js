// Telling: how a prompt became a smaller cache, in parts of a few seconds: attention, anchors, the way into them, memory.

import { holder, planesOf } from './holders.js';
import { bytesText } from './numbers.js';

export const TELLING_MS = 3800;
// Of the whole, when each part begins and ends. Memory falls while patches are on their way.
/** @type {Record<keyof TellingParts, [number, number]>} */
const PARTS_OF_TELLING = { light: [0, 0.2], rings: [0.24, 0.36], way: [0.42, 0.76], leave: [0.95, 1] };
const SPREAD = 0.35; // of the way, by how much the last patch sets out later than the first

const smooth = (/** @type {number} */ share) => share * share * (3 - 2 * share);
const within = (/** @type {number} */ share) => Math.min(1, Math.max(0, share));

/**
 * How far each part has come.
 * @param {number} share
 * @returns {TellingParts}
 */
export function tellingParts(share) {
  const parts = Object.entries(PARTS_OF_TELLING).map(([name, [from, to]]) => [name, within((share - from) / (to - from))]);
  return Object.fromEntries(parts);
}

/**
 * How far a patch is on its way, which is longer the farther its anchor is: who is near sets out first.
 * @param {number} way
 * @param {number} far
 */
export function onItsWay(way, far) {
  return smooth(within((way - SPREAD * within(far)) / (1 - SPREAD)));
}

/**
 * What becomes of a side's patches in one layer and head, as the prompt's cache was made: per patch the patch in whose slot
 * it is, itself where that is its own, `word` where that is a word's, `gone` where there is none.
 * @param {Side} side
 * @param {number} layer
 * @param {number} head
 * @returns {Telling}
 */
export function tellingOf(side, layer, head) {
  const [plane] = planesOf(side, layer, head || 1);
  const at = side.patches.map((token) => holder(side, plane, token, 0));
  const to = at.map((token) => (token < 0 ? NOWHERE : token < side.tokens && side.patchOf[token] >= 0 ? side.patchOf[token] : IN_WORD));
  const counts = { kept: 0, merged: 0, word: 0, gone: 0 };
  to.forEach((patch, own) => { counts[patch === NOWHERE ? 'gone' : patch === IN_WORD ? 'word' : patch === own ? 'kept' : 'merged']++; });
  return { at, to, counts };
}

export const NOWHERE = -1;
export const IN_WORD = -2;

/**
 * The bytes of a whole prompt in a cache that keeps everything.
 * @param {Side[]} sides
 * @param {Shape | null} shape
 */
export function wholeBytes(sides, shape) {
  const perToken = shape ? 2 * shape.layers * shape.kv_heads * shape.head_dim * shape.element_bytes : 0;
  return Math.max(...sides.map((side) => Math.max(side.prompt_bytes, perToken * side.tokens)));
}

/**
 * A side's bytes on the way from the whole prompt to what is kept of it.
 * @param {Side} side
 * @param {number} whole
 * @param {number} way
 */
export function bytesOnTheWay(side, whole, way) {
  return whole + (side.prompt_bytes - whole) * smooth(way);
}

/**
 * What a side's bar says on the way: where it comes from and where to, since no cache ever held what lies between.
 * @param {Side} side
 * @param {number} whole
 * @param {number} way
 */
export function bytesSaid(side, whole, way) {
  const [from, to] = [bytesText(whole), bytesText(side.prompt_bytes)];
  if (from === to || way <= 0) return from;
  return way < 1 ? from + ' → ' + to : to;
}

/**
 * What is seen now, in words.
 * @param {TellingParts} parts
 * @param {Side[]} sides
 * @param {Telling[]} tellings
 * @param {string} layer
 */
export function tellingText({ rings, way }, sides, tellings, layer) {
  const chosen = sides.map((side, i) => ({ name: side.letter.toUpperCase(), ...tellings[i].counts, all: side.patches.length }));
  const smaller = chosen.filter(({ kept, all }) => kept < all);
  const each = (/** @type {(side: typeof chosen[number]) => string} */ text) => (smaller.length ? smaller : chosen).map(text).join('; ');
  if (!rings) return 'Bright patches received most attention (' + layer + ').';
  if (!way) return each(({ name, kept, all }) => name + ' keeps ' + (kept < all ? kept + ' of ' : 'all ') + all + ' patches in slots of their own') + ' (' + layer + ').';
  if (way < 1 && smaller.length) return each(({ name, merged, word, gone }) => 'In ' + name + ' ' + waysText(merged, word, gone)) + ' (' + layer + ').';
  return 'The prompt takes ' + sides.map((side) => bytesText(side.prompt_bytes) + ' in ' + side.letter.toUpperCase()).join(', ') + '.';
}

/**
 * @param {number} merged
 * @param {number} word
 * @param {number} gone
 */
function waysText(merged, word, gone) {
  const ways = [merged && merged + ' are averaged into an anchor’s slot', word && word + ' into a word’s', gone && gone + ' are dropped'];
  return ways.filter(Boolean).join(', ');
}
