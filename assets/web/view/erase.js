// Erase: patches and words are marked, with the mouse, a finger or keys; the question is asked anew without them, and
// what became of the answer is shown beside the heat. What was asked stays what is looked at.

import { canErase, erasedCount, erasedText, judgedTokens } from '../core/erasing.js';
import { newSide, openSide, takeSteps } from '../core/messages.js';
import { percentText } from '../core/numbers.js';
import { cellsOf } from '../core/views.js';
import { differing, splitWords } from '../core/words.js';
import { frame } from '../frame.js';
import { both, find, root, setText, tag } from './dom.js';
import { patchAt } from './pointer.js';
import { canAsk } from './requests.js';
import { choose, isOpen, redraw, state } from './state.js';

const HOW = 'Brush over patches, or press words in the strips below. Keys: arrows move, E marks.';
const LATER = 'Erasing is for a conversation’s first question: look at that turn, or ask this one first in a new conversation.';
const OTHERS = 'Ask this yourself, then what the model saw can be erased, to see whether it mattered.';
const REUSED = 'B has not read this picture: ask with Reuse the picture off, then parts of it can be erased.';
const PLAIN = 'Brighter is not more important: erase it, and see.';

/** @type {{ isOn: boolean, marked: Set<number>, adds: boolean | null, beside: Beside | null }} */
const erasing = { isOn: false, marked: new Set(), adds: null, beside: null };

/** Whether something can be erased of what is looked at: the first turn of what this visitor asked, once it is over. */
const isFirst = () => state.done && Boolean(state.turns[0]?.run) && state.turns[0].run === state.run;
const canAskAgain = () => canAsk('fetch_steps') && Boolean(document.querySelector('#ask'));
/** Sides without some tokens: of the run that is looked at, or of the one beside it. */
const erasedSides = () => (state.sides[0]?.erasure ? state.sides : erasing.beside?.base === state.run ? erasing.beside.sides : null);

/**
 * A run that is shown beside the one that is looked at.
 * @param {Message} value
 */
export function takeBeside(value) {
  const sides = value.sides.map((_, number) => newSide(number));
  value.opening?.sides.forEach((given, number) => openSide(sides[number], given));
  value.sides.forEach((given, number) => takeSteps(sides[number], given, value.since));
  Object.assign(erasing, { beside: { run: value.run, base: value.beside, sides } });
  redraw('patches');
}

/** Another run is looked at: what was marked belonged to this one. */
export function forgetErasing() {
  Object.assign(erasing, { isOn: false, marked: new Set(), adds: null });
}

// ---- what is drawn

export function drawErase() {
  const box = find('.tv-erase');
  const sides = erasedSides();
  box.hidden = !isOpen() || (!sides && (!canAskAgain() || !state.done));
  root.classList.toggle('tv-erasing', erasing.isOn);
  drawMarks();
  if (box.hidden) return;
  const isReused = state.sides.some((side) => side.reuse);
  const first = isFirst() && !isReused;
  find('.tv-erase-begin').hidden = !first;
  find('.tv-erase-begin').setAttribute('aria-pressed', String(erasing.isOn));
  setText(find('.tv-erase-why'), first ? PLAIN : isReused ? REUSED : state.sides[0].erasure ? '' : state.turns[0]?.run ? LATER : OTHERS);
  find('.tv-erase-marking').hidden = !erasing.isOn;
  const marked = erasedCount(state.sides[0], erasing.marked);
  setText(find('.tv-erase-says'), marked ? marked + ' marked.' : HOW);
  find('.tv-erase-ask').disabled = !marked;
  find('.tv-erase-none').disabled = !marked;
  drawResult(sides);
}

