// Asks: what a step asks the reader to do, and what it says then. The answer itself may be kept back until it is revealed.

import { readMode } from '../core/address.js';
import { bytesText, shortNumber } from '../core/numbers.js';
import { cellOf } from '../core/views.js';
import { find, setText, tag } from '../view/dom.js';
import { hoverOn } from '../view/pointer.js';
import { choose, lastStep, state } from '../view/state.js';
import { goTo, play } from '../view/time.js';
import { part, press } from './dom.js';
import { buildLine } from './line.js';
import { buildPicks } from './picks.js';
import { ownersOf } from './sides.js';
import { answerNow, isAnswered, lesson, stepNow } from './state.js';
import { textNodes, wordsOf } from './texts.js';

/**
 * `answer` takes what the reader did.
 * @type {Record<LessonAsk['kind'], AskKind>}
 */
export const ASKS = {
  point: {
    goesOn: true, // another patch, another reply
    follow: (answer) => {
      // Held by a click: a mouse that passes over the picture has not pointed at anything.
      const patch = state.locked ? state.hover?.patch : undefined;
      if (state.hover && patch !== undefined) answer({ patch, number: state.sides[state.hover.side].patches[patch] + 1 });
    },
    slots: (/** @type {{ patch: number, number: number }} */ { patch, number }) => ({ place: placeWords(patch), number }),
    restore: (/** @type {{ patch: number }} */ { patch }) => hoverOn({ side: 0, patch }, true),
    unasked: (answer) => {
      hoverOn({ side: 0, patch: 0 }, true);
      answer({ patch: 0, number: state.sides[0].patches[0] + 1 });
    },
  },
  line: {
    draw: drawLineAsk,
    slots: (/** @type {{ guess: number | null }} */ { guess }, /** @type {LineAsk} */ { total }) => (
      { guess: bytesText(guess ?? 0), measured: bytesText(total), distance: distanceWords(guess ?? 0, total) }
    ),
    unasked: (answer) => answer({ guess: null }),
  },
  pick: {
    draw: drawPickAsk,
    slots: pickSlots,
    unasked: (answer) => answer({ picks: [] }),
  },
  reach: {
    follow: followTime,
    slots: () => ({}),
    restore: () => goTo(reachStep()),
    unasked: (answer) => { play(false); goTo(reachStep()); answer({ reached: true }); },
  },
  choose: {
    draw: drawChoices,
    unasked: (answer) => answer({ choice: null }),
  },
};

// ---- drawing

/**
 * `does` is what can be done from here: answer, tryAgain, explore.
 * @param {AskDoes} does
 */
export function drawAsk(does) {
  const { ask } = stepNow();
  const isOpen = lesson.phase === 'act' && !lesson.free;
  part('question').replaceChildren(...(isOpen ? [tag('p', 'ls-asks', ...textNodes(ask.text))] : []));
  if (isOpen && ASKS[ask.kind].draw) part('question').append(...[ASKS[ask.kind].draw?.(ask, does.answer)].filter(Boolean));
  drawReply(ask, isOpen, does);
  drawBoxes(isOpen);
}

/**
 * @param {LessonAsk} ask
 * @param {boolean} isOpen
 * @param {AskDoes} does
 */
export function drawReply(ask, isOpen, { tryAgain, explore }) {
  const box = part('reply');
  const given = answerNow();
  if (!isOpen || given === undefined) return box.replaceChildren();
  if (!lesson.shown) return box.replaceChildren(tag('p', 'ls-hidden', wordsOf('reveal_key')));
  const again = ASKS[ask.kind].restore ? [] : [press('ls-term ls-again', wordsOf('again'), tryAgain)];
  box.replaceChildren(tag('div', 'ls-said', tag('p', '', ...replyNodes(ask, given)), ...again));
  if (lesson.step === lesson.value.steps.length) box.append(tag('p', 'ls-done-all', wordsOf('done')), press('ls-main ls-explore-last', wordsOf('explore'), () => explore(true)));
}

