import assert from 'node:assert/strict';
import test from 'node:test';

import { linkTo, modeText, presetName, PRESETS, readAddress, readMode, tooMany } from '../../assets/web/core/address.js';

test('a mode is read as it is written', () => {
  for (const [name, preset] of Object.entries(PRESETS)) {
    assert.equal(modeText(preset), name);
    assert.deepEqual(readMode(name), preset);
  }
  for (const heat of ['none', 'importance', 'looked']) {
    for (const fill of ['none', 'colours', 'mean', 'fade']) {
      for (const anchors of ['none', 'outline', 'dot']) {
        for (const groups of [true, false]) {
          const look = { heat, fill, anchors, groups };
          const { opacity, ...read } = readMode(modeText(look));
          assert.deepEqual(read, look);
          assert.equal(opacity, PRESETS[presetName(look)]?.opacity);
        }
      }
    }
  }
  for (const text of ['', '__proto__', 'kept.dot', 'looked.mean', 'x.none.none', 'toString']) assert.deepEqual(readMode(text), {});
});

test('what a link says is what an address asks', () => {
  const link = linkTo({ layer: 3, head: 2, step: 8, level: 2, ...PRESETS.groups });
  assert.deepEqual(link, { layer: '3', head: '2', t: '8', mode: 'groups', level: '2' });
  const { wanted, wrong } = readAddress('?' + new URLSearchParams(link));
  assert.deepEqual([wanted, wrong], [{ layer: 3, head: 2, step: 8, mode: 'groups', level: 2, isWrong: false }, []]);
  assert.ok(!('head' in linkTo({ layer: 0, head: 0, step: 0, level: 1, ...PRESETS.kept })));
});

test('an address that asks for nothing of the view asks for nothing', () => {
  assert.deepEqual(readAddress('?example=x&present=1'), { wanted: null, wrong: [] });
});

test('what is asked in vain is said, and the rest is still asked', () => {
  const { wanted, wrong } = readAddress('?layer=x<b>&t=-1&mode=rainbow&head=2&level=4');
  assert.deepEqual(wanted, { layer: null, head: 2, step: null, mode: '', level: null, isWrong: true });
  assert.equal(wrong.length, 4);
  assert.match(wrong[0], /mode "rainbow"\. There are: importance, looked, groups, kept\./);
  assert.match(wrong[1], /level "4"\. There are: 1, 2, 3\./);
  assert.match(wrong[2], /layer "x<b>", which is no number/);
  assert.deepEqual(tooMany(3, 3, 'layer'), []);
  assert.deepEqual(tooMany(4, 3, 'layer'), ['The link asks for layer 4, but there are 3.']);
  assert.deepEqual(tooMany(4, 1, 'head'), ['The link asks for head 4, but there is 1.']);
});

test('of a part that stands there twice the last one counts', () => {
  const { wanted } = readAddress('?layer=2&t=1&layer=3&mode=kept&mode=groups');
  assert.deepEqual([wanted?.layer, wanted?.step, wanted?.mode], [3, 1, 'groups']);
});
