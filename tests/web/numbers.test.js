import assert from 'node:assert/strict';
import test from 'node:test';

import { bytesText, keptWords, percentText, shortNumber } from '../../assets/web/core/numbers.js';

test('how much a side keeps is said where it is not all, without digits that are of binary fractions', () => {
  const words = (keep) => keptWords({ keep, is_compressed: keep < 1 });
  assert.deepEqual([1, 0.5, 0.29, 0.07, 0.125].map(words), ['', 'asked to keep 50 %', 'asked to keep 29 %', 'asked to keep 7 %', 'asked to keep 12.5 %']);
});

test('sizes and shares are written in about three digits, in a unit that makes them easy to read', () => {
  assert.deepEqual([0, 100, 512 * 1024, 3 * 2 ** 20].map(bytesText), ['0 B', '100 B', '0.50 MiB', '3 MiB']);
  assert.deepEqual([0, 0.0004, 0.0345, 0.5, 1].map(percentText), ['0 %', 'below 0.1 %', '3.5 %', '50 %', '100 %']);
  assert.deepEqual([NaN, 0, 0.0001, 0.05, 2.5, 12.34, 123.4, 1e7].map(shortNumber), ['–', '0', '1.0e-4', '0.050', '2.50', '12.3', '123', '1.0e+7']);
});