/**
 * @param {LessonAsk} ask
 * @param {LessonAnswer} given
 */
function replyNodes(ask, given) {
  if (ask.unasked && (given.guess === null || given.picks?.length === 0)) return textNodes(ask.unasked, ASKS[ask.kind].slots?.(given, ask));
  if (ask.kind !== 'choose') return textNodes(ask.reply, ASKS[ask.kind].slots?.(given, ask));
  // Nobody has chosen: what is right is said, and nobody was right.
  const rightOne = /** @type {ChooseAsk['options'][0]} */ (ask.options.find((option) => option.right));
  const { right, reply, text } = ask.options[given.choice ?? -1] ?? rightOne;
  const verdict = given.choice === null ? tag('b', '', text + '.') : tag('b', right ? 'ls-yes' : 'ls-no', wordsOf(right ? 'right' : 'wrong'));
  return [verdict, ' ', ...textNodes(reply)];
}

/** @param {boolean} isOpen */
function drawBoxes(isOpen) {
  const boxes = isOpen && isAnswered() ? stepNow().boxes : [];
  part('boxes').replaceChildren(...boxes.map(boxOf));
}

/** @param {LessonBox} box */
function boxOf({ title, text, hide_sinks: hidesSinks, bars }) {
  const aside = tag('aside', 'ls-box', tag('h4', '', title), tag('p', '', ...textNodes(text)));
  if (hidesSinks) aside.append(sinkSwitch());
  if (bars.length) aside.append(barsOf(bars));
  return aside;
}

/** @param {LessonBox['bars']} bars */
function barsOf(bars) {
  return tag('dl', 'ls-bars', ...bars.flatMap(({ text, value }) => {
    const bar = tag('dd', '', tag('i', 'ls-bar'), tag('span', '', value));
    const filled = /** @type {HTMLElement} */ (bar.firstChild);
    filled.style.width = parseFloat(value) * 0.75 + '%';
    return [tag('dt', '', text), bar];
  }));
}

function sinkSwitch() {
  const input = Object.assign(document.createElement('input'), { type: 'checkbox', checked: state.hideSinks });
  input.addEventListener('change', () => choose({ hideSinks: input.checked }, 'patches', 'chart'));
  return tag('label', 'ls-switch-sinks', input, ' ' + wordsOf('hide_sinks'));
}

// ---- choices

/**
 * @param {ChooseAsk} ask
 * @param {AskDoes['answer']} answer
 */
function drawChoices({ options }, answer) {
  const given = answerNow();
  const buttons = options.map((option, i) => {
    const button = press('ls-option', option.text, () => answer({ choice: i }));
    Object.assign(button.dataset, { option: i, number: i + 1 });
    button.setAttribute('aria-pressed', String(given?.choice === i));
    if (isAnswered() && (option.right || given?.choice === i)) button.classList.add(option.right ? 'ls-is-right' : 'ls-is-wrong');
    return button;
  });
  return tag('div', 'ls-options', ...buttons);
}

// ---- a line drawn by the reader

/**
 * @param {LineAsk} ask
 * @param {AskDoes['answer']} answer
 */
function drawLineAsk(ask, answer) {
  const drawn = /** @type {DrawnLine} */ (lesson.drawn ??= buildLine(part('line'), {
    tokens: ask.tokens, perToken: ask.perToken, total: ask.total,
    texts: lineTexts(),
  }, () => { const button = part('reveal'); if (button) button.disabled = false; }));
  const given = answerNow();
  if (given !== undefined) drawn.set(given.guess ?? null);
  drawn.reveal(isAnswered());
  if (given !== undefined) return null;
  const button = press('ls-main ls-reveal', wordsOf('reveal'), () => answer({ guess: drawn.guess() }));
  button.disabled = drawn.guess() === null;
  return button;
}

export function lineTexts() {
  return Object.fromEntries(['axis', 'start', 'yours', 'measured', 'handle'].map((name) => [name, wordsOf('line_' + name)]));
}

