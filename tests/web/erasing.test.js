// What is said of an erased run, beside plain arithmetic.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { canErase, erasedCount, erasedText, judgedTokens, sureness } from '../../assets/web/core/erasing.js';

const SIDE = { tokens: 5, is_prompt: [true, true, false, true, true], is_image: [false, true, false, false, false] };
const logs = (...shares) => shares.map(Math.log);
const erasure = (more = {}) => ({
  tokens: [1], answer: 'an owl', answer_pieces: ['an', ' owl'], before: logs(0.9, 0.8), after: logs(0.9, 0.1), ...more,
});
const text = (answer, more) => erasedText({ letter: 'b', answer, erasure: erasure(more) });

test('of the prompt all can be erased but its last token, of an answer nothing', () => {
  assert.deepEqual([-1, 0, 1, 2, 3, 4, 5].map((token) => canErase(SIDE, token)), [false, true, true, false, true, false, false]);
});

test('patches and pieces of the text are counted apart', () => {
  assert.equal(erasedCount(SIDE, [1]), '1 patch');
  assert.equal(erasedCount(SIDE, new Set([0, 1, 3])), '1 patch and 2 pieces of the text');
  assert.equal(erasedCount(SIDE, []), '');
});

test('how sure a side is of an answer is the share that every token would have alike', () => {
  assert.ok(Math.abs(sureness(logs(0.9, 0.4)) - Math.sqrt(0.36)) < 1e-12);
  assert.ok(Number.isNaN(sureness([])));
});

test('each token has its probability before and after, and a small change is none', () => {
  const [first, second] = judgedTokens(erasure({ after: logs(0.86, 0.1) }));
  assert.deepEqual([first.isNoticed, second.isNoticed, second.piece], [false, true, 'owl']);
  assert.ok(Math.abs(second.was - 0.8) < 1e-12 && Math.abs(second.is - 0.1) < 1e-12);
});

test('what changed most is named, whether it fell or rose', () => {
  assert.equal(text('nothing'), 'B says something else. How sure it is of the answer before, per token: 85 % → 30 %; '
    + 'it changed most at “owl”: 80 % → 10 %.');
  assert.match(text('an owl', { before: logs(0.2, 0.8), after: logs(0.9, 0.8) }), /^B says the same\. .* at “an”: 20 % → 90 %\.$/);
});

test('where nothing changed much none is named, and where nothing was erased nothing is said', () => {
  assert.match(text('an owl', { after: logs(0.88, 0.82) }), /no token of it changed by 5 percentage points or more\.$/);
  assert.equal(text('an owl', { answer_pieces: [], before: [], after: [] }), 'B says the same.');
  assert.equal(erasedText({ letter: 'a', answer: 'x', erasure: null }), '');
});
