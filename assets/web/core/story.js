// Story: a complete run in one or two sentences, computed from it. They say what was written, what was looked at most and
// what is held, and never that one is the cause of another: looking explains nothing by itself.

import { alignPieces, answerWords, firstDifference, linkTokens } from './answers.js';
import { bytesAfter } from './charts.js';
import { patchGaze } from './gaze.js';
import { holder, planesOf } from './holders.js';
import { sinkText } from './reusing.js';
import { shortNumber, unitFor } from './numbers.js';
import { readOfPatches, readSentence } from './reading.js';
import { neverStored } from './tokens.js';
import { cellOf, placeText } from './views.js';
import { differing } from './words.js';

const MOST_WORDS = 4; // of an answer that are quoted
const LEAST_LOOK = 0.1; // of an answer token's attention that has to be on the picture before it is said where
const LOOKED = { share: 0.5, patches: 12, part: 1 / 8 }; // the patches that have more than half of it, if they are so few, and so few of all
const NEAR = 3; // rows and columns, of patches that lie around one place

/**
 * What is to be said about a run of two sides, nothing while one of them is still at it; `patches` are those of which it
 * says that they are looked at most.
 * @param {Side[]} sides
 * @param {Layout} layout
 * @returns {Story}
 */
export function storyOf(sides, layout) {
  const [a, b] = sides;
  if (!b || sides.some((side) => !side.opened || side.finish === 'running' || side.known < side.steps)) return { sentences: [], patches: [] };
  const differs = firstDifference(a, b);
  const isSame = differs === null || a.answer.trim() === b.answer.trim();
  const { text, patches } = isSame ? { text: sameSentence(a, b), patches: [] } : differenceText(a, b, differs, layout);
  const more = [sinkText(sides), ...sides.map(readSentence), ...sides.map(budgetSentence)];
  return { sentences: [text, ...more].filter(Boolean), patches };
}

/**
 * "Both say the same; B held 0.96 of 3.25 MiB."
 * @param {Side} a
 * @param {Side} b
 */
function sameSentence(a, b) {
  const bytes = [a, b].map((side) => bytesAfter(side, side.steps));
  if (!bytes.every(Number.isFinite)) return 'Both say the same.';
  const [unit, size] = unitFor(Math.max(...bytes));
  const [ofA, ofB] = bytes.map((value) => shortNumber(value / size));
  if (ofA === ofB) return 'Both say the same; each held ' + ofA + ' ' + unit + '.';
  if (bytes[1] < bytes[0]) return 'Both say the same; B held ' + ofB + ' of ' + ofA + ' ' + unit + '.';
  return 'Both say the same; B held ' + ofB + ' ' + unit + ', A ' + ofA + ' ' + unit + '.';
}

// ---- where they differ

/**
 * @param {Side} a
 * @param {Side} b
 * @param {number} differs
 * @param {Layout} layout
 * @returns {{ text: string, patches: number[] }}
 */
function differenceText(a, b, differs, layout) {
  const marks = differing(a, b);
  const [own, other] = [phraseAt(a, marks[0], differs), phraseAt(b, marks[1], differs)];
  if (!own && !other) return { text: 'A and B differ from token ' + (differs + 1) + ' on.', patches: [] };
  if (!own) return { text: 'Where A’s answer ends, B goes on with ' + other?.text + '.', patches: [] };
  const looked = lookedMost(a, own.numbers, layout);
  const says = other ? 'B says ' + other.text : 'B’s answer ends there';
  if (!looked) return { text: other ? 'A says ' + own.text + ', ' + says + '.' : 'A goes on with ' + own.text + ' where B’s answer ends.', patches: [] };
  const held = heldSentence(b, looked.patches, differs);
  return { text: 'Where A says ' + own.text + ', more than half of what it looks at in the picture is in ' + looked.text + '. ' + (held ? held + ' ' : '') + says + '.', patches: looked.patches };
}

/**
 * The words of an answer that differ from its first differing token on, and the tokens that they are made of; null where
 * that token is in no word, as the one that ends an answer.
 * @param {Side} side
 * @param {boolean[]} marks
 * @param {number} differs
 */