/**
 * How far a guess is from what was measured: too little, too much, or right within some percent.
 * @param {number} guess
 * @param {number} total
 */
function distanceWords(guess, total) {
  const factor = total / Math.max(guess, total / 1000);
  if (Math.abs(factor - 1) < 0.15) return wordsOf('exact', { percent: Math.round(Math.abs(factor - 1) * 100) + ' %' });
  return factor > 1 ? wordsOf('more', { factor: shortNumber(factor) }) : wordsOf('less', { factor: shortNumber(1 / factor) });
}

// ---- patches picked by the reader

/**
 * @param {PickAsk} ask
 * @param {AskDoes['answer']} answer
 */
function drawPickAsk(ask, answer) {
  const canvas = find('.tv-patches[data-side="b"]');
  const drawn = /** @type {DrawnPicks} */ (
    lesson.drawn ??= buildPicks(canvas, ask.count, (picks) => countPicks(part('reveal'), picks, ask.count))
  );
  const given = answerNow();
  if (given !== undefined) drawn.set(given.picks ?? []);
  if (isAnswered()) {
    choose({ ...readMode(ask.mode), blind: false }, 'patches');
    drawn.reveal({ anchors: anchorPatches(), ownerOf: ownersOf(state.sides[1]) });
  }
  if (given !== undefined) return null;
  const button = press('ls-main ls-reveal', wordsOf('reveal'), () => answer({ picks: drawn.picks() }));
  countPicks(button, drawn.picks(), ask.count);
  return button;
}

/**
 * @param {HTMLButtonElement | null} button
 * @param {number[]} picks
 * @param {number} count
 */
function countPicks(button, picks, count) {
  if (!button) return;
  button.disabled = picks.length < count;
  setText(button, wordsOf('reveal') + ' (' + picks.length + '/' + count + ')');
}

function anchorPatches() {
  const ownerOf = ownersOf(state.sides[1]);
  return new Set(state.sides[1].patches.map((_, patch) => patch).filter((patch) => ownerOf(patch) === patch));
}

/**
 * How many picks are anchors, how many a blind choice would hit, and how far the others are from theirs in the row.
 * @param {{ picks: number[] }} given
 */
function pickSlots({ picks }) {
  const anchors = anchorPatches();
  const ownerOf = ownersOf(state.sides[1]);
  const away = picks.map((patch) => [patch, ownerOf(patch) ?? -1]).filter(([patch, at]) => at !== patch && at >= 0)
    .map(([patch, at]) => Math.abs(patch - at));
  return {
    hits: picks.filter((patch) => anchors.has(patch)).length, count: picks.length,
    chance: shortNumber(picks.length * anchors.size / state.sides[1].patches.length),
    away: away.length ? wordsOf('away', { n: shortNumber(away.reduce((sum, value) => sum + value, 0) / away.length) }) : '',
  };
}

// ---- places in the picture and in time

/** @param {number} patch */
function placeWords(patch) {
  const { row, column } = cellOf(state.layout, patch);
  return wordsOf('place', { row: row + 1, column: column + 1 });
}

/**
 * An answer that plays stops there; who looks for the first time something happens has to find it.
 * @param {AskDoes['answer']} answer
 */
function followTime(answer) {
  const [step, until] = [reachStep(), stepNow().ask.until];
  if (until === 'given up' ? state.step === step : state.step >= step) {
    goTo(step);
    answer({ reached: true });
  } else if (state.step > step) setText(part('reply'), wordsOf('earlier'));
}

// The step that has to be reached: a token, or the first after which the compressed side gave something up.
function reachStep() {
  const { until } = /** @type {ReachAsk} */ (stepNow().ask);
  if (until !== 'given up') return until;
  const first = state.sides[1].dropped.findIndex((planesGiven) => planesGiven?.some((token) => token >= 0));
  return first < 0 ? lastStep() : first + 1;
}
