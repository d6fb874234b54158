// Pointer: what is pointed at, with the mouse or with keys, in the pictures, the strips and the answers.

import { nextPatch, patchOn } from '../core/views.js';
import { redraw, state } from './state.js';

/**
 * @param {Hover | null} hover
 * @param {boolean} [locked]
 */
export function hoverOn(hover, locked = false) {
  const same = JSON.stringify(hover) === JSON.stringify(state.hover) && locked === state.locked;
  if (same) return;
  Object.assign(state, { hover, locked });
  redraw('hover');
}

/**
 * A second click lets go of what the first one held.
 * @param {Hover | null} hover
 */
function hold(hover) {
  hoverOn(hover, !(state.locked && JSON.stringify(hover) === JSON.stringify(state.hover)));
}

function leave() {
  if (!state.locked) hoverOn(null);
}

/**
 * @param {HTMLCanvasElement} canvas
 * @param {MouseEvent} event
 */
export function patchAt(canvas, event) {
  const box = canvas.getBoundingClientRect();
  return patchOn(state.layout, (event.clientX - box.left) / box.width, (event.clientY - box.top) / box.height);
}

/**
 * @param {number} patch
 * @param {string} key
 */
function moved(patch, key) {
  /** @type {Record<string, number[]>} */
  const steps = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0] };
  const [down, right] = steps[key];
  return nextPatch(state.layout, patch, down, right);
}

/**
 * @param {HTMLCanvasElement} canvas
 * @param {number} number
 */
export function listenCanvas(canvas, number) {
  canvas.addEventListener('pointermove', (event) => {
    const patch = patchAt(canvas, event);
    if (!state.locked && patch !== null) hoverOn({ side: number, patch });
  });
  canvas.addEventListener('pointerleave', leave);
  canvas.addEventListener('blur', leave);
  canvas.addEventListener('click', (event) => {
    const patch = patchAt(canvas, event);
    if (patch !== null) hold({ side: number, patch });
  });
  canvas.addEventListener('keydown', (event) => {
    const current = state.hover?.patch;
    if (event.key.startsWith('Arrow')) {
      hoverOn({ side: number, patch: current === undefined ? 0 : moved(current, event.key) }, state.locked);
    } else if (event.key === 'Enter' && current !== undefined) hoverOn({ side: number, patch: current }, true);
    else return;
    event.preventDefault();
  });
}

/**
 * What an element of a strip stands for: a cell of the unfolded image is its patch.
 * @param {Side | undefined} side
 * @param {any} target
 * @returns {Hover | null}
 */
function hoverOfBox(side, target) {
  const token = target.closest('[data-token]')?.dataset.token;
  if (token === undefined || !side?.opened) return null;
  const patch = token < side.tokens ? side.patchOf[token] : -1;
  return patch >= 0 ? { side: side.number, patch } : { side: side.number, token: Number(token) };
}

/** @param {Side} side */
function toggleImage(side) {
  side.unfolded = !side.unfolded;
  redraw('patches');
}

/**
 * @param {HTMLElement} strip
 * @param {number} number
 */
export function listenStrip(strip, number) {
  const side = () => state.sides[number];
  const over = (/** @type {Event} */ event) => {
    const hover = hoverOfBox(side(), event.target);
    if (hover && !state.locked) hoverOn(hover);
  };
  const press = (/** @type {{ target: any }} */ event) => {
    if (event.target.closest('.tv-image')) toggleImage(side());
    else if (hoverOfBox(side(), event.target)) hold(hoverOfBox(side(), event.target));
  };
  strip.addEventListener('pointerover', over);
  strip.addEventListener('focusin', over);
  strip.addEventListener('pointerleave', leave);
  strip.addEventListener('focusout', leave);
  strip.addEventListener('click', press);
  strip.addEventListener('keydown', (event) => {
    if (event.key === 'Enter' || event.key === ' ') press(event);
    else if (!moveFocus(strip, event)) return;
    event.preventDefault();
  });
}

/**
 * One stop for the Tab key, arrows from box to box.
 * @param {HTMLElement} strip
 * @param {{ target: any, key: string }} event
 */
function moveFocus(strip, event) {
  const boxes = /** @type {HTMLElement[]} */ ([...strip.querySelectorAll('.tv-token, .tv-cell')]);
  const current = boxes.indexOf(event.target.closest('.tv-token, .tv-cell'));
  const to = { ArrowRight: current + 1, ArrowLeft: current - 1, Home: 0, End: boxes.length - 1 }[event.key];
  if (to === undefined || !boxes[to]) return false;
  boxes[current].tabIndex = -1;
  boxes[to].tabIndex = 0;
  boxes[to].focus();
  return true;
}

/**
 * @param {HTMLElement} text
 * @param {number} number
 */
export function listenText(text, number) {
  const hoverOfWord = (/** @type {{ target: any }} */ event) => {
    const side = state.sides[number];
    const numbers = side?.words?.[event.target.closest('.tv-word')?.dataset.word]?.numbers;
    return numbers?.length && side.opened ? { side: number, token: side.tokens + numbers[0], numbers } : null;
  };
  text.addEventListener('pointerover', (event) => { if (!state.locked) hoverOn(hoverOfWord(event)); });
  text.addEventListener('pointerleave', leave);
  text.addEventListener('click', (event) => { if (hoverOfWord(event)) hold(hoverOfWord(event)); });
}
