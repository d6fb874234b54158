// Gaze: what the query of an answer token looked at, and the numbers behind the heat.

import { holder, slotsAfter } from './holders.js';

// A byte stands for the root of a weight.
const WEIGHTS = Float32Array.from({ length: 256 }, (_, byte) => (byte / 255) ** 2);
const TOP_ANSWER = 3;
const TOP_PROMPT = 5;

/**
 * The layer (from 1) whose gaze can be shown: the asked one where the server gave it, else 0, the mean of all.
 * @param {Side} side
 * @param {number[]} numbers
 * @param {number} layer
 */
export function layerSeen(side, numbers, layer) {
  const rows = side.layerLooked.get(layer);
  return rows && numbers.every((number) => rows[number] || !side.looked[number]) ? layer : 0;
}

/**
 * @param {Side} side
 * @param {number} number
 * @param {number} layer
 */
function lookedRow(side, number, layer) {
  return (layer ? side.layerLooked.get(layer) ?? [] : side.looked)[number];
}

/**
 * After how many answer tokens the slots were as a query found them: it is the one of the token before.
 * @param {number} number
 */
const foundAfter = (number) => Math.max(0, number - 1);

/**
 * The share of a query's weights that falls on each of some tokens: a slot's weight is shared out evenly among the tokens
 * in it. Where the weight is a mean over layers or heads, all of those in which the token holds a slot count alike.
 * @param {Side} side
 * @param {number[]} tokens
 * @param {Uint8Array} row
 * @param {Slots | null} slots
 */
function sharesOfWeight(side, tokens, row, slots) {
  if (!slots) return Float32Array.from(tokens, (token) => WEIGHTS[row[token]]);
  const shares = new Float32Array(tokens.length);
  const { where, width, sizes, heldIn, step } = slots;
  for (let i = 0; i < where.length; i++) {
    for (let j = 0; j < tokens.length; j++) {
      const at = holder(side, where[i], tokens[j], step);
      if (at >= 0) shares[j] += WEIGHTS[row[at]] / (heldIn[at] * sizes[i * width + at]);
    }
  }
  return shares;
}

/**
 * The slots that an answer token's query found; null where every token had its own or none. The first answer token's
 * query is the prompt's last one, which read the cache before it was compressed, unless that was before the question.
 * @param {Side} side
 * @param {number} number
 * @param {number} layer
 */
function slotsFound(side, number, layer) {
  return side.merges && (number || side.asked_after) ? slotsAfter(side, layer, foundAfter(number)) : null;
}

/**
 * What those answer tokens looked at, the mean over them per asked token; null if nothing is known of any.
 * @param {Side} side
 * @param {number[]} numbers
 * @param {number} layer
 * @param {number[]} tokens
 */
export function meanShares(side, numbers, layer, tokens) {
  const known = numbers.filter((number) => lookedRow(side, number, layer));
  if (!known.length) return null;
  const all = known.map((number) => sharesOfWeight(side, tokens, lookedRow(side, number, layer), slotsFound(side, number, layer)));
  return all[0].map((_, i) => all.reduce((sum, shares) => sum + shares[i], 0) / all.length);
}

/**
 * Per patch what those answer tokens looked at; NaN where that is not known.
 * @param {Side} side
 * @param {number[]} numbers
 * @param {number} asked
 */
export function patchGaze(side, numbers, asked) {
  const layer = layerSeen(side, numbers, asked);
  return meanShares(side, numbers, layer, side.patches) ?? new Float32Array(side.patches.length).fill(NaN);
}

/**
 * @param {number[][]} pairs
 * @param {number} count
 */
function largest(pairs, count) {
  return pairs.filter(([, weight]) => weight > 0).sort((a, b) => b[1] - a[1] || a[0] - b[0]).slice(0, count);
}

/**
 * The answer tokens, numbered from 0, that looked most at a token of the prompt: [[number, weight], ...].
 * @param {Side} side
 * @param {number} token
 * @param {number} asked
 */
export function topAnswer(side, token, asked) {
  const numbers = [...Array(side.known).keys()];
  const layer = layerSeen(side, numbers, asked);
  const shareOf = (/** @type {number} */ number) => sharesOfWeight(side, [token], lookedRow(side, number, layer), slotsFound(side, number, layer))[0];
  return largest(numbers.map((number) => [number, shareOf(number)]), TOP_ANSWER);
}

/**
 * The words before the answer that those answer tokens looked at most: [[token, weight], ...].
 * @param {Side} side
 * @param {number[]} numbers
 * @param {number} asked
 */
export function topPrompt(side, numbers, asked) {
  const layer = layerSeen(side, numbers, asked);
  const words = [...Array(side.tokens).keys()].filter((token) => !side.is_image[token]);
  const shares = meanShares(side, numbers, layer, words);
  return largest(words.map((token, i) => [token, shares?.[i] ?? 0]), TOP_PROMPT);
}

/**
 * Attention received per patch: of a layer, or the mean of all; NaN where no layer has a number.
 * @param {Side} side
 * @param {number} layer
 */
export function patchScores(side, layer) {
  const first = layer ? layer - 1 : 0;
  const end = layer || side.layers;
  return Float32Array.from(side.patches, (token) => {
    let sum = 0;
    let count = 0;
    for (let l = first; l < end; l++) {
      const value = side.score[l * side.tokens + token];
      if (!Number.isNaN(value)) { sum += value; count++; }
    }
    return count ? sum / count : NaN;
  });
}

/**
 * Lowest and highest number over both sides; the 99th percentile for the highest if sinks are hidden.
 * @param {Float32Array[]} heats
 * @param {boolean} hideSinks
 */
export function heatRange(heats, hideSinks) {
  const all = Float32Array.from(heats.flatMap((heat) => [...heat.filter((value) => !Number.isNaN(value))])).sort();
  if (!all.length) return [NaN, NaN];
  const at = 0.99 * (all.length - 1);
  const below = Math.floor(at);
  const percentile = all[below] + (at - below) * (all[Math.min(below + 1, all.length - 1)] - all[below]);
  return [all[0], hideSinks ? percentile : all.at(-1)];
}
