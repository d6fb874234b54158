// A question that nothing was answered to yet: its words, and where it stands.

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { comingText, turnsBefore } from '../../assets/web/core/coming.js';

const coming = { question: 'What?', after: '', sides: [], line: 'Waiting: 2nd in line', time: 'about 20 s' };

test('who waits reads where he stands, and about how long where that is known', () => {
  assert.equal(comingText(coming), 'Waiting: 2nd in line, about 20 s');
  assert.equal(comingText({ ...coming, time: '' }), 'Waiting: 2nd in line');
});

test('turns stay that it goes on with, none of another conversation', () => {
  const turns = ['one', 'two', 'three'].map((run) => ({ run, question: '', sides: [], changes: [], temperature: 0, seed: 0 }));
  assert.equal(turnsBefore(turns, { ...coming, after: 'two' }), 2);
  assert.equal(turnsBefore(turns, coming), 0);
  assert.equal(turnsBefore(turns, { ...coming, after: 'elsewhere' }), 0);
});
