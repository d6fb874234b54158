// Answers: the two texts with their differing words, and the chips under them.

import { alignPieces, answerWords, firstDifference, linkTokens } from '../core/answers.js';
import { bytesAfter } from '../core/charts.js';
import { bytesText, shortNumber } from '../core/numbers.js';
import { bytesReadAt } from '../core/reading.js';
import { differing } from '../core/words.js';
import { ofSide, setText, tag } from './dom.js';
import { isDue, newGrowth, noteEnd } from './sight.js';
import { state, stepOn } from './state.js';
import { termNode } from './terms.js';

export function drawAnswers() {
  const [a, b] = state.sides;
  const marks = b ? differing(a, b) : [[]];
  state.differs = b ? firstDifference(a, b) : null;
  state.sides.forEach((side, number) => {
    const answer = ofSide('.tv-answer', side);
    const shown = [side.answer, marks[number].join(), state.differs, side.known].join('\n');
    const isShown = side.shown === shown || showAnswer(answer.querySelector('.tv-text'), side, marks[number], state.differs);
    if (isShown) side.shown = shown;
    answer.dataset.finish = side.finish;
    fillChips(answer.querySelector('.tv-chips'), chipsOf(side, a));
  });
}

/**
 * An answer as words that can be pointed at, the differing ones marked. An answer grows: what stands is left standing.
 * Whether it was written: what comes after the words that stand may have to wait.
 * @param {HTMLElement} box
 * @param {Side} side
 * @param {boolean[]} marks
 * @param {number | null} differs
 */
function showAnswer(box, side, marks, differs) {
  const spans = alignPieces(side.answer_pieces.slice(0, side.known), side.answer);
  const words = answerWords(side.answer, marks, differs === null ? undefined : spans[differs]);
  const standing = side.words ??= [];
  const names = /** @type {const} */ (['bare', 'blank', 'look']);
  const isSame = (/** @type {Word} */ word, /** @type {number} */ i) => names.every((name) => standing[i]?.[name] === word[name]);
  const changed = words.findIndex((word, i) => !isSame(word, i));
  const stays = changed < 0 ? words.length : changed;
  const growth = side.textGrowth ??= newGrowth('answers');
  // The last word that stands may have been half a word.
  if (stays >= standing.length - 1 && !isDue(growth)) return false;
  standing.splice(stays).forEach(({ node, tail }) => { node.remove(); tail.remove(); });
  for (const word of words.slice(stays)) {
    const shown = { ...word, numbers: [], node: wordNode(word, standing.length), tail: document.createTextNode(word.blank) };
    standing.push(shown);
    box.append(shown.node, shown.tail);
  }
  linkTokens(standing, spans);
  noteEnd(growth, standing.at(-1)?.node);
  return true;
}

/**
 * @param {Word} word
 * @param {number} number
 */
function wordNode({ bare, look }, number) {
  const node = document.createElement(look ? 'mark' : 'span');
  node.className = 'tv-word';
  node.textContent = bare;
  node.dataset.word = String(number);
  if (look) markWord(node, look === 'first');
  return node;
}

/**
 * @param {HTMLElement} node
 * @param {boolean} isFirst
 */
function markWord(node, isFirst) {
  node.classList.add('tv-differs');
  if (isFirst) node.classList.add('tv-first');
  node.title = isFirst ? 'differs: the first word that does' : 'differs';
  node.setAttribute('aria-description', 'differs');
}

/**
 * Words still to come at the shown step are pale, the one that was just written is underlined.
 * @param {Side} side
 */
export function drawWords(side) {
  const step = stepOn(side);
  const isReplay = step < side.steps;
  side.words?.forEach((word) => {
    const { node, numbers } = word;
    if (!numbers.length) return;
    const isComing = isReplay && numbers[0] >= step;
    const isCurrent = isReplay && numbers.includes(step - 1);
    if (isComing !== Boolean(word.isComing)) node.classList.toggle('tv-coming', isComing);
    if (isCurrent !== Boolean(word.isCurrent)) node.classList.toggle('tv-current', isCurrent);
    Object.assign(word, { isComing, isCurrent });
  });
}

/**
 * @param {Side} side
 * @param {Side} first
 */
function chipsOf(side, first) {
  const mean = (/** @type {number[]} */ list) => list.reduce((sum, value) => sum + value, 0) / list.length;
  const bytes = side.opened ? bytesAfter(side, side.steps) : NaN;
  const saved = side !== first && side.opened ? 1 - bytes / bytesAfter(first, first.steps) : NaN;
  const read = bytesReadAt(side, side.steps);
  const slots = side.steps ? side.slots[side.steps - 1] : side.prompt_slots;
  /** @type {AnswerChip[]} */
  const chips = [
    { name: 'bytes', term: 'memory', label: 'memory', value: Number.isFinite(bytes) ? bytesText(bytes) : '–' },
    { name: 'saved', term: 'saved', label: saved < 0 ? 'more' : 'saved', value: Number.isFinite(saved) ? Math.round(Math.abs(saved) * 100) + ' %' : null },
    { name: 'read', term: 'read', label: 'read per word', value: Number.isFinite(read) ? bytesText(read) : null },
    { name: 'slots', term: 'slots', from: 2, label: 'slots held', value: slots ? shortNumber(mean(slots)) : '–' },
    { name: 'tokens', term: 'tokens', from: 2, label: side.steps === 1 ? 'token' : 'tokens', value: String(side.steps) },
    { name: 'ms', term: 'ms', from: 3, label: 'per token', value: side.milliseconds_per_token === null ? '–' : shortNumber(side.milliseconds_per_token) + ' ms' },
    { name: 'prefill', term: 'prefill', from: 3, label: 'prefill', value: side.opened ? shortNumber(side.prefill_seconds * 1000) + ' ms' : '–' },
    {
      name: 'merging', term: 'compressing', from: 3, label: side.merges ? 'merging' : 'choosing',
      value: side.opened && (side.is_compressed || side.chooses) ? shortNumber(side.compress_seconds * 1000) + ' ms' : null,
    },
  ];
  return chips.filter(({ value }) => value !== null);
}

/**
 * @param {any} list
 * @param {AnswerChip[]} chips
 */
function fillChips(list, chips) {
  chips.forEach(({ name, term, from, label, value }, i) => {
    let chip = list.children[i];
    if (!chip || chip.dataset.name !== name) {
      chip = tag('div', 'tv-chip', tag('dt', '', termNode(term, label)), tag('dd'));
      chip.dataset.name = name;
      if (from) chip.dataset.from = String(from);
      list.insertBefore(chip, list.children[i] ?? null);
    }
    setText(chip.firstChild.firstChild, label);
    setText(chip.lastChild, value ?? '');
  });
  while (list.children.length > chips.length) list.lastChild.remove();
}
