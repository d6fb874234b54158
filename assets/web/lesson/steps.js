// Steps: each puts the view into its state; its text comes first, then a pause, then a quick action, then a question.

import { readMode } from '../core/address.js';
import { patchScores } from '../core/gaze.js';
import { both, find, root, setText, tag } from '../view/dom.js';
import { light } from '../view/light.js';
import { hoverOn } from '../view/pointer.js';
import { askServer, canAsk } from '../view/requests.js';
import { download } from '../view/saving.js';
import { choose, state } from '../view/state.js';
import { play } from '../view/time.js';
import { ASKS, drawAsk, drawReply } from './asks.js';
import { lessonRoot, part, press } from './dom.js';
import { cutMotion, slideMotion } from './motion.js';
import { keepProgress, visit, writeAddress } from './progress.js';
import { drawKeys, drawMany, drawSwitches, ownersOf, showPair } from './sides.js';
import { answerNow, isAnswered, lesson, stepNow } from './state.js';
import { openCode, openGlossary, textNodes, wordsOf } from './texts.js';

const PARTS = ['answers', 'story', 'bar', 'layers', 'pictures', 'says', 'legend', 'show', 'when', 'time', 'memory', 'certainty', 'strips', 'strip-legend', 'extras'];

/** @param {number} number */
export function goToStep(number) {
  const to = Math.min(Math.max(1, number), lesson.value.steps.length);
  leaveStep();
  Object.assign(lesson, { step: to, free: false, phase: 'read', shown: false });
  if (answerNow() !== undefined) Object.assign(lesson, { phase: 'act', shown: !lesson.presenting });
  enterStep();
  keepProgress();
  writeAddress(true);
  if (part('text').getBoundingClientRect().top < 0) lessonRoot.scrollIntoView();
}

function leaveStep() {
  play(false);
  light('');
  lesson.stop();
  lesson.drawn?.stop?.();
  Object.assign(lesson, { stop: () => {}, drawn: null });
  part('line').replaceChildren();
}

function enterStep() {
  const { look, then } = stepNow();
  showPair(look.side);
  takeLook(look);
  if (lesson.phase === 'act') settle(then);
  drawStep();
  const given = answerNow();
  if (given && isAnswered()) {
    ASKS[stepNow().ask.kind].restore?.(given);
    pointOut();
  }
}

/**
 * The state of the view that a step begins with.
 * @param {LessonLook} look
 */
function takeLook({ mode, layer, t, size, unfold, parts }) {
  state.sides.forEach((side) => { side.unfolded = unfold; });
  choose({
    ...readMode(mode), layer, head: 0, step: t, follow: false, size, opacity: 0.6, speed: 0.5, hideSinks: false,
    hover: null, locked: false, level: 3, blind: lesson.phase === 'read' && parts.includes('pictures'),
  }, 'answers', 'patches', 'chart');
  showParts(parts);
}

/** @param {string[]} parts */
function showParts(parts) {
  const isOn = (/** @type {string} */ name) => lesson.free || parts.includes(name)
    || (name === 'when' && ['time', 'memory', 'certainty'].some((each) => parts.includes(each)));
  PARTS.forEach((name) => both('[data-part="' + name + '"]').forEach((node) => node.classList.toggle('ls-off', !isOn(name))));
  root.classList.toggle('ls-one-column', !isOn('when') || !isOn('pictures'));
  lessonRoot.dataset.parts = parts.join(' ');
}

/**
 * What the quick action leaves behind.
 * @param {LessonChange} then
 */
function settle({ mode, layer, t, unfold }) {
  if (unfold !== undefined) state.sides.forEach((side) => { side.unfolded = unfold; });
  const blind = stepNow().ask.kind === 'pick' && !isAnswered();
  const change = /** @type {Record<string, any>} */ ({ ...(mode ? readMode(mode) : {}), blind });
  if (layer !== undefined) change.layer = layer;
  if (t !== undefined) change.step = t;
  choose(change, 'patches', 'chart');
}

