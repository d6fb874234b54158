import assert from 'node:assert/strict';
import test from 'node:test';

import { heatRange, layerSeen, patchGaze, patchScores, topAnswer, topPrompt } from '../../assets/web/core/gaze.js';
import { ownersAfter, randomSide } from './made.js';

const near = (a, b) => assert.ok(Math.abs(a - b) < 1e-5, a + ' is not ' + b);

// By the book: a slot's weight shared among its members, alike for all planes in which it is held.
function expected(side, number, token) {
  const weight = (byte) => (byte / 255) ** 2;
  const row = side.looked[number];
  if (!number && !side.asked_after) return weight(row[token]);
  const step = Math.max(0, number - 1);
  const owners = ownersAfter(side, step).map((plane) => plane.slice(0, side.tokens + step));
  let sum = 0;
  for (const plane of owners) {
    const at = plane[token];
    if (at < 0) continue;
    const held = owners.filter((each) => each[at] === at).length;
    sum += weight(row[at]) / held / plane.filter((other) => other === at).length;
  }
  return sum;
}

test('what is looked at is shared among a slot’s members as the query found them', () => {
  for (const seed of [1, 2, 3]) {
    const side = randomSide(seed);
    for (const number of [0, 1, 4, 7]) {
      [...patchGaze(side, [number], 0)].forEach((share, patch) => near(share, expected(side, number, side.patches[patch])));
    }
    [...patchGaze(side, [3, 4], 0)].forEach((share, patch) => {
      near(share, (expected(side, 3, side.patches[patch]) + expected(side, 4, side.patches[patch])) / 2);
    });
  }
});

test('the first query found the slots of the compressed cache where the question was read into it', () => {
  for (const seed of [1, 2, 3]) {
    const side = Object.assign(randomSide(seed), { asked_after: 2 });
    [...patchGaze(side, [0], 0)].forEach((share, patch) => near(share, expected(side, 0, side.patches[patch])));
    [...patchGaze(side, [4], 0)].forEach((share, patch) => near(share, expected(side, 4, side.patches[patch])));
  }
});

test('the tokens that looked most at one, and the words that one looked at most, come in order', () => {
  const side = randomSide(4);
  const [token] = side.patches;
  const looks = [...Array(8).keys()].map((number) => [number, expected(side, number, token)]).filter(([, share]) => share > 0);
  const order = looks.sort((a, b) => b[1] - a[1]).slice(0, 3).map(([number]) => number);
  assert.deepEqual(topAnswer(side, token, 0).map(([number]) => number), order);
  const words = [0, 1, 11, 12, 13].map((word) => [word, expected(side, 5, word)]).filter(([, share]) => share > 0);
  assert.deepEqual(topPrompt(side, [5], 0).map(([word]) => word), words.sort((a, b) => b[1] - a[1]).map(([word]) => word));
});

test('a layer that is not here is the mean of all', () => {
  const side = randomSide(1);
  assert.equal(layerSeen(side, [2], 1), 0);
  side.layerLooked.set(1, side.looked);
  assert.equal(layerSeen(side, [2], 1), 1);
  side.layerLooked.set(1, side.looked.slice(0, 2));
  assert.equal(layerSeen(side, [2], 1), 0);
  assert.deepEqual(patchGaze(side, [2], 1), patchGaze(side, [2], 0));
  delete side.looked[2]; // a step that has not arrived is missing in the mean, too, and no reason to show that instead
  assert.equal(layerSeen(side, [2], 1), 1);
});

test('importance is that of a layer or the mean of those that have a number', () => {
  const side = randomSide(1);
  [...patchScores(side, 2)].forEach((score, patch) => near(score, side.patches[patch] / 10 + 1));
  [...patchScores(side, 0)].forEach((score, patch) => near(score, side.patches[patch] / 10 + 0.5));
  side.score[side.patches[3]] = NaN;
  near(patchScores(side, 0)[3], side.patches[3] / 10 + 1);
  assert.ok(Number.isNaN(patchScores(side, 1)[3]));
});

test('the scale goes from the lowest to the highest number, or to the 99th percentile', () => {
  const heats = [Float32Array.from({ length: 100 }, (_, i) => i), Float32Array.from([NaN, 100])];
  assert.deepEqual(heatRange(heats, false), [0, 100]);
  assert.deepEqual(heatRange(heats, true), [0, 99]);
  assert.deepEqual(heatRange([Float32Array.from([NaN])], false), [NaN, NaN]);
});
