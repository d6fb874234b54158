// Tokens: what one is called, where it is, and what became of it.

import { placeText } from './views.js';
import { visiblePiece } from './words.js';

// In a token's place stand picture, view, row and column.
const AT_VIEW = 1;
const AT_ROW = 2;

/**
 * The view that a token of the prompt is of, -1 for words.
 * @param {Side} side
 * @param {number} token
 */
export function viewOf(side, token) {
  return token < side.tokens ? side.place[token * 4 + AT_VIEW] : -1;
}

/**
 * Whether a token is of a view, and no patch of it: the end of a row, or what says which tile comes.
 * @param {Side} side
 * @param {number} token
 */
export function isMarker(side, token) {
  return viewOf(side, token) >= 0 && !side.is_image[token];
}

/**
 * The row that a token ends, -1 for all others.
 * @param {Side} side
 * @param {number} token
 */
function endedRow(side, token) {
  return isMarker(side, token) ? side.place[token * 4 + AT_ROW] : -1;
}

/**
 * @param {Side} side
 * @param {number} token
 */
export function pieceOf(side, token) {
  if (endedRow(side, token) >= 0) return '⏎';
  return visiblePiece(token < side.tokens ? side.pieces[token] : side.answer_pieces[token - side.tokens] ?? '');
}

/**
 * @param {Side} side
 * @param {number} token
 * @param {Layout} layout
 */
export function tokenName(side, token, layout) {
  if (token < side.tokens && side.is_image[token]) return 'Patch ' + placeText(layout, side.patchOf[token]);
  if (isMarker(side, token)) {
    const [row, name] = [endedRow(side, token), layout.views[viewOf(side, token)].name];
    return (row >= 0 ? 'End of row ' + (row + 1) : 'Marker “' + pieceOf(side, token) + '”') + (name ? ', ' + name : '');
  }
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