// ---- the pause is over

// Text, quick action, question, answer, next step. In front of a class an answer comes without anybody giving one.
export function proceed() {
  const { ask } = stepNow();
  if (lesson.phase === 'move') lesson.stop();
  else if (lesson.phase === 'read') act();
  else if (isAnswered()) { if (lesson.step < lesson.value.steps.length) goToStep(lesson.step + 1); }
  else if (ask.kind === 'reach' && Number.isInteger(ask.until) && answerNow() === undefined) play(!state.playing);
  else if (lesson.presenting) revealAnswer();
  else if (ask.kind === 'reach') play(!state.playing);
}

// The question comes once the movement is over: never both at once.
function act() {
  const { then } = stepNow();
  lesson.phase = 'move';
  drawStep();
  const canvas = find('.tv-patches[data-side="' + (state.size === 'b' ? 'b' : 'a') + '"]');
  const done = () => {
    Object.assign(lesson, { stop: () => {}, phase: 'act' });
    settle(then);
    drawStep();
    followView();
    if (lesson.presenting) return;
    part('ask').focus({ preventScroll: true });
    // Where there is one column, what happens is shown, with the question below it.
    if (part('stage').getBoundingClientRect().left < 60) part('stage').scrollIntoView();
  };
  const motion = then.motion && MOTIONS[then.motion];
  if (!motion) return done();
  const stop = motion(canvas, done);
  if (lesson.phase === 'move') lesson.stop = stop;
}

/** @type {Record<'cut' | 'slide', (canvas: HTMLCanvasElement, done: () => void) => () => void>} */
const MOTIONS = {
  cut: (canvas, done) => cutMotion(canvas, done),
  slide: (canvas, done) => slideMotion(canvas, ownersOf(state.sides[1]), done),
};

// ---- answers

const DOES = { answer, tryAgain, explore };

/**
 * What the reader did; said to be right or wrong now, or in front of a class when it is asked for.
 * @param {LessonAnswer} given
 */
function answer(given) {
  const isFirst = answerNow() === undefined;
  if (!isFirst && JSON.stringify(answerNow()) === JSON.stringify(given)) return;
  lesson.answers[lesson.step] = given;
  keepProgress();
  if (!isFirst) return drawReply(stepNow().ask, true, DOES);
  lesson.shown = !lesson.presenting;
  play(false);
  pointOut();
  drawStep();
  if (lesson.shown) part('reply').scrollIntoView({ block: 'nearest' });
}

// What the reply speaks of is shown with it.
function pointOut() {
  if (stepNow().ask.show !== 'brightest' || !lesson.shown) return;
  const { layer } = stepNow().look;
  choose({ layer }, 'patches', 'chart');
  const scores = patchScores(state.sides[0], layer);
  hoverOn({ side: 0, patch: scores.indexOf(Math.max(...scores)) }, true);
}

// In front of a class: what the step is about, whether or not somebody has answered.
export function revealAnswer() {
  if (lesson.phase === 'read') return act();
  if (lesson.phase === 'move') return lesson.stop();
  if (answerNow() === undefined) ASKS[stepNow().ask.kind].unasked(answer);
  lesson.shown = true;
  pointOut();
  drawStep();
}

function tryAgain() {
  delete lesson.answers[lesson.step];
  keepProgress();
  goToStep(lesson.step);
  act();
  if (lesson.phase === 'move') lesson.stop();
}

// Called once the quick action is over, and after every frame of the view.
export function followView() {
  if (!lesson.value || lesson.phase !== 'act' || lesson.free) return;
  const ask = ASKS[stepNow().ask.kind];
  if (answerNow() === undefined || ask.goesOn) ask.follow?.(answer);
}

// ---- exploring

/**
 * The whole view, as the step has left it; coming back puts it into the step's state again.
 * @param {boolean} isFree
 */
