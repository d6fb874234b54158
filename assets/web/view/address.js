// Address: the view as the page's address asks for it, and what is wrong with that.

import { readAddress, readMode, tooMany } from '../core/address.js';
import { find, root, tag } from './dom.js';
import { isOpen, lastStep, mostHeads, state } from './state.js';

// For projectors: everything large, and the view, or the lesson, alone on the page.
export function readPresenting() {
  if (new URLSearchParams(window.location.search).get('present') !== '1') return false;
  root.classList.add('tv-present');
  document.body.classList.add('present');
  // The keys are for the view from the beginning: nobody should have to look for it in front of a class.
  root.focus({ preventScroll: true });
  return true;
}

export function readWanted() {
  const { wanted, wrong } = readAddress(window.location.search);
  tellWrong(wrong);
  state.wanted = wanted;
}

// The first run to arrive is shown as the address asks. Whether there was something to take.
export function takeWanted() {
  const { wanted } = state;
  if (!wanted || !isOpen()) return false;
  if (wanted.mode) Object.assign(state, readMode(wanted.mode));
  if (wanted.layer !== null) state.layer = atMost(wanted.layer, state.sides[0].layers, 'layer');
  if (wanted.head !== null) state.head = atMost(wanted.head, mostHeads(), 'head');
  Object.assign(wanted, { mode: '', layer: null, head: null });
  if (wanted.step !== null && lastStep() < wanted.step && !state.done) return true;
  if (wanted.step !== null) {
    const step = atMost(wanted.step, lastStep(), 'answer token');
    Object.assign(state, { step, follow: state.done && step >= lastStep() });
  }
  state.wanted = null;
  return true;
}

/**
 * A number of the address, or the last there is of what it counts, which is said.
 * @param {number} number
 * @param {number} last
 * @param {string} what
 */
function atMost(number, last, what) {
  tellWrong(tooMany(number, last, what));
  return Math.min(number, last);
}

/**
 * What is wrong with the address stands above the view until another run is shown.
 * @param {string[]} sentences
 */
export function tellWrong(sentences) {
  if (!sentences.length) return;
  const box = find('.tv-wrong');
  const said = new Set([...box.children].map((line) => line.textContent));
  box.append(...sentences.filter((sentence) => !said.has(sentence)).map((sentence) => tag('li', '', sentence)));
  box.hidden = !box.childElementCount;
}

export function tellNothingWrong() {
  find('.tv-wrong').replaceChildren();
  find('.tv-wrong').hidden = true;
}
