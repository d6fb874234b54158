import assert from 'node:assert/strict';
import test from 'node:test';

import { newSide, openSide, takeSteps } from '../../assets/web/core/messages.js';
import { storyOf, wholeParts } from '../../assets/web/core/story.js';
import { layOut } from '../../assets/web/core/views.js';
import { IMAGE, openingOf, randomSide, stepsOf, TOKENS, VIEWS } from './made.js';

const LAYOUT = layOut(VIEWS);
const OWN = [...Array(TOKENS).keys()];
const MIDDLE = [IMAGE[0] + 4, IMAGE[0] + 5]; // row 2, columns 2 and 3

// Weights of an answer token as bytes: those tokens half each, nothing else.
const looking = (tokens) => Array.from({ length: TOKENS + 8 }, (_, token) => (tokens.includes(token) ? Math.round(255 * Math.sqrt(1 / tokens.length)) : 0));

// A side of one layer, or of as many as there are owners, that wrote those pieces and looked there with each of them.
function sideOf(number, pieces, { owners = [OWN], looked = MIDDLE, opening = {}, ...more } = {}) {
  const side = newSide(number);
  const none = pieces.map(() => owners.map(() => -1));
  openSide(side, openingOf(owners.flat(), { layers: owners.length, keep: number ? 0.4 : 1, ...opening }));
  takeSteps(side, stepsOf(none, none, pieces.map(() => looking(looked)), {
    answer: pieces.join('').replace('</s>', '').trim(), answer_pieces: pieces, finish: 'end', ...more,
  }), 0);
  return side;
}

const merged = (into, ...tokens) => OWN.map((token) => (tokens.includes(token) ? into : token));
const A = ['I', ' see', ' a', ' dog', '.', '</s>'];
const B = ['I', ' see', ' nothing', '.', '</s>'];
const tell = (...sides) => storyOf(sides, LAYOUT).sentences.join(' ');

test('where answers part it says what was looked at and in whose slots it is', () => {
  const corner = IMAGE[0] + 8;
  const b = sideOf(1, B, { owners: [merged(corner, ...MIDDLE, IMAGE[0] + 3)] });
  assert.equal(tell(sideOf(0, A), b), 'Where A says “a dog”, more than half of what it looks at in the picture is in two patches around row 2, column 2. '
    + 'In B both of them share memory slots with some 2 other patches. B says “nothing”.');
  const dropped = sideOf(1, B, { owners: [merged(-1, MIDDLE[0])] });
  assert.match(tell(sideOf(0, A), dropped), /In B one of them has a memory slot of its own and one is gone\. B says “nothing”\.$/);
});

test('an anchor that others were merged into has its slot with them and not for itself', () => {
  const b = sideOf(1, B, { owners: [merged(MIDDLE[0], IMAGE[0], IMAGE[0] + 1)] });
  assert.match(tell(sideOf(0, A), b), /In B one of them has a memory slot of its own and one shares a memory slot with some 2 other patches\./);
  const words = sideOf(1, B, { owners: [merged(MIDDLE[0], 0)] });
  assert.match(tell(sideOf(0, A), words), /one of them has a memory slot of its own and one shares a memory slot with words\./);
});

test('the patches that it speaks of are named for who draws them', () => {
  const b = sideOf(1, B, { owners: [merged(-1, MIDDLE[0])] });
  assert.deepEqual(storyOf([sideOf(0, A), b], LAYOUT).patches, [4, 5]);
  assert.deepEqual(storyOf([sideOf(0, A), sideOf(1, A)], LAYOUT).patches, []);
});

test('of several layers it says that it is a mean', () => {
  const b = sideOf(1, B, { owners: [OWN, merged(-1, ...MIDDLE)] });
  assert.match(tell(sideOf(0, A, { owners: [OWN, OWN] }), b), /In B, on average of its 2 layers, about one of them has a memory slot of its own and one is gone\./);
});

test('patches that B keeps are said to be kept, though it answers otherwise', () => {
  const b = sideOf(1, B, { owners: [merged(IMAGE[0], IMAGE[0] + 1, IMAGE[0] + 2)] });
  const story = tell(sideOf(0, A), b);
  assert.match(story, /In B both of them have memory slots of their own\. B says “nothing”\.$/);
  assert.doesNotMatch(story, /share|gone/);
});

test('what a token found is told, not what was given up after it', () => {
  const b = sideOf(1, B);
  const later = sideOf(1, B);
  later.dropped[2] = [MIDDLE[0]];
  later.joined[2] = [-1];
  later.goneAt[MIDDLE[0]] = 3;
  assert.equal(tell(sideOf(0, A), later), tell(sideOf(0, A), b));
});

test('the first token is chosen before anything is merged, unless the question came later', () => {
  const owners = [merged(-1, ...MIDDLE)];
  const sides = (asked) => [sideOf(0, ['Yes', '</s>'], { opening: { asked_after: asked } }), sideOf(1, ['No', '</s>'], { owners, opening: { asked_after: asked } })];
  assert.equal(tell(...sides(0)), 'Where A says “Yes”, more than half of what it looks at in the picture is in two patches around row 2, column 2. B says “No”.');
  assert.match(tell(...sides(3)), /In B both of them are gone\. B says “No”\.$/);
});