export function explore(isFree) {
  if (isFree === lesson.free) return;
  const now = lesson.step;
  if (!isFree) {
    goToStep(now);
    return part('text').focus({ preventScroll: true });
  }
  leaveStep();
  lesson.free = true;
  showParts([]);
  choose({ size: 'both', blind: false }, 'answers', 'patches', 'chart');
  drawStep();
  root.focus({ preventScroll: true });
}

// ---- drawing the card

function drawStep() {
  const { value, step, phase, free } = lesson;
  const { title, text } = stepNow();
  Object.assign(lessonRoot.dataset, { step, phase, free, answered: isAnswered() });
  setText(part('count'), wordsOf('step', { n: step, total: value.steps.length }));
  setText(part('heading'), title);
  part('says').replaceChildren(...textNodes(text));
  part('go').hidden = phase !== 'read';
  part('back').disabled = step === 1;
  part('next').hidden = step === value.steps.length;
  part('next').classList.toggle('ls-ready', isAnswered());
  drawDots();
  drawTools();
  drawReturn();
  drawKeys();
  drawSwitches();
  drawMany();
  drawAsk(DOES);
  drawLinks();
}

function drawDots() {
  part('dots').setAttribute('aria-label', wordsOf('steps'));
  part('dots').replaceChildren(...lesson.value.steps.map(({ title }, i) => {
    const dot = press('ls-dot', String(i + 1), () => goToStep(i + 1));
    dot.title = title;
    dot.setAttribute('aria-label', wordsOf('step', { n: i + 1, total: lesson.value.steps.length }) + ': ' + title);
    if (i + 1 === lesson.step) dot.setAttribute('aria-current', 'step');
    dot.classList.toggle('ls-done', lesson.answers[i + 1] !== undefined);
    return dot;
  }));
}

function drawReturn() {
  const box = part('return');
  box.hidden = !lesson.free;
  if (!lesson.free) return;
  const back = press('ls-main', '← ' + wordsOf('return'), () => explore(false));
  const link = lesson.value.ask && Object.assign(tag('a', 'ls-plain', wordsOf('ask_live')), { href: '?' + new URLSearchParams(lesson.value.ask) });
  box.replaceChildren(back, ...(link ? [link] : []));
}

function drawLinks() {
  const { code } = stepNow();
  const paper = Object.assign(tag('a', '', wordsOf('paper')), { href: lesson.value.paper, target: '_blank', rel: 'noopener' });
  part('links').replaceChildren(paper, ' · ', press('ls-term', wordsOf('code') + ': ' + code.file, () => openCode(code)));
}

function drawTools() {
  /** @type {HTMLElement[]} */
  const tools = [press('ls-plain', wordsOf('explore'), () => explore(true)), press('ls-plain', wordsOf('glossary'), () => openGlossary(''))];
  tools[0].classList.add('ls-explore');
  tools.push(press('ls-plain ls-wide', wordsOf('handout'), () => visit({ handout: '1' })));
  tools.push(press('ls-plain ls-wide', wordsOf('present'), () => visit({ lesson: String(lesson.step), present: '1' })));
  if (canAsk('save_lesson')) tools.push(press('ls-plain ls-wide ls-save', wordsOf('save'), saveLesson));
  if (lesson.value.languages.length > 1) tools.push(languageChoice());
  part('tools').replaceChildren(...tools);
}

function languageChoice() {
  const select = tag('select', 'ls-languages', ...lesson.value.languages.map(([code, name]) => new Option(name, code)));
  select.value = lesson.value.code;
  select.setAttribute('aria-label', wordsOf('language'));
  select.addEventListener('change', () => visit({ lesson: String(lesson.step), lang: select.value }));
  return select;
}

async function saveLesson() {
  const note = part('note');
  const answer = await askServer('save_lesson', lesson.value.code);
  if (!answer) return setText(note, wordsOf('failed'));
  download(new Blob([answer.text], { type: 'text/html' }), answer.name);
  setText(note, wordsOf('saved', { name: answer.name }));
}
