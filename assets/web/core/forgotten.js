// Forgotten: how much of an answer's attention went to a memory of what was dropped, on sides that have one.

import { percentText } from './numbers.js';
import { visiblePiece } from './words.js';

/**
 * Per answer token the share of its attention that went there, in a layer or (0) the mean of all; NaN where a message is
 * missing.
 * @param {Side} side
 * @param {number} layer
 * @returns {number[]}
 */
export function forgottenShares(side, layer) {
  return Array.from({ length: side.known }, (_, number) => {
    const row = side.forgotten[number];
    return !row ? NaN : layer ? row[layer - 1] : meanOf(row);
  });
}

/** @param {number[]} values */
const meanOf = (values) => values.reduce((sum, value) => sum + value, 0) / values.length;

/**
 * The first answer token is chosen by the prompt's last one, which found all that was read, unless the cache had been
 * compressed before the question.
 * @param {Side} side
 * @param {number} number
 */
const foundAll = (side, number) => number === 0 && !side.asked_after && !side.forgotten[0]?.some((share) => share > 0);

/**
 * What is said of some answer tokens, a word, or (null) of all there are.
 * @param {Side} side
 * @param {number} layer
 * @param {number[] | null} numbers
 */
export function forgottenText(side, layer, numbers) {
  const shares = forgottenShares(side, layer);
  const where = layer ? ', in layer ' + layer : '';
  const known = (numbers ?? shares.map((_, number) => number)).filter((number) => Number.isFinite(shares[number]));
  const later = known.filter((number) => !foundAll(side, number));
  const share = meanOf(later.map((number) => shares[number]));
  const went = ' attention went to the memory of what was dropped' + where + '.';
  if (!numbers) return later.length ? 'On average ' + percentText(share) + ' of each word’s' + went : 'What was dropped stays in a memory, which each word can look at.';
  const word = '“' + visiblePiece(numbers.map((number) => side.answer_pieces[number] ?? '').join('').trim()) + '”: ';
  if (later.length) return word + percentText(share) + ' of this word’s' + went;
  return known.length ? word + 'chosen when nothing was dropped yet.' : '';
}
