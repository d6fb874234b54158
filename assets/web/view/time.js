// Time: going from step to step, and playing.

import { root } from './dom.js';
import { hoverOn } from './pointer.js';
import { choose, lastStep, state } from './state.js';

const TOKENS_PER_SECOND = 6;
let clock = 0;

/** @param {number} step */
export function goTo(step) {
  const to = Math.min(lastStep(), Math.max(0, step));
  choose({ step: to, follow: to === lastStep() }, 'patches', 'chart');
}

/** @param {boolean} isPlaying */
export function play(isPlaying) {
  clearTimeout(clock);
  const playing = isPlaying && lastStep() > 0;
  if (playing) {
    if (state.step >= lastStep()) goTo(0);
    clock = setTimeout(tick, beat());
  }
  choose({ playing });
}

export function stopClock() {
  clearTimeout(clock);
}

const beat = () => 1000 / (TOKENS_PER_SECOND * state.speed);

function tick() {
  if (!root.isConnected) return;
  if (state.step < lastStep()) goTo(state.step + 1);
  if (state.done && state.step >= lastStep()) play(false);
  else clock = setTimeout(tick, beat());
}

export function jumpToDifference() {
  if (state.differs === null) return;
  play(false);
  goTo(state.differs + 1);
}

/**
 * Keys that the focused control has a use for are its own.
 * @param {KeyboardEvent & { target: any }} event
 */
export function isFree(event) {
  // Space plays from a picture, too, where arrows move over patches.
  if (event.key === ' ' && event.target.closest('canvas')) return !event.defaultPrevented;
  const own = 'input, select, textarea, [contenteditable], canvas, [role="listbox"], [role="radiogroup"], [role="slider"], [role="grid"]';
  return !event.defaultPrevented && !event.altKey && !event.ctrlKey && !event.metaKey && !event.target.closest(own);
}

/** @param {KeyboardEvent & { target: any }} event */
export function onKey(event) {
  if (event.key === 'Escape' && state.locked) {
    const isHere = document.activeElement?.closest('canvas, .tv-strip');
    hoverOn(isHere ? state.hover : null, false);
    return;
  }
  if (!isFree(event) || !lastStep()) return;
  /** @type {Record<string, number>} */
  const steps = { ArrowLeft: state.step - 1, ArrowRight: state.step + 1, Home: 0, End: lastStep() };
  if (event.key in steps) goTo(steps[event.key]);
  else if (event.key === ' ' && !event.target.closest('button, summary, a')) play(!state.playing);
  else return;
  event.preventDefault();
}
