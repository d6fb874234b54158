import assert from 'node:assert/strict';
import test from 'node:test';

import { compare, comparedText, keptText, klText, percent, sorted, waysText } from '../../assets/web/table/rows.js';

const FIRST = { title: 'Full cache', answer: 'a red ball and a dog', keep: 1 };
const row = (answer, number = 1) => compare({ title: 'Other', answer, keep: 0.2 }, number, FIRST);

test('a row tells how its words differ from the full cache’s', () => {
  assert.equal(comparedText(row('a red ball and a dog')), '= same words as full');
  assert.equal(comparedText(row('a blue ball and a dog')), '≠ 1 word differs');
  assert.equal(comparedText(row('a ball and a dog')), '≠ 1 word missing');
  assert.equal(comparedText(row('one ball')), '≠ 1 word differs, 4 missing');
  assert.deepEqual(row('a blue ball').marks, [false, true, false]);
});

test('figures are written as they can be read', () => {
  assert.deepEqual([1, 0.9999, 0.5, 0.034, 0, null, NaN].map(percent), ['100 %', '99.9 %', '50 %', '3.4 %', '0 %', '–', '–']);
  assert.deepEqual([null, 0, 0.0004, 0.25].map(klText), ['–', '0', '< 0.001', '0.25']);
  assert.deepEqual([{ number: 0 }, { number: 1, keep: null }, { number: 2, keep: 0.5 }].map(keptText), ['100 %', 'its own choice', '50 %']);
});

test('the reference stays on top, rows without the figure at the end, whatever the order', () => {
  const rows = [5, 3, null, 9, 3].map((figure, number) => ({ number, figure }));
  const order = (isDown) => sorted(rows, (each) => each.figure, isDown).map(({ number }) => number);
  assert.deepEqual(order(false), [0, 1, 4, 3, 2]);
  assert.deepEqual(order(true), [0, 3, 1, 4, 2]);
  const named = ['z', 'b', 'a'].map((title, number) => ({ number, title }));
  assert.deepEqual(sorted(named, (each) => each.title, false).map(({ title }) => title), ['z', 'a', 'b']);
});

test('a row tells by which of the two ways it saved', () => {
  const full = { prompt: 200, bytes_full: 2000 };
  assert.equal(waysText({ ...full, slots: 40, bytes_prompt: 400 }), '20 % of the tokens');
  assert.equal(waysText({ ...full, slots: 160, bytes_prompt: 400 }), '80 % of the tokens × 25 % of the bytes each');
});
