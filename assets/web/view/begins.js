// Begins: pictures leave before those of the next run come, or many words above them, so that nobody sees them pushed about.

import { root } from './dom.js';

/** @param {() => void} [then] - once what is new has its place */
export function whileUnseen(then) {
  root.classList.add('tv-begins');
  requestAnimationFrame(() => requestAnimationFrame(() => {
    then?.();
    requestAnimationFrame(() => root.classList.remove('tv-begins'));
  }));
}