/** Over the pictures, what is marked or was erased; in the strips likewise. */
function drawMarks() {
  const shown = new Set([...erasing.marked, ...state.sides[0]?.erasure?.tokens ?? []]);
  both('.tv-patches').forEach((canvas, number) => {
    const side = state.sides[number];
    if (!shown.size && !canvas.parentElement.querySelector('.tv-erase-over')) return;
    const over = overlayOf(canvas);
    if (!shown.size) over.remove();
    if (!side?.opened) return;
    const { width, height, offsetLeft, offsetTop, offsetWidth } = canvas;
    const key = [[...shown], width, height, offsetLeft, offsetTop, offsetWidth, side.boxes.length, side.unfolded, state.run].join();
    if (over.dataset.key === key) return;
    Object.assign(over, { width, height });
    over.dataset.key = key;
    Object.assign(over.style, {
      left: canvas.offsetLeft + 'px', top: canvas.offsetTop + 'px', width: canvas.offsetWidth + 'px', height: canvas.offsetHeight + 'px',
    });
    const cells = cellsOf(over, state.layout);
    side.patches.forEach((token, patch) => { if (shown.has(token)) cross(over, cells(patch)); });
    side.boxes.forEach((box, token) => {
      const isMarked = token < side.tokens && shown.has(token);
      if (box.classList.contains('tv-erased') !== isMarked) box.classList.toggle('tv-erased', isMarked);
    });
  });
}

/**
 * @param {HTMLCanvasElement} canvas
 * @returns {HTMLCanvasElement}
 */
function overlayOf(canvas) {
  const frameBox = /** @type {HTMLElement} */ (canvas.parentElement);
  const known = /** @type {HTMLCanvasElement | null} */ (frameBox.querySelector('.tv-erase-over'));
  if (known) return known;
  const over = tag('canvas', 'tv-erase-over');
  over.setAttribute('aria-hidden', 'true');
  frameBox.append(over);
  return over;
}

/**
 * @param {HTMLCanvasElement} canvas
 * @param {Box} box
 */
function cross(canvas, [x, y, width, height]) {
  const context = /** @type {CanvasRenderingContext2D} */ (canvas.getContext('2d'));
  context.fillStyle = 'rgba(255, 255, 255, 0.94)';
  context.fillRect(x, y, width, height);
  context.strokeStyle = '#3f3f46';
  context.lineWidth = Math.max(1, width / 12);
  context.beginPath();
  context.moveTo(x + width * 0.25, y + height * 0.25);
  context.lineTo(x + width * 0.75, y + height * 0.75);
  context.moveTo(x + width * 0.75, y + height * 0.25);
  context.lineTo(x + width * 0.25, y + height * 0.75);
  context.stroke();
}

/** @param {Side[] | null} sides */
function drawResult(sides) {
  const box = find('.tv-erase-result');
  box.hidden = !sides;
  const isLooked = sides === state.sides;
  find('.tv-erase-tower').hidden = !sides?.[0].erasure?.tokens.some((token) => sides[0].is_image[token]);
  find('.tv-erase-look').hidden = isLooked || !canAsk('fetch_steps');
  find('.tv-erase-back').hidden = !isLooked || erasing.beside?.run !== state.run;
  const key = sides ? JSON.stringify(sides.map((side) => [side.erasure, side.answer])) : '';
  if (box.dataset.key === key) return;
  box.dataset.key = key;
  setText(find('.tv-erase-head'), sides ? 'Without ' + erasedCount(sides[0], sides[0].erasure?.tokens ?? []) : '');
  find('.tv-erase-sides').replaceChildren(...(sides ?? []).map(resultOf));
}

/** @param {Side} side */
function resultOf(side) {
  const erasure = /** @type {Erasure} */ (side.erasure);
  const [marks] = differing({ answer: side.answer, finish: 'end' }, { answer: erasure.answer, finish: 'end' });
  const words = splitWords(side.answer).flatMap((word, number) => (
    marks[number] ? [tag('mark', 'tv-differs', word.trimEnd()), word.slice(word.trimEnd().length)] : [word]
  ));
  const node = tag(
    'div', 'tv-erase-side', tag('b', 'tv-letter', side.letter.toUpperCase()),
    line('with all of it', erasure.answer), line('without', ...words), tag('p', 'tv-erase-text', erasedText(side)),
    tag('p', 'tv-erase-tokens', ...judgedTokens(erasure).map(tokenOf)),
  );
  node.dataset.side = side.letter;
  return node;
}

/**
 * @param {string} when
 * @param {...(string | Node)} words
 */
function line(when, ...words) {
  return Object.assign(tag('p', 'tv-erase-line', tag('span', 'tv-erase-when', when), ' ', tag('span', '', ...words)), { dir: 'auto' });
}

