// Tokens: what one is called, where it is, and what became of it.

import { visiblePiece } from './words.js';

/**
 * @param {Side} side
 * @param {number} token
 */
export function pieceOf(side, token) {
  return visiblePiece(token < side.tokens ? side.pieces[token] : side.answer_pieces[token - side.tokens] ?? '');
}

/**
 * @param {number} patch
 * @param {number[]} grid
 */
export function placeText(patch, grid) {
  return 'row ' + (Math.floor(patch / grid[1]) + 1) + ', column ' + (patch % grid[1] + 1);
}

/**
 * @param {Side} side
 * @param {number} token
 * @param {number[]} grid
 */
export function tokenName(side, token, grid) {
  if (token < side.tokens && side.is_image[token]) return 'Patch ' + placeText(side.patchOf[token], grid);
  const kind = token >= side.tokens ? 'Answer token ' + (token - side.tokens + 1) + ' ' : 'Token ';
  return kind + '“' + pieceOf(side, token) + '”';
}

/**
 * Words before the answer, from a token on.
 * @param {Side} side
 * @param {number} first
 */
export function wordsFrom(side, first) {
  return [...Array(side.tokens).keys()].filter((token) => token >= first && !side.is_image[token]);
}

/**
 * @param {Shares} shares
 * @param {number} token
 * @returns {[string, number]}
 */
export function fateOf(shares, token) {
  const kept = shares.kept[token];
  const merged = shares.merged[token] + shares.intoText[token];
  const dropped = shares.dropped[token];
  const evicted = shares.evicted[token];
  const most = Math.max(kept, merged, dropped, evicted) - 1e-6;
  return [kept >= most ? 'kept' : merged >= most ? 'merged' : dropped >= most ? 'dropped' : 'evicted', kept];
}

/**
 * @param {Side} side
 * @param {Shares} shares
 * @param {number} token
 * @param {number} step
 * @returns {[string, number]}
 */
export function answerFate(side, shares, token, step) {
  if (token - side.tokens >= step) return ['coming', 0];
  return neverStored(side, token - side.tokens) ? ['unstored', 0] : fateOf(shares, token);
}

/**
 * The token that ends an answer is written but never read again.
 * @param {Side} side
 * @param {number} number
 */
export function neverStored(side, number) {
  return side.finish === 'end' && number === side.steps - 1;
}
