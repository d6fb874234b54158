// Start: the lesson opens once its value is here; keys and the page's address lead through it.

import { frame } from '../frame.js';
import { readPresenting } from '../view/address.js';
import { setText, tag } from '../view/dom.js';
import '../view/main.js';
import { onFrame, state } from '../view/state.js';
import { goTo, isFree } from '../view/time.js';
import { lessonRoot, part } from './dom.js';
import { drawSheet } from './handout.js';
import { askedStep, lessonAddress, readProgress, visit, writeAddress, wrongOfLesson } from './progress.js';
import { showPair } from './sides.js';
import { lesson, stepNow } from './state.js';
import { explore, followView, goToStep, proceed, revealAnswer } from './steps.js';
import { openGlossary, textNodes, wordsOf } from './texts.js';

function openLesson() {
  const value = frame.props.value ? JSON.parse(frame.props.value) : null;
  if (!value || lesson.value) return;
  lesson.value = value;
  part('waiting').hidden = true;
  fillWords();
  lesson.presenting = readPresenting();
  if (!lesson.presenting) Object.assign(lesson, readProgress());
  part('wrong').replaceChildren(...wrongOfLesson().map((sentence) => tag('li', '', sentence)));
  lesson.step = askedStep() ?? Math.min(Math.max(1, lesson.step), value.steps.length);
  showPair(value.steps[0].look.side);
  if (lessonAddress().get('handout') === '1') return whenPainted(drawSheet);
  part('page').hidden = false;
  lessonRoot.classList.toggle('ls-present', lesson.presenting);
  goToStep(lesson.step);
  part('text').focus({ preventScroll: true });
}

/**
 * Small pictures show the picture itself: they wait for it.
 * @param {() => void} draw
 */
function whenPainted(draw) {
  const [picture] = state.pictures;
  if (!picture || picture.complete) return draw();
  picture.addEventListener('load', draw, { once: true });
}

function fillWords() {
  setText(part('title'), lesson.value.title);
  part('about').replaceChildren(...textNodes(lesson.value.about));
  setText(part('go'), wordsOf('show'));
  setText(part('back'), wordsOf('back'));
  setText(part('next'), wordsOf('next'));
  setText(part('keys'), wordsOf('keys'));
  part('go').addEventListener('click', proceed);
  part('back').addEventListener('click', () => goToStep(lesson.step - 1));
  part('next').addEventListener('click', () => goToStep(lesson.step + 1));
}

// ---- keys

/** @type {Record<string, (() => void) | undefined>} */
const LESSON_KEYS = {
  ArrowRight: () => goToStep(lesson.step + 1),
  ArrowLeft: () => goToStep(lesson.step - 1),
  PageDown: () => proceed(), // with PageUp, the keys of a presenter's remote control
  PageUp: () => goToStep(lesson.step - 1),
  ArrowDown: () => nudge(1),
  ArrowUp: () => nudge(-1),
  ' ': proceed,
  r: revealAnswer,
  g: () => openGlossary(''),
  Escape: () => { if (lesson.presenting) visit({ lesson: String(lesson.step) }); },
};

/**
 * The lesson's before the view's; while somebody explores, the view's alone.
 * @param {KeyboardEvent} event
 */
function onLessonKey(event) {
  const isHere = event.target === document.body || lessonRoot.contains(/** @type {Node | null} */ (event.target));
  if (!isHere || !lessonRoot.offsetParent || !lesson.value || part('page').hidden) return;
  if (part('dialog').open) return onDialogKey(event);
  if (lesson.free) {
    if (event.key === 'Escape' && !state.locked) explore(false);
    return;
  }
  const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
  const option = /^[1-4]$/.test(key) ? part('question').querySelector('[data-option="' + (Number(key) - 1) + '"]') : null;
  const action = option ? () => option.click() : LESSON_KEYS[key];
  if (!action || !isOurs(event, key)) return;
  event.preventDefault();
  event.stopPropagation();
  action();
}

/**
 * In front of a class every key is the lesson's, whatever was clicked before, but for those that move a slider.
 * @param {KeyboardEvent} event
 * @param {string} key
 */
function isOurs(event, key) {
  if (event.altKey || event.ctrlKey || event.metaKey) return false;
  const target = /** @type {Element} */ (event.target);
  const isMoving = key === 'ArrowUp' || key === 'ArrowDown';
  // Elsewhere these scroll the page.
  if (isMoving && !lesson.presenting) return false;
  if (lesson.presenting) return !target.closest(isMoving ? 'input, select, [role="slider"]' : 'select');
  return isFree(event) && !(key === ' ' && target.closest('button, summary, a'));
}

/** @param {KeyboardEvent} event */
function onDialogKey(event) {
  const dialog = part('dialog');
  const by = /** @type {Record<string, number | undefined>} */ ({ ArrowDown: 60, ArrowUp: -60 })[event.key];
  if (event.key.toLowerCase() === 'g') dialog.close();
  else if (by) dialog.scrollBy(0, by);
  else return;
  event.preventDefault();
}

/**
 * What the step lets one change: a line's end, time, a side, a layer.
 * @param {number} by
 */
function nudge(by) {
  if (lesson.phase !== 'act') return;
  const handle = part('line').querySelector('[role="slider"]');
  const choices = /** @type {HTMLElement[]} */ ([...lessonRoot.querySelectorAll('.ls-switch, .ls-one')]);
  const next = choices[choices.findIndex((each) => each.getAttribute('aria-pressed') === 'true') + by];
  if (handle) {
    handle.focus();
    handle.dispatchEvent(new KeyboardEvent('keydown', { key: by > 0 ? 'ArrowDown' : 'ArrowUp', bubbles: true }));
  } else if (choices.length) next?.click();
  else if (stepNow().look.parts.includes('time')) goTo(state.step + by);
}

/**
 * A button that was pressed with the mouse gives the keys back to the lesson.
 * @param {MouseEvent} event
 */
function onLessonClick(event) {
  const target = /** @type {Element} */ (event.target);
  if (target.closest('.ls-see')) return;
  if (event.detail && target.closest('.ls-text, .ls-ask, .ls-dots, .ls-switches, .ls-many')?.contains(document.activeElement)) {
    part('text').focus({ preventScroll: true });
  }
}

/** What the reader has picked on the picture, for whoever asks from beside the lesson. */
function inspectPicks() {
  const { drawn } = lesson;
  return drawn && 'picks' in drawn ? { picks: drawn.picks(), fates: drawn.fates() } : { picks: [], fates: null };
}

Object.assign(lessonRoot, { lesson: { inspect: inspectPicks } });
document.addEventListener('keydown', onLessonKey, true);
lessonRoot.addEventListener('click', onLessonClick);
// Another tab of the page hides the lesson: then the address names it no longer, and the page's inputs come back.
new ResizeObserver(() => {
  const isShown = lessonRoot.isConnected && lessonRoot.offsetParent !== null;
  document.body.classList.toggle('in-lesson', isShown);
  if (!lessonRoot.isConnected) document.removeEventListener('keydown', onLessonKey, true);
  else if (lesson.value && !part('page').hidden) writeAddress(isShown);
}).observe(lessonRoot);
onFrame(followView);
frame.watch('value', openLesson);
openLesson();
