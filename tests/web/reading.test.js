// Which of what is held an answer token read: shares, sentences and figures.

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { memoryWords } from '../../assets/web/core/charts.js';
import { newSide, openSide, takeSteps } from '../../assets/web/core/messages.js';
import { keptWords } from '../../assets/web/core/numbers.js';
import { bytesReadAt, readPoints, readSentence, readShares, readText } from '../../assets/web/core/reading.js';
import { IMAGE, TOKENS, encoded, openingOf, stepsOf } from './made.js';

const EVERYONE = [...Array(2 * TOKENS).keys()].map((i) => i % TOKENS);
const row = (length, read) => encoded(Uint8Array.from({ length }, (_, token) => read(token)));

// The first word read everything, the second the even tokens, the third in half of the heads all that are below 8.
function readingSide(more = {}) {
  const side = newSide(1);
  openSide(side, openingOf(EVERYONE, { reads_part: true, ...more }));
  const read = [row(TOKENS, () => 255), row(TOKENS + 1, (token) => (token % 2 ? 0 : 255)), row(TOKENS + 2, (token) => (token < 8 ? 127 : 0))];
  const nothing = Array(3).fill(null);
  takeSteps(side, stepsOf(nothing, nothing, [[], [], []], { read, bytes_read: [900, 1000, 1024] }), 0);
  return side;
}

const PATCHES = Array.from({ length: IMAGE[1] - IMAGE[0] }, (_, i) => IMAGE[0] + i);

test('a patch is read in the share of heads that the message says, the mean over the words asked for', () => {
  const side = readingSide();
  assert.deepEqual([...readShares(side, [0], 0, PATCHES)], PATCHES.map(() => 1));
  assert.deepEqual([...readShares(side, [1], 0, PATCHES)], PATCHES.map((token) => (token % 2 ? 0 : 1)));
  const mean = readShares(side, [1, 2], 0, [3, 4, 9]);
  [127 / 255 / 2, (1 + 127 / 255) / 2, 0].forEach((expected, i) => assert.ok(Math.abs(mean[i] - expected) < 1e-6));
});

test('of a layer that the server was not asked for the mean of all layers is shown, and said', () => {
  const side = readingSide();
  assert.deepEqual([...readShares(side, [1], 2, [2, 3])], [1, 0]);
  assert.match(readText(side, [1], 2, null), /4 of 9 patches read for this word, mean of all layers|5 of 9 patches read for this word, mean of all layers/);
  side.layerRead.set(2, [null, new Uint8Array(TOKENS + 1).fill(255)]);
  assert.deepEqual([...readShares(side, [1], 2, [2, 3])], [1, 1]);
  assert.equal(readText(side, [1], 2, null), ' · 9 of 9 patches read for this word, mean of the heads of this layer');
  assert.deepEqual([...readShares(side, [0, 1], 2, [2, 3])], [1, 0.5], 'of the first word the layer is not known');
});

test('a token that is pointed at is read or not', () => {
  const side = readingSide();
  assert.equal(readText(side, [1], 0, 3), ' · not read for this word');
  assert.equal(readText(side, [2], 0, 3), ' · read for this word in 50 % of all layers');
  assert.equal(readText(side, [2], 0, TOKENS + 1), '', 'a token of the answer says nothing');
});

test('sides that read all they hold say nothing of it', () => {
  const side = newSide(0);
  openSide(side, openingOf(EVERYONE, { reads_part: false }));
  takeSteps(side, stepsOf([null], [null], [[]]), 0);
  assert.equal(readShares(side, [0], 0, PATCHES), null);
  assert.equal(readText(side, [0], 0, null) + readSentence(side), '');
  assert.ok(Number.isNaN(bytesReadAt(side, 1)));
  assert.deepEqual(readPoints(side), []);
});

test('what is not known yet is nothing', () => {
  const side = readingSide();
  assert.equal(readShares(side, [7], 0, PATCHES), null);
  assert.equal(readText(side, [7], 0, null), '');
});

test('figures: bytes that a word reads beside those that are held', () => {
  const side = readingSide();
  assert.deepEqual([0, 1, 2, 3, 9].map((step) => bytesReadAt(side, step)), [900, 900, 1000, 1024, 1024]);
  assert.deepEqual(readPoints(side), [[1, 900], [2, 1000], [3, 1024]]);
  side.bytes_read[1] = null; // a message is missing
  assert.deepEqual(readPoints(side), [[1, 900], [3, 1024]]);
  assert.equal(readSentence(side), 'B drops nothing: of what it holds a word reads 1 KiB.');
  assert.equal(memoryWords(side, 3), 'Made 2.13 KiB, of which a word reads 1 KiB (aims at 4 KiB)');
  assert.equal(keptWords(side), 'asked to read 40 %');
  assert.equal(keptWords({ keep: 0.4, is_compressed: true }), 'asked to keep 40 %');
});
