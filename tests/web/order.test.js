import assert from 'node:assert/strict';
import test from 'node:test';

import { moved } from '../../assets/web/core/order.js';

test('a picture moves and the others keep their order', () => {
  assert.deepEqual(moved(['a', 'b', 'c', 'd'], 0, 2), ['b', 'c', 'a', 'd']);
  assert.deepEqual(moved(['a', 'b', 'c', 'd'], 3, 1), ['a', 'd', 'b', 'c']);
});

test('what cannot move stays as it is, the same list', () => {
  const list = ['a', 'b'];
  for (const [from, to] of [[0, 0], [0, -1], [1, 2], [5, 0]]) assert.equal(moved(list, from, to), list);
});
