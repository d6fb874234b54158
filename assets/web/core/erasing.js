// Erasing: tokens of a prompt that were taken away, and what that did to an answer that was given with all of them.

import { percentText } from './numbers.js';
import { visiblePiece } from './words.js';

export const NOTICED = 0.05; // change of a token's probability from which on it is worth a number

/**
 * Whether a token can be taken away: one of the prompt, but for the last one, with which the answer begins.
 * @param {{ tokens: number, is_prompt: boolean[] }} side
 * @param {number} token
 */
export function canErase(side, token) {
  return token >= 0 && token < side.tokens - 1 && side.is_prompt[token];
}

/**
 * How many patches and words these are: `3 patches and 1 word`.
 * @param {{ is_image: boolean[] }} side
 * @param {Iterable<number>} tokens
 */
export function erasedCount(side, tokens) {
  const all = [...tokens];
  const patches = all.filter((token) => side.is_image[token]).length;
  const counted = (/** @type {number} */ count, /** @type {string} */ one, /** @type {string} */ many) => (
    count ? [count + ' ' + (count === 1 ? one : many)] : []
  );
  return [...counted(patches, 'patch', 'patches'), ...counted(all.length - patches, 'piece of the text', 'pieces of the text')].join(' and ');
}

/**
 * The probability that tokens have on average, as factors: the whole answer's, shared evenly among them.
 * @param {number[]} logarithms
 */
export function sureness(logarithms) {
  return logarithms.length ? Math.exp(logarithms.reduce((sum, value) => sum + value, 0) / logarithms.length) : NaN;
}

/**
 * Each token of the earlier answer, with its probability before and after.
 * @param {Erasure} erasure
 */
export function judgedTokens({ answer_pieces, before, after }) {
  return answer_pieces.map((piece, number) => {
    const [was, is] = [Math.exp(before[number]), Math.exp(after[number])];
    return { piece: visiblePiece(piece), was, is, isNoticed: Math.abs(is - was) >= NOTICED };
  });
}

/**
 * What became of a side's answer. Nothing else was changed, so that what changed is the doing of what was erased.
 * @param {{ letter: string, answer: string, erasure: Erasure | null }} side
 */
export function erasedText({ letter, answer, erasure }) {
  if (!erasure) return '';
  const name = letter.toUpperCase();
  const says = name + (answer === erasure.answer ? ' says the same.' : ' says something else.');
  if (!erasure.before.length) return says;
  const tokens = judgedTokens(erasure);
  const most = tokens.reduce((one, other) => (Math.abs(other.is - other.was) > Math.abs(one.is - one.was) ? other : one));
  const sure = percentText(sureness(erasure.before)) + ' → ' + percentText(sureness(erasure.after));
  const where = most.isNoticed
    ? '; it changed most at “' + most.piece + '”: ' + percentText(most.was) + ' → ' + percentText(most.is)
    : '; no token of it changed by 5 percentage points or more';
  return says + ' How sure it is of the answer before, per token: ' + sure + where + '.';
}
