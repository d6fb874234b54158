// Levels: what happened, why, and all details. One opens after the other, and the browser remembers how far.

import { levelFor, readLevel } from '../core/levels.js';
import { both, find, root, setText } from './dom.js';
import { choose, onChoice, state } from './state.js';

const LEVEL_KEPT = 'elastic-levels';

/** @param {number} level */
function openLevel(level) {
  if (level === state.level) return;
  choose({ level }, 'patches', 'heat', 'chart');
}

// What an address asks for is open, even where somebody had closed it before; it is not remembered.
export function openWanted() {
  const { wanted } = state;
  if (wanted) openLevel(wanted.level ?? Math.max(state.level, levelFor(wanted)));
}

/** @param {{ currentTarget: any }} event */
function onLevel({ currentTarget }) {
  const level = Number(currentTarget.dataset.level);
  openLevel(state.level >= level ? level - 1 : level);
  // A browser may refuse to remember anything: then the next page begins with what happened.
  try {
    localStorage.setItem(LEVEL_KEPT, String(state.level));
  } catch { /* as said */ }
}

function keptLevel() {
  try {
    return readLevel(localStorage.getItem(LEVEL_KEPT)) ?? 1;
  } catch {
    return 1;
  }
}

function fitLevels() {
  root.dataset.level = String(state.level);
  both('.tv-level').forEach((button) => button.setAttribute('aria-expanded', String(state.level >= Number(button.dataset.level))));
}

// What the first button says: once it is known whether there is a difference to explain.
export function drawLevels() {
  setText(find('.tv-level[data-level="2"]'), state.differs === null || !state.done ? 'Look inside' : 'Why do they differ?');
}

export function listenLevels() {
  both('.tv-level').forEach((button) => button.addEventListener('click', onLevel));
  onChoice(fitLevels);
  state.level = keptLevel();
  fitLevels();
}
