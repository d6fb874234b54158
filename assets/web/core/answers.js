// Answers: how two of them differ, word by word and token by token.

import { splitWords } from './words.js';

/**
 * Where each piece stands in a text, [start, end) each; the same number twice for one that cannot be read in it.
 * Pieces of half a letter read as something else: what lies between their neighbours is theirs.
 * @param {string[]} pieces
 * @param {string} text
 */
export function alignPieces(pieces, text) {
  const spans = /** @type {number[][]} */ ([]);
  let at = 0;
  let lost = /** @type {number[]} */ ([]);
  pieces.forEach((piece, number) => {
    const bare = piece.trim();
    const found = bare ? text.indexOf(bare, at) : -1;
    const between = found < 0 ? '' : text.slice(at, found).trim();
    spans[number] = [at, at];
    if (found < 0 || between.length > 4 * lost.length) {
      if (bare) lost.push(number);
      return;
    }
    if (between) lost.forEach((before) => { spans[before] = [at, found]; });
    lost = [];
    at = found + bare.length;
    spans[number] = [found, at];
  });
  return spans;
}

/**
 * The number of the first token in which two answers differ, as far as they are written; null where none does.
 * @param {Side} a
 * @param {Side} b
 */
export function firstDifference(a, b) {
  const shared = Math.min(a.known, b.known);
  for (let number = 0; number < shared; number++) if (a.answer_pieces[number] !== b.answer_pieces[number]) return number;
  const [short, long] = a.known < b.known ? [a, b] : [b, a];
  return short.known < long.known && short.finish !== 'running' && short.known === short.steps ? shared : null;
}

/**
 * Which word is the first that differs: the one with the first differing token, else the first marked one.
 * @param {boolean[]} marks
 * @param {number[] | undefined} span
 * @returns {(i: number, start: number, end: number) => boolean}
 */
function firstMarked(marks, span) {
  if (span && span[1] > span[0]) return (i, start, end) => span[0] < end && span[1] > start;
  const first = marks.indexOf(true);
  return (i) => i === first;
}

/**
 * An answer as words: [{bare, blank, start, end, look}, ...]; the look says whether one differs, and which is the first.
 * @param {string} answer
 * @param {boolean[]} marks
 * @param {number[]} [span]
 */
export function answerWords(answer, marks, span) {
  const isFirst = firstMarked(marks, span);
  const words = [];
  let at = 0;
  for (const [i, word] of splitWords(answer).entries()) {
    const bare = word.trimEnd();
    const [start, end] = [at, at + bare.length];
    const first = isFirst(i, start, end);
    words.push({ bare, blank: word.slice(bare.length), start, end, look: first ? 'first' : marks[i] ? 'differs' : '' });
    at += word.length;
  }
  return words;
}

/**
 * The answer tokens of every word; words and spans both go from left to right.
 * @param {Word[]} words
 * @param {number[][]} spans
 */
export function linkTokens(words, spans) {
  let next = 0;
  for (const word of words) {
    word.numbers = [];
    while (next < spans.length && spans[next][1] <= word.start) next++;
    for (let number = next; number < spans.length && spans[number][0] < word.end; number++) {
      if (spans[number][1] > word.start) word.numbers.push(number);
    }
  }
}
