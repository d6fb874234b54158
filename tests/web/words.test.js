import assert from 'node:assert/strict';
import test from 'node:test';

import { alignPieces, answerWords, firstDifference, linkTokens } from '../../assets/web/core/answers.js';
import { bytesText, niceSteps, percentText, shortNumber } from '../../assets/web/core/numbers.js';
import { differing, splitWords, visiblePiece } from '../../assets/web/core/words.js';
import { randomly } from './made.js';

const ended = (answer) => ({ answer, finish: 'end' });
const running = (answer) => ({ answer, finish: 'running' });
const marked = (a, b) => differing(a, b).map((marks) => marks.map(Number).join(''));

// By the book: the length of the longest common subsequence.
function commonLength(a, b) {
  if (!a.length || !b.length) return 0;
  if (a[0] === b[0]) return 1 + commonLength(a.slice(1), b.slice(1));
  return Math.max(commonLength(a.slice(1), b), commonLength(a, b.slice(1)));
}

test('words that are not common to both answers differ, as few as can be', () => {
  assert.deepEqual(marked(ended('a b c'), ended('a b c')), ['000', '000']);
  assert.deepEqual(marked(ended('a red ball'), ended('a ball')), ['010', '00']);
  const next = randomly(3);
  for (let i = 0; i < 60; i++) {
    const [a, b] = [0, 0].map(() => Array.from({ length: Math.floor(next() * 8) }, () => 'abc'[Math.floor(next() * 3)]));
    const [first, second] = differing(ended(a.join(' ')), ended(b.join(' ')));
    const kept = [a.filter((_, at) => !first[at]), b.filter((_, at) => !second[at])];
    assert.deepEqual(kept[0], kept[1]);
    assert.equal(kept[0].length, commonLength(a, b));
  }
});

test('what a running answer has not reached does not differ, nor does half a word', () => {
  assert.deepEqual(marked(ended('a b c d'), running('a b')), ['0000', '0']);
  assert.deepEqual(marked(ended('a b c d'), running('a x c')), ['0100', '01']);
});

test('the first token that differs is told as far as both are written', () => {
  const side = (pieces, more = {}) => ({ answer_pieces: pieces, known: pieces.length, steps: pieces.length, finish: 'limit', ...more });
  assert.equal(firstDifference(side(['a', 'b']), side(['a', 'c'])), 1);
  assert.equal(firstDifference(side(['a', 'b']), side(['a', 'b'])), null);
  assert.equal(firstDifference(side(['a', 'b']), side(['a'])), 1);
  assert.equal(firstDifference(side(['a', 'b']), side(['a'], { finish: 'running' })), null);
  assert.equal(firstDifference(side(['a', 'b']), side(['a'], { steps: 2 })), null);
});

test('every answer token is found in the text, pieces of half a letter between their neighbours', () => {
  assert.deepEqual(alignPieces(['The', ' cat', '.'], 'The cat.'), [[0, 3], [4, 7], [7, 8]]);
  const spans = alignPieces(['a', '\ufffd', '\ufffd', ' b'], 'a é b');
  assert.deepEqual(spans, [[0, 1], [1, 4], [1, 4], [4, 5]]);
});

test('words know their tokens, and the first that differs is marked apart', () => {
  const [pieces, text] = [['The', ' dog', 'gie', ' runs'], 'The doggie runs'];
  const spans = alignPieces(pieces, text);
  const words = answerWords(text, [false, true, true], spans[2]);
  assert.deepEqual(words.map(({ bare, look }) => [bare, look]), [['The', ''], ['doggie', 'first'], ['runs', 'differs']]);
  assert.equal(words.map(({ bare, blank }) => bare + blank).join(''), text);
  linkTokens(words, spans);
  assert.deepEqual(words.map(({ numbers }) => numbers), [[0], [1, 2], [3]]);
  assert.deepEqual(answerWords(text, [false, true, true]).map(({ look }) => look), ['', 'first', 'differs']);
});

test('blanks, line ends and nothing have a shape', () => {
  assert.deepEqual(['', '  ', ' a', 'a\nb', 'a\r\nb', 'a\tb'].map(visiblePiece), ['∅', '··', 'a', 'a⏎b', 'a⏎b', 'a⇥b']);
  assert.deepEqual(splitWords(' a  b\n'), [' ', 'a  ', 'b\n']);
  assert.deepEqual(splitWords(''), []);
});

test('numbers take about three digits, bytes the unit that suits', () => {
  assert.deepEqual([0, 0.0004, 0.0123, 0.5, 9.99, 12.3, 456.7, 2e6, NaN].map(shortNumber),
    ['0', '4.0e-4', '0.012', '0.50', '9.99', '12.3', '457', '2.0e+6', '–']);
  assert.deepEqual([100, 1024, 512 * 1024, 3 * 2 ** 30].map(bytesText), ['100 B', '1 KiB', '0.50 MiB', '3 GiB']);
  assert.deepEqual([0, 0.0005, 0.034, 0.5, 0.999].map(percentText), ['0 %', 'below 0.1 %', '3.4 %', '50 %', '100 %']);
});

test('a scale begins at 0, has round steps, and ends at or above its highest value', () => {
  const next = randomly(5);
  for (let i = 0; i < 200; i++) {
    const high = 10 ** (next() * 8 - 3);
    const ticks = niceSteps(high, 4);
    const digits = Number((ticks[1] / 10 ** Math.floor(Math.log10(ticks[1]) + 1e-9)).toFixed(6));
    assert.equal(ticks[0], 0);
    assert.ok([1, 2, 2.5, 5].includes(digits), String(digits));
    assert.ok(ticks.at(-1) >= high * (1 - 1e-6) && ticks.at(-2) < high && ticks.length <= 5);
  }
});

test('answers of whole books cost no more than what begins and ends alike', () => {
  const words = (letter) => Array.from({ length: 12_000 }, (_, i) => letter + i);
  const before = process.memoryUsage().arrayBuffers;
  const [a, b] = differing(ended(['same', ...words('a'), 'end'].join(' ')), ended(['same', ...words('b'), 'end'].join(' ')));
  assert.ok(process.memoryUsage().arrayBuffers - before < 20_000_000);
  for (const marks of [a, b]) {
    assert.deepEqual([marks[0], marks.at(-1)], [false, false]);
    assert.ok(marks.slice(1, -1).every(Boolean));
  }
});
