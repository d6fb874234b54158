import assert from 'node:assert/strict';
import { test } from 'node:test';

import { levelFor, readLevel } from '../../assets/web/core/levels.js';
import { meaningOf } from '../../assets/web/core/terms.js';

test('a level is 1, 2 or 3, and nothing else', () => {
  assert.deepEqual(['1', '2', '3'].map(readLevel), [1, 2, 3]);
  for (const text of [null, '', '0', '4', '1.5', ' 1', '11', 'all', '<b>']) assert.equal(readLevel(text), null);
});

test('what a link asks for decides how much is opened, unless it says so itself', () => {
  const nothing = { layer: null, head: null, step: null, mode: '', level: null };
  assert.equal(levelFor(nothing), 1);
  assert.equal(levelFor({ ...nothing, layer: 0 }), 1); // the mean of all layers, as without
  assert.equal(levelFor({ ...nothing, step: 0 }), 2);
  assert.equal(levelFor({ ...nothing, mode: 'kept' }), 2);
  assert.equal(levelFor({ ...nothing, layer: 2, mode: 'kept' }), 3);
  assert.equal(levelFor({ ...nothing, head: 1 }), 3);
  assert.equal(levelFor({ ...nothing, head: 1, level: 1 }), 1);
});

test('a term that nobody explains has no meaning', () => {
  assert.match(meaningOf('slot'), /^Room for one key/);
  for (const name of ['', 'toString', '__proto__', 'slots held']) assert.equal(meaningOf(name), '');
});
