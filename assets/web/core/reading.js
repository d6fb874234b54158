// Reading: which of what is held an answer token read, on sides whose tokens read a part. All else on such a side stays in
// memory, and the next token may read it.

import { bytesText, percentText } from './numbers.js';

const WHOLE = 255; // stands for all heads

/**
 * What is known of those answer tokens, in the asked layer where it is known of all of them, else in the mean of all.
 * @param {Side} side
 * @param {number[]} numbers
 * @param {number} asked
 */
function readRows(side, numbers, asked) {
  const own = asked ? side.layerRead.get(asked) : undefined;
  const layer = own && numbers.every((number) => own[number] || !side.read[number]) ? asked : 0;
  const rows = layer && own ? own : side.read;
  return { layer, rows: numbers.map((number) => rows[number]).filter(Boolean) };
}

/**
 * Per token, of a list, how much of it those answer tokens read: a share of heads, and of layers where all are shown, the
 * mean over the answer tokens; null where all was read, or nothing is known.
 * @param {Side} side
 * @param {number[]} numbers
 * @param {number} asked
 * @param {number[]} tokens
 */
export function readShares(side, numbers, asked, tokens) {
  if (!side.reads_part) return null;
  const { rows } = readRows(side, numbers, asked);
  if (!rows.length) return null;
  return Float32Array.from(tokens, (token) => rows.reduce((sum, row) => sum + row[token], 0) / rows.length / WHOLE);
}

/**
 * " · 103.4 of 256 patches read for this word, mean of all layers", of a token that is pointed at " · read for this word in
 * 40 % of all layers"; '' where all is read.
 * @param {Side} side
 * @param {number[]} numbers
 * @param {number} asked
 * @param {number | null} token
 */
export function readText(side, numbers, asked, token) {
  const shares = readShares(side, numbers, asked, token === null ? side.patches : [token]);
  if (!shares || (token !== null && token >= side.tokens)) return '';
  const { layer } = readRows(side, numbers, asked);
  const where = layer ? 'the heads of this layer' : 'all layers';
  if (token !== null) return ' · ' + (shares[0] ? 'read for this word in ' + Math.round(shares[0] * 100) + ' % of ' + where : 'not read for this word');
  const sum = shares.reduce((total, share) => total + share, 0);
  return ' · ' + Math.round(sum) + ' of ' + side.patches.length + ' patches read for this word, mean of ' + where;
}

/**
 * Bytes that a word reads, the one after a step; NaN where all that is held is read, or that is not known yet.
 * @param {Side} side
 * @param {number} step
 */
export function bytesReadAt(side, step) {
  if (!side.reads_part) return NaN;
  return side.bytes_read[Math.max(0, Math.min(step, side.steps) - 1)] ?? NaN;
}

/**
 * The same after each step that has arrived: [[step, bytes], ...]; nothing where all that is held is read.
 * @param {Side} side
 */
export function readPoints(side) {
  if (!side.reads_part) return [];
  return side.bytes_read.map((bytes, i) => [i + 1, bytes]).filter(([, bytes]) => Number.isFinite(bytes));
}

/**
 * "B drops nothing: of what it holds a word reads 1.2 MiB." Of a complete side; '' where all that is held is read.
 * @param {Side} side
 */
export function readSentence(side) {
  const bytes = bytesReadAt(side, side.steps);
  if (!side.is_compressed || !Number.isFinite(bytes)) return '';
  return side.letter.toUpperCase() + ' drops nothing: of what it holds a word reads ' + bytesText(bytes) + '.';
}

/**
 * "B holds them all, and for that word read 12 % of them, mean of its layers and heads." '' where that is not known.
 * @param {Side} side
 * @param {number[]} patches - by their numbers
 * @param {number} number - of the answer token
 */
export function readOfPatches(side, patches, number) {
  const shares = readShares(side, [number], 0, patches.map((patch) => side.patches[patch]));
  if (!shares) return '';
  const mean = shares.reduce((sum, share) => sum + share, 0) / shares.length;
  const [held, read] = patches.length > 1 ? ['them all', 'of them'] : ['it', 'of it'];
  const letter = side.letter.toUpperCase();
  return letter + ' holds ' + held + ', and for that word read ' + (mean ? percentText(mean) + ' ' + read + ', mean of its layers and heads.' : 'nothing ' + read + '.');
}
