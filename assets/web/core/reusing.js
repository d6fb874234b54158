// Reusing: what of a prompt was taken over from another reading, and how much of the answers' attention its beginning draws.

import { meanShares } from './gaze.js';
import { percentText } from './numbers.js';

export const FIRST_TOKENS = 4; // tokens of what is reused, that a false sink would be among

/**
 * Whether each patch was taken over; null where none was.
 * @param {{ patches: number[], reuse: Reuse | null }} side
 */
export function reusedPatches({ patches, reuse }) {
  if (!reuse?.tokens.length) return null;
  const taken = new Set(reuse.tokens);
  return patches.map((token) => taken.has(token));
}

/**
 * The side that has taken something over, if any.
 * @template {{ reuse: Reuse | null }} T
 * @param {T[]} sides
 */
const reusingSide = (sides) => sides.find(({ reuse }) => reuse);

/**
 * What the view says above the answers where a side has not read everything where it stands; '' where all have.
 * @param {Pick<Side, 'letter' | 'reuse'>[]} sides
 */
export function reuseText(sides) {
  const side = reusingSide(sides);
  if (!side) return '';
  const { tokens, k } = /** @type {Reuse} */ (side.reuse);
  const begin = 'Here the first question comes before the picture, which had been read without it, as the beginning of a text: A reads it '
    + 'again behind the question, ' + side.letter.toUpperCase() + ' ';
  if (!tokens.length) return begin + 'as well, by the code that could reuse it: a control.';
  return begin + 'reuses ' + tokens.length + ' of its tokens' + (k ? ' and reads the first ' + (k === 1 ? 'one' : k) + ' anew.' : ' as they were.');
}

/**
 * The same for a list of facts.
 * @param {Pick<Side, 'letter' | 'reuse'>[]} sides
 */
export function reuseFacts(sides) {
  const side = reusingSide(sides);
  if (!side) return [];
  const k = /** @type {Reuse} */ (side.reuse).k;
  return ['picture reused on ' + side.letter.toUpperCase() + ', ' + (k === null ? 'all of it' : k ? 'first ' + k : 'nothing') + ' read anew'];
}

/**
 * How much of what the answers' tokens looked at was the beginning of the reused part, on every side, as this run has it.
 * @param {Side[]} sides
 */
export function sinkText(sides) {
  const side = reusingSide(sides);
  const first = side?.reuse?.begins[0];
  if (!side || first === undefined || sides.length < 2) return '';
  const beginning = Array.from({ length: FIRST_TOKENS }, (_, i) => first + i);
  const shares = sides.map((each) => {
    const gaze = meanShares(each, [...Array(each.known).keys()], 0, beginning);
    return gaze ? gaze.reduce((sum, share) => sum + share, 0) : NaN;
  });
  if (!shares.every(Number.isFinite)) return '';
  const [a, b] = shares.map(percentText);
  return 'Of all that its words look at, A has ' + a + ' on the first ' + FIRST_TOKENS + ' tokens of the reused part, and B ' + b + '.';
}
