import assert from 'node:assert/strict';
import test from 'node:test';

import { layerAfterKey, layerFigures, layerWords } from '../../assets/web/core/layers.js';
import { ownersAfter, randomSide } from './made.js';

test('keys go round the columns, to the first and to the last', () => {
  const ways = [['ArrowRight', 3, 0], ['ArrowDown', 1, 2], ['ArrowLeft', 0, 3], ['ArrowUp', 2, 1], ['Home', 2, 0], ['End', 0, 3], ['x', 1, null]];
  for (const [key, now, to] of ways) assert.equal(layerAfterKey(key, now, 4), to);
});

// By the book: the share of heads that keep each token, and how alike two layers are.
function overlap(side, layer) {
  const owners = ownersAfter(side, 0);
  const shares = (at) => [...Array(side.tokens).keys()].map((token) => (
    [0, 1].filter((head) => owners[at * 2 + head][token] === token).length / 2
  ));
  const [before, now] = [shares(layer - 1), shares(layer)];
  const sum = (pick) => now.reduce((total, share, token) => total + pick(share, before[token]), 0);
  return sum(Math.min) / sum(Math.max);
}

test('a layer’s figures are what it kept, how alike it is to the one before, and how sparse', () => {
  for (const seed of [1, 2]) {
    const side = Object.assign(randomSide(seed, { layers: 3 }), { letter: 'b', prompt_slots: [7, 10, 14], sparsity: [0.1, 0.2, null] });
    assert.equal(layerFigures(side, 2).kept, 10 / 14);
    assert.equal(layerFigures(side, 2).slots, 10);
    assert.ok(Number.isNaN(layerFigures(side, 1).overlap));
    assert.ok(Math.abs(layerFigures(side, 3).overlap - overlap(side, 2)) < 1e-6);
    assert.ok(Math.abs(layerFigures(side, 0).overlap - (overlap(side, 1) + overlap(side, 2)) / 2) < 1e-6);
    assert.ok(Math.abs(layerFigures(side, 0).sparsity - 0.15) < 1e-9);
    const held = [0, 1].map((head) => ownersAfter(side, 0)[2 + head].slice(0, side.tokens).filter((owner, token) => owner === token).length);
    const ofHeads = held[0] === held[1] ? '' : ', its heads ' + Math.min(...held) + ' to ' + Math.max(...held);
    const words = layerWords([layerFigures(side, 2)], 2, 3).map(({ text }) => text);
    assert.deepEqual(words, [
      'Layer 2 of 3', 'B keeps 71 % of 14 tokens (10' + ofHeads + ')', 'anchors overlap ' + Math.round(100 * overlap(side, 1)) + ' % with layer 1’s',
      '20 % of attention weights next to nothing',
    ].map((text) => text));
  }
});
