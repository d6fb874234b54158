// Turns in words.

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { drawnText, holdsText, turnText, withAnswers } from '../../assets/web/core/transcript.js';

const side = (more) => ({ answer: '', finish: 'end', title: 'Full cache', keep: 1, is_compressed: false, bytes_held: 2 ** 21, ...more });
const full = side({ answer: 'A dog.' });
const kept = side({ answer: 'A cat.', title: 'H2O', keep: 0.25, is_compressed: true, bytes_held: 2 ** 19 });
const turn = { run: 'x', question: 'What?', changes: [], temperature: 0, seed: 0, sides: [full, kept] };

test('an answer says what its cache held and saved, of the first one nothing is saved', () => {
  assert.equal(holdsText(full, full), 'Full cache · 2 MiB');
  assert.equal(holdsText(kept, full), 'H2O · asked to keep 25 % · 0.50 MiB · 75 % saved');
  assert.equal(holdsText({ ...kept, bytes_held: 2 ** 22 }, full), 'H2O · asked to keep 25 % · 4 MiB · 100 % more');
});

test('where only words are known nothing is said of bytes', () => {
  assert.equal(holdsText(side({ title: '', bytes_held: null }), side({ title: '', bytes_held: null })), '');
});

test('a turn is copied with its question and who said what', () => {
  assert.equal(turnText(turn), 'What?\n\nA (Full cache): A dog.\n\nB (H2O, asked to keep 25 %): A cat.\n');
  assert.equal(turnText({ ...turn, sides: [side({ answer: 'Yes.', title: '' })] }), 'What?\n\nA: Yes.\n');
});

test('a temperature is told with its seed, greedy words need none', () => {
  assert.equal(drawnText(turn), '');
  assert.equal(drawnText({ ...turn, temperature: 0.7, seed: 3 }), 'drawn at temperature 0.7, seed 3');
});

const message = (answer, more) => ({
  run: 'x', opening: null, sides: [{ answer, finish: 'running', bytes_held: [5, 7] }, { answer, finish: 'running', bytes_held: [] }], ...more,
});

test('the last turn takes in what messages say, and an older one takes nothing back', () => {
  const earlier = { ...turn, run: 'before' };
  const running = { ...turn, sides: turn.sides.map((one) => ({ ...one, answer: 'A' })) };
  const grown = withAnswers([earlier, running], message('A do'), false);
  assert.deepEqual(grown[0], earlier);
  assert.deepEqual(grown[1].sides.map((one) => one.answer), ['A do', 'A do']);
  assert.deepEqual(grown[1].sides.map((one) => one.bytes_held), [7, kept.bytes_held]);
  assert.deepEqual(withAnswers(grown, message('A'), false)[1].sides, grown[1].sides);
});

test('a run of which the beginning was missed is one turn more', () => {
  const found = withAnswers([turn], message('A', { run: 'y' }), true);
  assert.deepEqual(found.map(({ run, question }) => [run, question]), [['x', 'What?'], ['y', '']]);
  const named = withAnswers(found, message('A b', { run: 'y', opening: { question: 'Who?' } }), false);
  assert.equal(named[1].question, 'Who?');
  assert.equal(named.length, 2);
});
