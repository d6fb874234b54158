import assert from 'node:assert/strict';
import { test } from 'node:test';
import { addressWith, isOpened, keptWordsOf, ownPart, withAsked } from '../../assets/web/core/coming_back.js';

const turn = (question, run = 'a run') => ({ run, question, sides: [], changes: [], temperature: 0, seed: 0 });

test('an address that a tab wrote itself is not one that somebody opened, in whatever order its parts stand', () => {
  const written = ownPart('?example=x&q=a+b&t=3');
  assert.equal(isOpened('?t=3&q=a%20b&example=x', written), false);
  assert.equal(isOpened('?t=4&q=a%20b&example=x', written), true);
  assert.equal(isOpened('?example=x', null), true);
});

test('an address that asks for nothing, or only for how it is shown, opens nothing', () => {
  for (const search of ['', '?', '?present=1', '?__theme=dark&lang=en', '?tab=plots&lesson=3']) assert.equal(isOpened(search, 'example=x'), false);
});

test('a new address says what is shown, nothing of what was shown before, and keeps what is none of ours', () => {
  const before = '?example=old&q=old&b.keep=1&tab=plots&__theme=dark&a=full';
  assert.equal(addressWith(before, { without: 'picture', t: '2' }), '?without=picture&t=2&tab=plots&__theme=dark');
  assert.equal(addressWith('?example=old', {}), '');
});

test('an address that is written again and again has everything once', () => {
  const shown = { example: 'x', layer: '0', t: '3', mode: 'looked', level: '2', 'b.keep': '0.3' };
  const once = addressWith('', shown);
  assert.equal(addressWith(addressWith(once, { ...shown, level: '1' }), shown), once);
  assert.deepEqual([...new URLSearchParams(once).keys()].sort(), Object.keys(shown).sort());
});

test('of turns that are kept as words nobody holds a run', () => {
  assert.deepEqual(keptWordsOf([turn('one'), turn('two')]), [turn('one', ''), turn('two', '')]);
  assert.deepEqual(keptWordsOf([]), []);
});

test('of a conversation that is too long the latest turns are kept, and the first says that others are not', () => {
  const long = JSON.stringify(turn('x')).length;
  const kept = keptWordsOf([turn('1'), turn('2'), turn('3')], 2 * long + 5);
  assert.deepEqual(kept.map(({ question }) => question), ['2', '3']);
  assert.match(kept[0].changes[0], /too long to be kept/);
  assert.deepEqual(kept[1].changes, []);
});

test('what was asked just now stands in the inputs again, unless something else was typed meanwhile', () => {
  const asked = { question: 'Why?', picture: 'a', tokens: 5, again: 'a run', number: 7 };
  assert.deepEqual(withAsked({ question: 'typed' }, asked), { question: 'typed' });
  assert.deepEqual(withAsked({ question: '' }, null), { question: '' });
  assert.deepEqual(withAsked({ question: '', tokens: 9, number: 8 }, asked), { question: 'Why?', picture: 'a', tokens: 9, again: '', number: 7 });
  assert.deepEqual(withAsked(null, asked), { question: 'Why?', picture: 'a', tokens: 5, again: '', number: 7 });
});
