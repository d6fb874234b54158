import assert from 'node:assert/strict';
import test from 'node:test';

import { bytesOnTheWay, bytesSaid, IN_WORD, NOWHERE, onItsWay, tellingOf, tellingParts, tellingText, TELLING_MS, wholeBytes } from '../../assets/web/core/telling.js';
import { ownersAfter, randomSide } from './made.js';

test('what moves is where the layer that is told puts every patch when the prompt is read', () => {
  for (let seed = 0; seed < 20; seed++) {
    const side = randomSide(seed, { merges: seed % 2 === 0 });
    for (const [layer, head] of [[1, 1], [1, 2], [2, 1], [2, 0]]) {
      const owners = ownersAfter(side, 0)[(layer - 1) * 2 + (head || 1) - 1];
      const { at, to, counts } = tellingOf(side, layer, head);
      side.patches.forEach((token, patch) => {
        const owner = owners[token];
        assert.equal(at[patch], owner);
        assert.equal(to[patch], owner < 0 ? NOWHERE : side.is_image[owner] ? side.patches.indexOf(owner) : IN_WORD);
      });
      assert.equal(Object.values(counts).reduce((sum, count) => sum + count), side.patches.length);
      assert.equal(counts.kept, side.patches.filter((token) => owners[token] === token).length);
    }
  }
});

test('it takes three to four seconds, one part after the other, and each comes to its end', () => {
  assert.ok(TELLING_MS >= 3000 && TELLING_MS <= 4000);
  assert.deepEqual(tellingParts(0), { light: 0, rings: 0, way: 0, leave: 0 });
  assert.deepEqual(tellingParts(1), { light: 1, rings: 1, way: 1, leave: 1 });
  const parts = [...Array(101).keys()].map((at) => tellingParts(at / 100));
  const names = ['light', 'rings', 'way', 'leave'];
  parts.forEach((now, i) => names.forEach((name, part) => {
    if (i) assert.ok(now[name] >= parts[i - 1][name]);
    if (part && now[name]) assert.equal(now[names[part - 1]], 1, name + ' begins when the part before it is done');
  }));
});

test('every patch arrives, the near ones first', () => {
  for (const far of [0, 0.3, 1, 5]) {
    assert.equal(onItsWay(0, far), 0);
    assert.equal(onItsWay(1, far), 1);
  }
  assert.ok(onItsWay(0.5, 0.1) > onItsWay(0.5, 0.8));
});

test('memory falls from the whole prompt to what is held of it', () => {
  const sides = [randomSide(1), randomSide(2)];
  Object.assign(sides[1], { prompt_bytes: 900 });
  const shape = { layers: 2, kv_heads: 2, head_dim: 4, element_bytes: 4 };
  assert.equal(wholeBytes(sides, shape), Math.max(sides[0].prompt_bytes, 2 * 2 * 2 * 4 * 4 * sides[0].tokens));
  assert.equal(wholeBytes(sides, null), sides[0].prompt_bytes);
  assert.deepEqual([0, 1].map((way) => bytesOnTheWay(sides[1], 5000, way)), [5000, 900]);
});

test('it says what is seen, with the run’s own numbers', () => {
  const sides = [{ letter: 'a', patches: Array(9), prompt_bytes: 2048 }, { letter: 'b', patches: Array(9), prompt_bytes: 1024 }];
  const tellings = [{ counts: { kept: 9, merged: 0, word: 0, gone: 0 } }, { counts: { kept: 3, merged: 4, word: 0, gone: 2 } }];
  const said = (parts) => tellingText({ light: 1, rings: 1, way: 1, leave: 0, ...parts }, sides, tellings, 'layer 1 of 2');
  assert.equal(said({ rings: 0, way: 0 }), 'Bright patches received most attention (layer 1 of 2).');
  assert.equal(said({ way: 0 }), 'B keeps 3 of 9 patches in slots of their own (layer 1 of 2).');
  assert.equal(said({ way: 0.5 }), 'In B 4 are averaged into an anchor’s slot, 2 are dropped (layer 1 of 2).');
  assert.equal(said({}), 'The prompt takes 2 KiB in A, 1 KiB in B.');
});

test('no bytes are said that no cache held: on the way it says where from and where to', () => {
  const side = { prompt_bytes: 1024 };
  assert.deepEqual([0, 0.3, 0.7, 1].map((way) => bytesSaid(side, 4096, way)), ['4 KiB', '4 KiB → 1 KiB', '4 KiB → 1 KiB', '1 KiB']);
  assert.equal(bytesSaid({ prompt_bytes: 4096 }, 4096, 0.5), '4 KiB');
});