/** @param {ReturnType<typeof judgedTokens>[number]} token */
function tokenOf({ piece, was, is, isNoticed }) {
  const change = percentText(was) + ' → ' + percentText(is);
  const node = tag('span', isNoticed ? 'tv-judged tv-noticed' : 'tv-judged', tag('bdi', '', piece), ...(isNoticed ? [tag('small', '', change)] : []));
  node.title = change;
  return node;
}

// ---- what is done

/** @param {number | undefined} token */
function mark(token) {
  if (token === undefined || !canErase(state.sides[0], token)) return;
  erasing.adds ??= !erasing.marked.has(token);
  if (erasing.adds) erasing.marked.add(token);
  else erasing.marked.delete(token);
  redraw('patches');
}

/** One stroke of the brush marks, or takes marks away, whichever its first patch says. @param {number | undefined} token */
function toggle(token) {
  erasing.adds = null;
  mark(token);
  erasing.adds = null;
}

/** @param {PointerEvent | MouseEvent} event */
function patchUnder(event) {
  const canvas = /** @type {HTMLElement} */ (event.target).closest?.('.tv-patches');
  const patch = canvas ? patchAt(/** @type {HTMLCanvasElement} */ (canvas), event) : null;
  return patch === null ? undefined : state.sides[0].patches[patch];
}

/** @param {Event} event */
function tokenUnder(event) {
  const token = /** @type {HTMLElement} */ (event.target).closest?.('.tv-strip [data-token]')?.getAttribute('data-token');
  return token === null || token === undefined ? undefined : Number(token);
}

/** @param {PointerEvent} event */
function brush(event) {
  const token = patchUnder(event);
  if (event.type === 'pointerdown' && token !== undefined) {
    erasing.adds = null;
    mark(token);
    event.preventDefault();
  } else if (event.type === 'pointermove' && event.buttons && erasing.adds !== null) mark(token);
  else if (event.type === 'pointerup') erasing.adds = null;
  if (token !== undefined && event.type !== 'pointermove') event.stopPropagation();
}

/** @param {MouseEvent} event */
function pressMark(event) {
  const token = tokenUnder(event);
  if (token !== undefined) toggle(token);
  if (token !== undefined || patchUnder(event) !== undefined) event.stopPropagation();
}

/** @param {KeyboardEvent} event */
function onEraseKey(event) {
  const isField = /** @type {HTMLElement} */ (event.target).matches('input, select, textarea');
  if (isField || event.key.toLowerCase() !== 'e' || event.ctrlKey || event.metaKey || event.altKey) return;
  const { hover } = state;
  toggle(tokenUnder(event) ?? (hover?.patch === undefined ? hover?.token : state.sides[0].patches[hover.patch]));
  event.preventDefault();
  event.stopPropagation();
}

/** The page reads from here what it asks. */
function askWithout() {
  const erased = [...erasing.marked].sort((one, other) => one - other);
  root.dataset.again = JSON.stringify({ run: state.run, question: state.question, draw: false, erased });
  frame.trigger('again', {});
}

/** @param {(run: string) => void} look */
export function listenErase(look) {
  const whileOn = (/** @type {(event: any) => void} */ act) => (/** @type {Event} */ event) => { if (erasing.isOn) act(event); };
  const page = find('.tv-page');
  for (const name of ['pointerdown', 'pointermove', 'pointerup']) page.addEventListener(name, whileOn(brush), true);
  page.addEventListener('click', whileOn(pressMark), true);
  page.addEventListener('keydown', whileOn(onEraseKey), true);
  find('.tv-erase-begin').addEventListener('click', () => {
    Object.assign(erasing, { isOn: !erasing.isOn, marked: new Set() });
    // A wipe has no patches to brush over.
    choose(erasing.isOn && state.size === 'wipe' ? { size: 'both' } : {}, 'patches');
    // What is pressed when all is marked would open behind the question's row, which stays at the lower edge.
    if (erasing.isOn) requestAnimationFrame(() => find('.tv-erase-marking').scrollIntoView({ block: 'nearest' }));
  });
  find('.tv-erase-none').addEventListener('click', () => {
    erasing.marked.clear();
    redraw('patches');
  });
  find('.tv-erase-ask').addEventListener('click', askWithout);
  find('.tv-erase-look').addEventListener('click', () => erasing.beside && look(erasing.beside.run));
  find('.tv-erase-back').addEventListener('click', () => erasing.beside && look(erasing.beside.base));
}
