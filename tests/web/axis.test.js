import assert from 'node:assert/strict';
import test from 'node:test';

import { guessAxis, snapped } from '../../assets/web/lesson/axis.js';

test('the axis of a guess is round and leaves the answer open', () => {
  const shares = [634 * 12288, 1000, 3.7 * 2 ** 20, 5.1 * 2 ** 20, 900 * 2 ** 20, 2.9 * 2 ** 30].map((total) => {
    const { ticks, top, size } = guessAxis(total);
    assert.ok(ticks.length >= 4);
    ticks.forEach((tick, i) => assert.ok(Math.abs(tick - i * ticks[1]) < 1e-9));
    assert.ok(Math.abs(ticks.at(-1) * size - top) < 0.6 * ticks[1] * size);
    return top / total;
  });
  assert.ok(shares.every((share) => share > 1.9 && share < 3));
  assert.ok(Math.max(...shares) - Math.min(...shares) > 0.2);
});

test('a guess stays on the axis, in two hundredths of it', () => {
  const axis = { top: 200 };
  assert.deepEqual([-5, 0, 7.4, 7.6, 300].map((bytes) => snapped(bytes, axis)), [0, 0, 7, 8, 200]);
});
