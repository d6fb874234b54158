import assert from 'node:assert/strict';
import test from 'node:test';

import { numberIn, valueOf, withOption, withWritten } from '../../assets/web/core/settings.js';

const NOTHING = { method: 'snapkv', options: {} };
const OPTIONS = [{ name: 'bits', default: 'whole' }, { name: 'window', default: 16 }, { name: 'drawn', default: true }];

/** @param {object} chosen */
const changed = (chosen, ...changes) => changes.reduce((now, [name, value]) => withOption(now, OPTIONS, name, value), chosen);

test('what is chosen is the same text however one came to it, and says nothing of defaults', () => {
  const one = changed(NOTHING, ['drawn', false], ['window', 4], ['bits', '4']);
  const other = changed(NOTHING, ['bits', '2'], ['window', 4], ['drawn', true], ['bits', '4'], ['drawn', false]);
  assert.equal(JSON.stringify(one), JSON.stringify(other));
  assert.deepEqual(one.options, { snapkv: { bits: '4', window: 4, drawn: false } });
  assert.deepEqual(changed(one, ['bits', 'whole'], ['window', 16], ['drawn', true]).options, { snapkv: {} });
  assert.deepEqual(NOTHING, { method: 'snapkv', options: {} });
});

test('who writes a method writes all of it, and leaves what was chosen of the others', () => {
  const chosen = { method: 'h2o', options: { h2o: { recent: 0.2 }, snapkv: { window: 4, bits: '4' } } };
  const written = withWritten(chosen, { method: 'snapkv', options: { snapkv: { window: 8 } } });
  assert.deepEqual(written, { method: 'snapkv', options: { h2o: { recent: 0.2 }, snapkv: { window: 8 } } });
  assert.deepEqual(withWritten(written, { method: 'h2o' }), { ...written, method: 'h2o' });
  assert.deepEqual(withWritten(written, {}), written);
  assert.deepEqual(withWritten(written, written), written);
});

test('an option has the value of the shown method, or its default', () => {
  const chosen = { method: 'h2o', options: { h2o: { recent: 0, drawn: false }, snapkv: { window: 4 } } };
  assert.deepEqual([['recent', 0.5], ['drawn', true], ['window', 16]].map(([name, usual]) => valueOf(chosen, { name, default: usual })), [0, false, 16]);
});

test('a number that was typed is brought to what the option may have, and what is none changes nothing', () => {
  const whole = { low: 1, high: 500, whole: true };
  assert.deepEqual(['25', ' 7 ', '900', '-3', '2.6', '1e2'].map((typed) => numberIn(typed, whole)), [25, 7, 500, 1, 3, 100]);
  assert.deepEqual(['', ' ', 'much', '1,5', 'NaN'].map((typed) => numberIn(typed, whole)), [null, null, null, null, null]);
  assert.deepEqual(['0.125', '7', 'Infinity'].map((typed) => numberIn(typed, { low: 0, high: 1, whole: false })), [0.125, 1, 1]);
});
