// What of a picture a side's language model was never given, in words.

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { fewerFacts, fewerText } from '../../assets/web/core/fewer.js';
import { newSide, openSide } from '../../assets/web/core/messages.js';
import { IMAGE, TOKENS, openingOf } from './made.js';

const EVERYONE = [...Array(2 * TOKENS).keys()].map((i) => i % TOKENS);

function sideOf(number, fewer) {
  const side = newSide(number);
  openSide(side, openingOf(EVERYONE, { fewer }));
  return side;
}

test('it is said who left out how many tokens of the picture, and nothing where all were given', () => {
  const fewer = { front: 'DivPrune', keep: 0.3, tokens: [IMAGE[0], IMAGE[0] + 3] };
  const sides = [sideOf(0, null), sideOf(1, fewer)];
  assert.equal(fewerText(sides), 'DivPrune gave B’s language model 7 of 9 picture tokens, in all layers alike and before any question was known.');
  assert.deepEqual(fewerFacts(sides), ['B given 7 of 9 picture tokens']);
  assert.equal(fewerText([sideOf(0, null), sideOf(1, null)]), '');
});
