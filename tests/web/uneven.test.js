import assert from 'node:assert/strict';
import test from 'node:test';

import { newSide, openSide, takeSteps } from '../../assets/web/core/messages.js';
import { slotsAlive, spanOfHeads } from '../../assets/web/core/uneven.js';
import { openingOf, stepsOf, TOKENS } from './made.js';

// Two layers of two heads that keep their first tokens, so many each, and every word that is written.
function holding(counts, slots) {
  const side = newSide(0);
  const owner = counts.flatMap((count) => [...Array(TOKENS).keys()].map((token) => (token < count ? token : -1)));
  const nothing = [null, null];
  openSide(side, openingOf(owner, { heads: 2, prompt_slots: slots }));
  const looked = [0, 1].map((step) => Array(TOKENS + step).fill(9));
  const after = [1, 2].map((more) => slots.map((count) => count + more));
  takeSteps(side, stepsOf(nothing, nothing, looked, { slots: after }), 0);
  return side;
}

test('where heads hold different numbers, a head that is chosen has its own, and a layer the mean', () => {
  const side = holding([3, 10, 6, 6], [6.5, 6]);
  assert.deepEqual([spanOfHeads(side, 1), spanOfHeads(side, 2), spanOfHeads(side, 0)], [[3, 10], [6, 6], [3, 10]]);
  assert.equal(slotsAlive(side, 0, 1, 0), 6.5);
  assert.equal(slotsAlive(side, 0, 0, 0), 6.25);
  assert.deepEqual([0, 1, 2].map((step) => slotsAlive(side, step, 1, 1)), [3, 4, 5]);
  assert.deepEqual([0, 1, 2].map((step) => slotsAlive(side, step, 1, 2)), [10, 11, 12]);
});

test('where they hold as many, nothing is said of heads', () => {
  const side = holding([6, 6, 4, 4], [6, 4]);
  assert.equal(spanOfHeads(side, 0), null);
  assert.equal(slotsAlive(side, 1, 2, 2), 5);
  assert.ok(Number.isNaN(slotsAlive(side, 9, 2, 2)));
});
