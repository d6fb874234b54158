import assert from 'node:assert/strict';
import test from 'node:test';

import { slotPixels } from '../../assets/web/core/left.js';
import { randomly } from './made.js';

test('a slot leaves the mean of its patches, pixel by pixel, and what is in none of the picture leaves nothing', () => {
  const next = randomly(3);
  const pixels = Array.from({ length: 12 }, () => Uint8ClampedArray.from({ length: 16 }, () => next() * 256));
  const at = [5, 5, 7, -1, 5, 1, 7, 9, -2, 1, 11, 5]; // 1 is a word's slot
  const left = slotPixels(pixels, at, (owner) => owner >= 5);
  at.forEach((owner, patch) => {
    if (owner < 5) { assert.equal(left[patch], null); return; }
    const group = pixels.filter((_, other) => at[other] === owner);
    left[patch].forEach((value, i) => {
      assert.ok(Math.abs(value - group.reduce((sum, own) => sum + own[i], 0) / group.length) < 1e-3);
    });
  });
  assert.deepEqual([...left[7]], [...pixels[7]]);
});
