import assert from 'node:assert/strict';
import test from 'node:test';

import { channelShares, channelsText } from '../../assets/web/core/channels.js';
import { newSide, openSide, takeSteps } from '../../assets/web/core/messages.js';
import { encoded, IMAGE, openingOf, stepsOf, TOKENS } from './made.js';

const OWN = [...Array(TOKENS).keys(), ...Array(TOKENS).keys()];
const NONE = Array(6).fill([-1, -1]);
const LOOKED = NONE.map((_, step) => Array(TOKENS + step).fill(step));
const ALL = stepsOf(NONE, NONE, LOOKED);

function part(since, end) {
  const lists = Object.entries(ALL).map(([name, value]) => [name, Array.isArray(value) ? value.slice(since, end) : value]);
  return { ...Object.fromEntries(lists), steps: end, answer: 'to ' + end };
}

test('messages may come late, twice, or not at all: what is missing is known to be', () => {
  const side = newSide(0);
  takeSteps(side, part(0, 2), 0);
  takeSteps(side, part(4, 6), 4);
  assert.deepEqual([side.known, side.steps, side.answer, side.bytes_held[2]], [2, 6, 'to 6', null]);
  takeSteps(side, part(2, 4), 2); // late: its text is older
  assert.deepEqual([side.known, side.steps, side.answer], [6, 6, 'to 6']);
  assert.deepEqual(side.answer_pieces, ALL.answer_pieces);
  takeSteps(side, part(0, 6), 0);
  assert.deepEqual(side.looked.map((row) => row.length), LOOKED.map((row) => row.length));
});

test('a side that is opened knows its patches, and whether it chooses and merges', () => {
  const opened = (owner) => {
    const side = newSide(0);
    openSide(side, openingOf(owner));
    return side;
  };
  const full = opened(OWN);
  assert.deepEqual(full.patches, [...Array(IMAGE[1]).keys()].slice(IMAGE[0]));
  assert.deepEqual(full.patches.map((token) => full.patchOf[token]), [0, 1, 2, 3, 4, 5, 6, 7, 8]);
  assert.deepEqual([full.chooses, full.merges, full.patchOf[0]], [false, false, -1]);
  const drops = opened(OWN.map((token, i) => (i === 3 ? -1 : token)));
  assert.deepEqual([drops.chooses, drops.merges], [true, false]);
  const merges = opened(OWN.map((token, i) => (i === 3 ? 4 : token)));
  assert.deepEqual([merges.chooses, merges.merges], [true, true]);
});

test('moves that came before the opening are known after it', () => {
  const side = newSide(0);
  takeSteps(side, stepsOf([[-1, -1], [3, -1]], [[-1, -1], [5, -1]], LOOKED.slice(0, 2)), 0);
  openSide(side, openingOf(OWN));
  assert.equal(side.goneAt[3], 2);
  assert.equal(side.into[3], 5);
});

test('channels of keys are a bit each', () => {
  const side = newSide(0);
  const bits = encoded(Uint8Array.from([0b10110000, 0b00001111])); // two layers, two heads of four channels each
  openSide(side, openingOf(OWN, { heads: 1, channels: { shape: [2, 2, 4], bits } }));
  assert.deepEqual([...channelShares(side, 1)], [1, 0, 1, 1, 0, 0, 0, 0]);
  assert.deepEqual([...channelShares(side, 0)], [0.5, 0, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5]);
  assert.equal(channelsText(side, 1), '1.5 of 4 channels');
});