function phraseAt(side, marks, differs) {
  const spans = alignPieces(side.answer_pieces.slice(0, side.known), side.answer);
  const words = /** @type {Word[]} */ (answerWords(side.answer, marks, spans[differs]));
  linkTokens(words, spans);
  const first = words.findIndex(({ numbers }) => numbers?.includes(differs));
  if (first < 0) return null;
  let end = first + 1;
  while (end < words.length && words[end].look) end++;
  const said = words.slice(first, Math.min(end, first + MOST_WORDS));
  const text = said.map(({ bare }) => bare).join(' ');
  const bare = text.replace(/[.,;:!?]+$/, '') || text;
  return { text: '“' + bare + (end > first + MOST_WORDS ? ' …' : '') + '”', numbers: said.flatMap(({ numbers }) => numbers ?? []) };
}

/**
 * The few patches that have more than half of all that those answer tokens looked at in the picture; null where they are not few,
 * or the picture was hardly looked at, or nothing is known.
 * @param {Side} side
 * @param {number[]} numbers
 * @param {Layout} layout
 */
export function lookedMost(side, numbers, layout) {
  const gaze = [...patchGaze(side, numbers, 0)];
  const total = gaze.reduce((sum, share) => sum + share, 0);
  if (!(total >= LEAST_LOOK)) return null;
  const ranked = [...gaze.keys()].sort((p, q) => gaze[q] - gaze[p] || p - q);
  let sum = 0;
  const count = ranked.findIndex((patch) => (sum += gaze[patch]) > (LOOKED.share + 1e-6) * total) + 1;
  if (count > LOOKED.patches || count > Math.ceil(LOOKED.part * gaze.length)) return null;
  const patches = ranked.slice(0, count);
  const place = placeText(layout, patches[0]);
  if (count < 2) return { patches, text: 'one patch, ' + place };
  const [peak, ...others] = patches.map((patch) => cellOf(layout, patch));
  const isNear = others.every(({ number, row, column }) => (
    number === peak.number && Math.abs(row - peak.row) <= NEAR && Math.abs(column - peak.column) <= NEAR));
  return { patches, text: inWords(count) + ' patches' + (isNear ? ' around ' : ', most of all at ') + place };
}

// ---- what is held

/**
 * What became of some patches in the slots that a side's differing token found, the mean of all its layers and heads. The
 * first answer token is chosen from what was read before the cache was compressed, unless that was before the question.
 * @param {Side} side
 * @param {number[]} patches
 * @param {number} differs
 */
function heldSentence(side, patches, differs) {
  if (!differs && !side.asked_after) return '';
  if (side.reads_part) return readOfPatches(side, patches, differs);
  const planes = planesOf(side, 0, 0);
  const step = Math.max(0, differs - 1);
  const found = planes.map((plane) => side.patches.map((token) => holder(side, plane, token, step)));
  // An anchor that others were merged into stands for all of them: its slot is no more its own.
  const shared = planes.map((plane) => sharedSlots(side, plane, step));
  const fateIn = (/** @type {number} */ plane, /** @type {number} */ patch) => {
    const at = found[plane][patch];
    return at < 0 ? 2 : shared[plane].has(at) ? 1 : 0;
  };
  const sums = [0, 0, 0]; // in a slot of its own, in one with others, gone
  const others = /** @type {number[]} */ ([]);
  found.forEach((at, plane) => patches.forEach((patch) => {
    const fate = fateIn(plane, patch);
    sums[fate]++;
    if (fate === 1) others.push(at.filter((each, other) => each === at[patch] && !patches.includes(other)).length);
  }));
  const isMean = patches.some((patch) => planes.some((_, plane) => fateIn(plane, patch) !== fateIn(0, patch)));
  const [one, many] = fateTexts(others, side.remembers);
  const unit = side.heads > 1 ? 'heads' : 'layers';
  if (isMean && patches.length < 2) return 'In B it ' + listed(sums.flatMap((sum, i) => (sum ? one[i] + ' in ' + sum : []))) + ' of ' + planes.length + ' ' + unit + '.';
  const counts = wholeParts(sums.map((sum) => sum / planes.length), patches.length);
  const named = counts.flatMap((count, i) => (count ? [amongText(count, patches.length) + ' ' + (count > 1 ? many : one)[i]] : []));
  // Most planes agree, not each: "about all four of them" would say neither.
  if (isMean && named.length === 1) return 'In B, on average of its ' + planes.length + ' ' + unit + ', nearly all of them ' + many[counts.findIndex(Boolean)] + '.';
  if (named.length > 1) named[0] = named[0].replace(' ', ' of them ');
  return 'In B' + (isMean ? ', on average of its ' + planes.length + ' ' + unit + ', about' : '') + ' ' + listed(named) + '.';
}

