import assert from 'node:assert/strict';
import test from 'node:test';

import { planesOf, sharesOf } from '../../assets/web/core/holders.js';
import { newSide, openSide, takeSteps } from '../../assets/web/core/messages.js';
import { givenUpText, idleSentence, imageSummary, lookersText, rangesText, sentence } from '../../assets/web/core/sentences.js';
import { answerFate, fateOf } from '../../assets/web/core/tokens.js';
import { layOut } from '../../assets/web/core/views.js';
import { openingOf, stepsOf, TOKENS, VIEWS } from './made.js';

const GRID = layOut(VIEWS);

// Two layers: in the first patch 2 (token 4) is merged into patch 1 (token 3) and word 1 dropped; then tokens leave.
function madeSide() {
  const owner = [...Array(TOKENS).keys(), ...Array(TOKENS).keys()];
  owner[4] = 3;
  owner[1] = -1;
  const side = newSide(1);
  openSide(side, openingOf(owner));
  const dropped = [[-1, -1], [5, 5], [3, -1], [-1, 12]];
  const joined = [[-1, -1], [-1, -1], [6, -1], [-1, 11]];
  takeSteps(side, stepsOf(dropped, joined, dropped.map((_, step) => Array(TOKENS + step).fill(9)), { finish: 'end' }), 0);
  return side;
}

const says = (token, plane, step) => sentence(madeSide(), token, plane === null ? [0, 1] : [plane], step, GRID);

test('a token’s sentence says who holds its key and value', () => {
  assert.equal(says(0, 0, 0), 'Token “w0” · keeps its own slot');
  assert.equal(says(1, 0, 0), 'Token “w1” · was dropped');
  assert.equal(says(4, 0, 0), 'Patch row 1, column 3 · merged into the anchor at row 1, column 2');
  assert.equal(says(3, 0, 0), 'Patch row 1, column 2 · keeps its own slot (anchor of 2 patches)');
  assert.equal(says(5, 0, 2), 'Patch row 2, column 1 · evicted after answer token 2 (“a1”)');
  assert.equal(says(4, 0, 3), 'Patch row 1, column 3 · merged into the anchor at row 2, column 2 after answer token 3, with 1 other');
  assert.equal(says(4, null, 0), 'Patch row 1, column 3 · keeps its own slot in 1 of 2 layers, merged in 1');
  assert.equal(says(0, null, 4), 'Token “w0” · keeps its own slot in all 2 layers');
});

test('a token of the answer is not yet, is, or was never stored', () => {
  assert.equal(says(TOKENS + 2, 0, 1), 'Answer token 3 “a2” · not written yet');
  assert.equal(says(TOKENS + 1, 0, 3), 'Answer token 2 “a1” · keeps its own slot');
  assert.equal(says(TOKENS + 3, 0, 4), 'Answer token 4 “a3” · ended the answer and was never stored');
});

test('the whole is summed up, on average where several planes are shown', () => {
  const side = madeSide();
  assert.equal(imageSummary(side, sharesOf(side, [0], 0)), '9 image patches: 8 kept, 1 merged, 0 dropped');
  assert.equal(idleSentence(side, sharesOf(side, [0], 2), [0]), '7 of 9 patches kept, 1 merged, 1 evicted');
  const all = planesOf(side, 0, 0);
  assert.equal(idleSentence(side, sharesOf(side, all, 0), all), 'On average of all layers, 8.5 of 9 patches kept, 0.5 merged');
});

test('what a step gave up is told with its layers, merging apart from evicting', () => {
  const side = madeSide();
  const told = (step, planes) => givenUpText(side, step, planes, GRID);
  assert.equal(told(1, [0, 1]), 'gives up nothing');
  assert.equal(told(2, [0, 1]), 'evicts patch row 2, column 1 (layers 1–2)');
  assert.equal(told(3, [0, 1]), 'merges patch row 1, column 2 into patch row 2, column 2 (layer 1)');
  assert.equal(told(4, [1]), 'merges “w12” into “w11”');
  assert.equal(rangesText([1, 2, 3, 4, 7, 9, 10]), '1–4, 7, 9–10');
});

test('a box shows what became of a token in most planes', () => {
  const side = madeSide();
  const shares = sharesOf(side, [0, 1], 0);
  assert.deepEqual(fateOf(shares, 1), ['kept', 0.5]); // of equal shares, kept comes first
  assert.deepEqual(fateOf(sharesOf(side, [0], 0), 1), ['dropped', 0]);
  assert.deepEqual(answerFate(side, shares, TOKENS + 2, 1), ['coming', 0]);
  assert.deepEqual(answerFate(side, shares, TOKENS + 3, 4), ['unstored', 0]);
});

test('who looked most is named, the first with the word token', () => {
  assert.equal(lookersText(madeSide(), [[2, 0.5], [0, 0.1]]), ' · looked at most by “a2” (token 3), “a0” (1)');
  assert.equal(lookersText(madeSide(), []), '');
});