test('answers that are the same are said to be, with what was held', () => {
  const [a, b] = [sideOf(0, A), sideOf(1, A)];
  assert.match(tell(a, b), /^Both say the same; each held 2\.31 KiB\.$/);
  b.bytes_held = b.bytes_held.map((bytes) => bytes / 4);
  assert.equal(tell(a, b), 'Both say the same; B held 0.58 of 2.31 KiB.');
  assert.equal(tell(b, a), 'Both say the same; B held 2.31 KiB, A 0.58 KiB.');
  // Other tokens for the same words are no other answer.
  assert.match(tell(a, sideOf(1, ['I', ' see', ' a', ' d', 'og', '.', '</s>'])), /^Both say the same; /);
});

test('where one answer ends the other goes on, and nothing is said of what the end looked at', () => {
  const long = ['I', ' see', ' a', ' dog', ' and', ' a', ' cat', '</s>'];
  const short = ['I', ' see', ' a', ' dog', '</s>'];
  assert.equal(tell(sideOf(0, short), sideOf(1, long)), 'Where A’s answer ends, B goes on with “and a cat”.');
  assert.equal(tell(sideOf(0, long, { looked: [0] }), sideOf(1, short)), 'A goes on with “and a cat” where B’s answer ends.');
  const cut = sideOf(1, long.slice(0, 4), { finish: 'limit' });
  assert.match(tell(sideOf(0, long), cut), /B’s answer ends there\.$/);
});

test('it names no place where the picture was hardly looked at, or all of it, or nothing is known', () => {
  const plain = 'A says “a dog”, B says “nothing”.';
  assert.equal(tell(sideOf(0, A, { looked: [0, 1] }), sideOf(1, B)), plain);
  assert.equal(tell(sideOf(0, A, { looked: OWN.slice(...IMAGE) }), sideOf(1, B)), plain);
  const blind = sideOf(0, A);
  blind.looked = [];
  assert.equal(tell(blind, sideOf(1, B)), plain);
});

test('patches that lie apart are not said to lie around one place', () => {
  const far = layOut([{ rows: 1, columns: 9, box: [0, 0, 1, 1], picture: 0 }]);
  const story = storyOf([sideOf(0, A, { looked: [IMAGE[0], IMAGE[0] + 8] }), sideOf(1, B)], far).sentences.join(' ');
  assert.match(story, /two patches, most of all at row 1, column 1\./);
});

test('nothing is said of one side, of a running one, and of one whose steps are not all here', () => {
  assert.equal(tell(sideOf(0, A)), '');
  assert.equal(tell(sideOf(0, A), sideOf(1, B, { finish: 'running' })), '');
  assert.equal(tell(sideOf(0, A), sideOf(1, B, { steps: 9 })), '');
});

test('a budget that text has eaten is announced, any other is not', () => {
  const patches = OWN.slice(...IMAGE);
  const b = sideOf(1, A, { owners: [merged(IMAGE[0], ...patches)] });
  // Of 14 tokens before the answer 5 are words; of the 6 of the answer the last was never stored.
  assert.match(tell(sideOf(0, A), b), /B holds 1 of 9 patches: text has 10 of its 11 slots\.$/);
  for (const other of [sideOf(1, A), sideOf(1, A, { owners: [merged(0, 1, 12, 13)] })]) assert.doesNotMatch(tell(sideOf(0, A), other), /holds/);
  assert.doesNotMatch(tell(sideOf(0, A), Object.assign(b, { erasure: { tokens: [IMAGE[0]] } })), /holds/, 'it was erased');
});

test('no run makes it say why', () => {
  for (let seed = 0; seed < 60; seed++) {
    const [a, b] = [randomSide(seed), randomSide(seed + 100, { merges: seed % 2 === 0 })];
    Object.assign(a, { letter: 'a' });
    b.answer_pieces[seed % 8] = ' else';
    b.answer = b.answer_pieces.join('').trim();
    const story = tell(a, b);
    assert.ok(story.length > 10 && !/NaN|undefined|null/.test(story), story);
    assert.doesNotMatch(story, /because|therefore|thus|hence|due to|since|\bso\b|why|cause|explain|lost|fail|wrong|right/i);
  }
});

test('long phrases are cut, and signs at their end are not quoted', () => {
  const many = ['I', ' see', ' one', ' two', ' three', ' four', ' five', '.', '</s>'];
  assert.match(tell(sideOf(0, many), sideOf(1, B)), /Where A says “one two three four …”/);
});

test('whole numbers keep the sum of their parts', () => {
  assert.deepEqual(wholeParts([1.33, 2.5, 0.17], 4), [1, 3, 0]);
  assert.deepEqual(wholeParts([0.5, 0.5, 0], 1), [1, 0, 0]);
  assert.deepEqual(wholeParts([2, 0, 2], 4), [2, 0, 2]);
});

test('of a side that reads a part it says how much of those patches it read for the word, and of one that remembers where they are', () => {
  const read = B.map((_, number) => looking(OWN).map((_, token) => (number === 2 && token === MIDDLE[0] ? 51 : 0)));
  const encoded = read.map((row) => Buffer.from(Uint8Array.from(row)).toString('base64'));
  const reading = sideOf(1, B, { opening: { reads_part: true }, read: encoded });
  assert.match(tell(sideOf(0, A), reading), /B holds them all, and for that word read 10 % of them, mean of its layers and heads\. B says/);
  const remembering = sideOf(1, B, { owners: [merged(-1, ...MIDDLE)], opening: { remembers: true } });
  assert.match(tell(sideOf(0, A), remembering), /In B both of them have no slot, only a part in the memory\. B says/);
});
