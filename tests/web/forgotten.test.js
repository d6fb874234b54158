import assert from 'node:assert/strict';
import test from 'node:test';

import { forgottenShares, forgottenText } from '../../assets/web/core/forgotten.js';
import { newSide, openSide, takeSteps } from '../../assets/web/core/messages.js';
import { openingOf, stepsOf, TOKENS } from './made.js';

// Three answer tokens of two layers, and what went to the memory in each.
function remembering(forgotten, more = {}) {
  const side = newSide(1);
  openSide(side, openingOf([...Array(2 * TOKENS).keys()].map((i) => (i % TOKENS < 5 ? i % TOKENS : -1)), { remembers: true, ...more }));
  const nothing = Array(forgotten.length).fill(null);
  const looked = forgotten.map((_, step) => Array(TOKENS + step).fill(9));
  const pieces = [' An', ' ow', 'l'].slice(0, forgotten.length);
  takeSteps(side, stepsOf(nothing, nothing, looked, { forgotten, answer_pieces: pieces }), 0);
  return side;
}

const SHARES = [[0, 0], [0.2, 0.4], [0.5, 0.1]];

test('of a word the mean of its tokens is said, in a layer or over all', () => {
  const side = remembering(SHARES);
  assert.deepEqual(forgottenShares(side, 1), [0, 0.2, 0.5]);
  assert.equal(forgottenText(side, 0, [1]), '“ow”: 30 % of this word’s attention went to the memory of what was dropped.');
  assert.equal(forgottenText(side, 0, [1, 2]), '“owl”: 30 % of this word’s attention went to the memory of what was dropped.');
  assert.equal(forgottenText(side, 2, [1, 2]), '“owl”: 25 % of this word’s attention went to the memory of what was dropped, in layer 2.');
});

test('the first word was chosen when all was there, unless the question came later', () => {
  assert.equal(forgottenText(remembering(SHARES), 0, [0]), '“An”: chosen when nothing was dropped yet.');
  const later = remembering([[0.3, 0.1]], { asked_after: 4 });
  assert.equal(forgottenText(later, 0, [0]), '“An”: 20 % of this word’s attention went to the memory of what was dropped.');
});

test('of a later turn the first word was chosen beside what had been dropped before', () => {
  assert.equal(forgottenText(remembering([[0.3, 0.1], [0.2, 0.4]]), 0, [0]), '“An”: 20 % of this word’s attention went to the memory of what was dropped.');
});

test('of a whole answer the mean is said, without the word that found everything', () => {
  assert.match(forgottenText(remembering(SHARES), 0, null), /^On average 30 % of each word’s attention went to/);
  assert.equal(forgottenText(remembering([]), 0, null), 'What was dropped stays in a memory, which each word can look at.');
});

test('a message that is missing is no share of nothing', () => {
  const side = remembering([]);
  const looked = [Array(TOKENS + 1).fill(9)];
  takeSteps(side, stepsOf([null], [null], looked, { forgotten: [[0.2, 0.2]] }), 1);
  assert.deepEqual(side.forgotten, [null, [0.2, 0.2]]);
  assert.equal(forgottenText(side, 0, [0]), '');
});

test('a side without a memory has none in any step', () => {
  const side = newSide(0);
  takeSteps(side, stepsOf([null], [null], [Array(TOKENS).fill(9)], { forgotten: null }), 0);
  assert.deepEqual(side.forgotten, [null]);
});
