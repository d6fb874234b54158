import assert from 'node:assert/strict';
import test from 'node:test';

import {
  cacheBytes, calculate, CALCULATED_SHAPES, CALCULATOR_NUMBERS, fitSentence, GPUS, problemWith, trafficShares, trafficText,
} from '../../assets/web/core/calculator.js';

const LLAMAS = { 'LLaVA-1.5-7B': [32, 4096, 11008], 'LLaVA-1.5-13B': [40, 5120, 13824] }; // layers, width, inner width
const CARDS = { T4: [16, 320], 'A100 40 GB': [40, 1555], H200: [141, 4800] };
const named = (list, name) => list.find((each) => each.name === name);

// One column of the result, from the Llama architecture, 2 bytes a number.
function expected(model, card, { batch, prompt, answer, keep }) {
  const [layers, width, inner] = LLAMAS[model];
  const [memory, bandwidth] = CARDS[card].map((value) => value * 1e9);
  const token = layers * 2 * width * 2;
  // Attention, gated feed-forward and norms of every layer, the last norm, the output layer of 32,000 words.
  const weights = 2 * (layers * (4 * width ** 2 + 3 * width * inner + 2 * width) + width + 32000 * width);
  const step = weights + batch * token * keep * (prompt + answer / 2);
  const atEnd = token * keep * (prompt + answer);
  return {
    cache: batch * atEnd, weights, largest: Math.max(0, Math.floor((memory - weights) / atEnd)),
    share: 1 - weights / step, perSequence: bandwidth / step, total: batch * bandwidth / step,
  };
}

test('the calculator does the arithmetic of the architecture', () => {
  for (const model of Object.keys(LLAMAS)) {
    for (const card of Object.keys(CARDS)) {
      for (const [batch, keep] of [[4, 1], [4, 0.3], [1, 0.3], [8, 1], [32, 0.05]]) {
        const given = { batch, prompt: 700, answer: 200, keep };
        const figures = calculate(named(CALCULATED_SHAPES, model), named(GPUS, card), given);
        for (const [name, value] of Object.entries(expected(model, card, given))) {
          assert.ok(Math.abs(figures[name] - value) <= 1e-9 * Math.abs(value), [model, card, name, figures[name], value].join(' '));
        }
      }
    }
  }
});

test('a token of the 7B model takes half a mebibyte', () => {
  const shape = named(CALCULATED_SHAPES, 'LLaVA-1.5-7B');
  assert.equal(cacheBytes(shape, 1, 1), 2 ** 19);
  assert.equal(cacheBytes(shape, 1, 576), 288 * 2 ** 20);
});

test('an entry that makes no sense is refused in words', () => {
  const problem = (name, text) => problemWith(named(CALCULATOR_NUMBERS, name), text);
  assert.equal(problem('batch', ''), 'Batch, sequences: enter a whole number from 1 to 4,096.');
  assert.match(problem('batch', '2.5'), /enter a whole number from 1 to/);
  assert.equal(problem('prompt', '-3'), 'Prompt, tokens: enter a whole number from 1 to 1,000,000.');
  assert.match(problem('answer', '1e300'), /Answer, tokens: enter a whole number/);
  for (const text of ['0', '101', 'x']) assert.equal(problem('keep', text), 'Cache kept, %: enter a number from 1 to 100.');
  for (const [name, text] of [['batch', '1'], ['keep', '0012.5'], ['prompt', ' 7 ']]) assert.equal(problem(name, text), '');
});

test('it says whether a batch fits, with all of the cache or with a part', () => {
  const gpu = { name: 'A100' };
  const says = (batch, full, kept) => fitSentence({ largest: full }, { largest: kept }, { batch, keep: 50 }, gpu);
  assert.equal(says(1, 3, 6), 'One sequence fits into the A100 either way.');
  assert.equal(says(4, 3, 6), 'A batch of 4 fits with 50 % of the cache kept, not with all of it.');
  assert.equal(says(9, 3, 6), 'A batch of 9 does not fit into the A100 either way; its speeds are what more memory would allow.');
});

test('a side’s share of the traffic is its bytes at the step shown beside the weights', () => {
  const sides = [{ title: 'Full', steps: 2, prompt_bytes: 1e6, bytes_held: [2e6, 3e6] }, { title: 'Less', steps: 1, prompt_bytes: 5e5, bytes_held: [6e5] }];
  const shape = { weight_bytes: 1e7 };
  assert.deepEqual(trafficShares(sides, shape, 0), [1 / 11, 0.5 / 10.5]);
  assert.deepEqual(trafficShares(sides, shape, 2), [3 / 13, 0.6 / 10.6]); // the second has ended by then
  assert.match(trafficText(sides, shape, 2), /reads 9\.54 MiB of weights and a cache of 2\.86 MiB \(Full: 23 % of the traffic\) or/);
});
