import assert from 'node:assert/strict';
import { test } from 'node:test';

import { newSide, openSide, takeSteps } from '../../assets/web/core/messages.js';
import { percentText } from '../../assets/web/core/numbers.js';
import { FIRST_TOKENS, reuseFacts, reuseText, reusedPatches, sinkText } from '../../assets/web/core/reusing.js';
import { storyOf } from '../../assets/web/core/story.js';
import { layOut } from '../../assets/web/core/views.js';
import { IMAGE, TOKENS, VIEWS, openingOf, randomly, stepsOf } from './made.js';

const OWN = Array.from({ length: 2 * TOKENS }, (_, i) => i % TOKENS);
const PATCHES = Array.from({ length: IMAGE[1] - IMAGE[0] }, (_, i) => IMAGE[0] + i);
const reuseOf = (k) => ({ tokens: k === null ? [] : PATCHES.slice(k), begins: [IMAGE[0]], k });

// A side of the full cache whose answer tokens looked at what the rows of bytes say.
function sideOf(number, rows, reuse) {
  const side = newSide(number);
  openSide(side, openingOf(OWN, { is_compressed: false, keep: 1, reuse, erasure: null }));
  takeSteps(side, stepsOf(rows.map(() => null), rows.map(() => null), rows), 0);
  return side;
}

const rowsOf = (seed, steps = 5) => {
  const next = randomly(seed);
  return Array.from({ length: steps }, (_, step) => Array.from({ length: TOKENS + step }, () => Math.floor(next() * 256)));
};

test('patches that were taken over are told from those that were read anew, and from a side that read all', () => {
  const side = sideOf(1, rowsOf(1), reuseOf(4));
  assert.deepEqual(reusedPatches(side), PATCHES.map((_, patch) => patch >= 4));
  assert.equal(reusedPatches(sideOf(1, rowsOf(1), null)), null);
  assert.equal(reusedPatches(sideOf(1, rowsOf(1), reuseOf(null))), null);
});

for (const [k, words] of [
  [0, 'reuses 9 of its tokens as they were.'],
  [1, 'reuses 8 of its tokens and reads the first one anew.'],
  [4, 'reuses 5 of its tokens and reads the first 4 anew.'],
  [null, 'as well, by the code that could reuse it: a control.'],
]) {
  test('it is said above the answers what side B took over, where ' + k + ' were read anew', () => {
    const sides = [sideOf(0, rowsOf(1), null), sideOf(1, rowsOf(2), reuseOf(k))];
    assert.equal(reuseText(sides), 'Here the first question comes before the picture, which had been read without it, as the beginning of '
      + 'a text: A reads it again behind the question, B ' + words);
    assert.equal(reuseFacts(sides).length, 1);
  });
}

test('nothing is said where every side read everything', () => {
  const sides = [sideOf(0, rowsOf(1), null), sideOf(1, rowsOf(2), null)];
  assert.deepEqual([reuseText(sides), sinkText(sides), reuseFacts(sides)], ['', '', []]);
});

test('the share of the reused part’s beginning is the mean over answer tokens of what these looked at, on each side', () => {
  for (let seed = 1; seed < 6; seed++) {
    const rows = [rowsOf(seed), rowsOf(seed + 20, 3)];
    const sides = rows.map((row, number) => sideOf(number, row, number ? reuseOf(1) : null));
    const [a, b] = rows.map((row) => row.reduce((sum, bytes) => (
      sum + bytes.slice(IMAGE[0], IMAGE[0] + FIRST_TOKENS).reduce((share, byte) => share + (byte / 255) ** 2, 0)), 0) / row.length);
    assert.equal(sinkText(sides), 'Of all that its words look at, A has ' + percentText(a) + ' on the first 4 tokens of the reused part, and B ' + percentText(b) + '.');
    assert.ok(storyOf(sides, layOut(VIEWS)).sentences.includes(sinkText(sides)), 'it is part of what a run comes to');
  }
});
