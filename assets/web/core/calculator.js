// Calculator: what a cache costs in memory and in traffic. Arithmetic over a model's shape, no measurement.

import { bytesAfter } from './charts.js';
import { bytesText, percentText, shortNumber } from './numbers.js';
import { bytesReadAt } from './reading.js';

export const CALCULATED_SHAPES = [
  // Weights of the language model that a step reads, 16 bits each: of the embedding table it reads one row only.
  { name: 'LLaVA-1.5-7B', layers: 32, kv_heads: 32, head_dim: 128, element_bytes: 2, weight_bytes: 2 * 6607343616 },
  { name: 'LLaVA-1.5-13B', layers: 40, kv_heads: 40, head_dim: 128, element_bytes: 2, weight_bytes: 2 * 12852024320 },
];
// Name, memory in GB, bandwidth in GB a second, as their makers state them.
export const GPUS = /** @type {[string, number, number][]} */ ([
  ['T4', 16, 320], ['L4', 24, 300], ['A10G', 24, 600], ['RTX 4090', 24, 1008], ['A100 40 GB', 40, 1555],
  ['A100 80 GB', 80, 2039], ['H100 SXM', 80, 3350], ['H200', 141, 4800],
]).map(([name, memory, bandwidth]) => ({ name, memory: memory * 1e9, bandwidth: bandwidth * 1e9 }));

// ---- arithmetic

/**
 * @param {Shape} shape
 * @param {number} batch
 * @param {number} tokens
 */
export function cacheBytes(shape, batch, tokens) {
  return 2 * shape.layers * shape.kv_heads * shape.head_dim * shape.element_bytes * batch * tokens;
}

/**
 * A step reads all weights once and every sequence's cache.
 * @param {Shape} shape
 * @param {number} batch
 * @param {number} tokens
 */
function stepTraffic(shape, batch, tokens) {
  const cache = cacheBytes(shape, batch, tokens);
  return { cache, total: shape.weight_bytes + cache, share: cache / (shape.weight_bytes + cache) };
}

/**
 * @param {Shape} shape
 * @param {Gpu} gpu
 * @param {number} tokens
 */
function largestBatch(shape, gpu, tokens) {
  return Math.max(0, Math.floor((gpu.memory - shape.weight_bytes) / cacheBytes(shape, 1, tokens)));
}

/**
 * One column of the result: a share `keep` of the tokens seen is held, at the end of the answer and halfway.
 * @param {Shape} shape
 * @param {Gpu} gpu
 * @param {Load} given
 */
export function calculate(shape, gpu, { batch, prompt, answer, keep }) {
  const atEnd = (prompt + answer) * keep;
  const halfway = (prompt + answer / 2) * keep;
  const traffic = stepTraffic(shape, batch, halfway);
  const perSequence = gpu.bandwidth / traffic.total;
  return {
    cache: cacheBytes(shape, batch, atEnd), weights: shape.weight_bytes, largest: largestBatch(shape, gpu, atEnd),
    share: traffic.share, perSequence, total: batch * perSequence,
  };
}

// ---- the calculator

/** @type {Entry[]} */
export const CALCULATOR_NUMBERS = [
  { name: 'batch', label: 'Batch, sequences', value: 1, low: 1, high: 4096, isWhole: true },
  { name: 'prompt', label: 'Prompt, tokens', value: 640, low: 1, high: 1000000, isWhole: true },
  { name: 'answer', label: 'Answer, tokens', value: 128, low: 1, high: 1000000, isWhole: true },
  { name: 'keep', label: 'Cache kept, %', value: 50, low: 1, high: 100 },
];
export const CALCULATOR_BATCHES = [1, 8, 32];

/**
 * What is wrong with an entry, as a sentence; '' where it is fine.
 * @param {Entry} given
 * @param {string} text
 */
export function problemWith({ label, low, high, isWhole }, text) {
  const value = text.trim() === '' ? NaN : Number(text);
  const fits = value >= low && value <= high && (!isWhole || Number.isInteger(value));
  const kind = isWhole ? 'a whole number' : 'a number';
  return fits ? '' : label + ': enter ' + kind + ' from ' + low + ' to ' + high.toLocaleString('en') + '.';
}

/** @param {number} bytes */
export const gibText = (bytes) => (bytes ? shortNumber(bytes / 2 ** 30) : '0') + ' GiB';
/** @param {number} count */
export const countText = (count) => count.toLocaleString('en', { maximumFractionDigits: count < 100 ? 1 : 0 });

/**
 * @param {{ largest: number }} full
 * @param {{ largest: number }} kept
 * @param {{ batch: number, keep: number }} given
 * @param {Gpu} gpu
 */
export function fitSentence(full, kept, { batch, keep }, gpu) {
  const subject = batch === 1 ? 'One sequence fits' : 'A batch of ' + countText(batch) + ' fits';
  if (batch <= Math.min(full.largest, kept.largest)) return subject + ' into the ' + gpu.name + ' either way.';
  if (batch <= kept.largest) return subject + ' with ' + countText(keep) + ' % of the cache kept, not with all of it.';
  return subject.replace(/fits$/, 'does not fit') + ' into the ' + gpu.name + ' either way; its speeds are what more memory would allow.';
}

/**
 * Bytes of the cache that a step reads: all that is held, or of methods that read a part that.
 * @param {Side} side
 * @param {number} step
 */
function readNow(side, step) {
  const part = bytesReadAt(side, step);
  return Number.isFinite(part) ? part : bytesAfter(side, step);
}

/**
 * Of what a step reads, the share that is each side's cache.
 * @param {Side[]} sides
 * @param {Shape} shape
 * @param {number} step
 */
export function trafficShares(sides, shape, step) {
  return sides.map((side) => readNow(side, step) / (shape.weight_bytes + readNow(side, step)));
}

/**
 * @param {Side[]} sides
 * @param {Shape} shape
 * @param {number} step
 */
export function trafficText(sides, shape, step) {
  const shares = trafficShares(sides, shape, step);
  return 'At this step the model reads ' + bytesText(shape.weight_bytes) + ' of weights and a cache of '
    + sides.map((side, i) => bytesText(readNow(side, step)) + ' (' + side.title + ': ' + percentText(shares[i]) + ' of the traffic)').join(' or ')
    + '.';
}