/**
 * The slots that stand for several tokens.
 * @param {Side} side
 * @param {ReturnType<typeof planesOf>[number]} plane
 * @param {number} step
 */
function sharedSlots(side, plane, step) {
  const [seen, shared] = [new Set(), new Set()];
  for (let token = 0; token < side.tokens + Math.min(step, side.known); token++) {
    const at = holder(side, plane, token, step);
    (seen.has(at) ? shared : seen).add(at);
  }
  return shared;
}

/**
 * What one patch or many are: in slots of their own, in those that stand for others, too, gone; `others` are how many other patches are in
 * the same slot, of each that shares one.
 * @param {number[]} others
 * @param {boolean} remembers - whether what has no slot has a part in a memory
 */
function fateTexts(others, remembers) {
  const middle = others.sort((x, y) => x - y)[Math.floor(others.length / 2)];
  const beside = !middle ? 'one another or with words' : middle === 1 ? 'one other patch' : 'some ' + middle + ' other patches';
  return [
    ['has a memory slot of its own', 'shares a memory slot with ' + (middle ? beside : 'words'), remembers ? 'has no slot, only a part in the memory' : 'is gone'],
    ['have memory slots of their own', 'share memory slots with ' + beside, remembers ? 'have no slot, only a part in the memory' : 'are gone'],
  ];
}

/**
 * @param {number} count
 * @param {number} all
 */
function amongText(count, all) {
  if (count < all) return inWords(count);
  return all === 1 ? 'it' : (all === 2 ? 'both' : 'all ' + inWords(all)) + ' of them';
}

/** @param {string[]} parts */
const listed = (parts) => [parts.slice(0, -1).join(', '), parts[parts.length - 1]].filter(Boolean).join(' and ');

/**
 * Whole numbers of the same sum, each as near to its part as can be.
 * @param {number[]} parts
 * @param {number} sum
 */
export function wholeParts(parts, sum) {
  const whole = parts.map(Math.floor);
  const byRest = [...parts.keys()].sort((i, j) => (parts[j] - whole[j]) - (parts[i] - whole[i]) || i - j);
  byRest.slice(0, sum - whole.reduce((total, value) => total + value, 0)).forEach((i) => { whole[i]++; });
  return whole;
}

/**
 * Where most slots of a compressed side are text's: "B holds 4 of 256 patches: 61 of its 65 slots are text’s."
 * @param {Side} side
 */
function budgetSentence(side) {
  if (!side.chooses || !side.patches.length || side.erasure) return ''; // what was erased was eaten by nobody
  const planes = planesOf(side, 0, 0);
  const written = [...Array(side.tokens + side.known).keys()].filter((token) => !neverStored(side, token - side.tokens));
  const isPatch = (/** @type {number} */ token) => token < side.tokens && side.is_image[token];
  const held = planes.flatMap((plane) => written.filter((token) => holder(side, plane, token, side.known) === token));
  const patches = held.filter(isPatch).length / planes.length;
  const slots = held.length / planes.length;
  if (patches > slots / 2 || patches / side.patches.length >= side.keep) return '';
  const isMean = !Number.isInteger(patches) || !Number.isInteger(slots);
  const [ofPicture, ofText] = [Math.round(patches), Math.round(slots - patches)];
  return side.letter.toUpperCase() + ' holds ' + (isMean ? 'about ' : '') + ofPicture + ' of ' + side.patches.length + ' patches: text has '
    + ofText + ' of its ' + (ofPicture + ofText) + ' slots.';
}

const NUMBERS = ['none', 'one', 'two', 'three', 'four', 'five', 'six', 'seven', 'eight', 'nine', 'ten', 'eleven', 'twelve'];
const inWords = (/** @type {number} */ number) => NUMBERS[number] ?? String(number);
