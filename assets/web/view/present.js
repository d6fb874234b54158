// Present: the view alone, large, for projectors. One asks in its line at the bottom; Escape leaves.

import { readPresenting } from './address.js';
import { root, setClass } from './dom.js';
import { choose, onFrame, state } from './state.js';
import { isTelling } from './telling.js';

const QUESTION = '#question textarea';
const LONG = 160; // letters of an answer that is written smaller

export function presentView() {
  const isLesson = new URLSearchParams(window.location.search).has('lesson');
  if (!readPresenting() || isLesson) return;
  document.body.classList.add('present-asks');
  document.addEventListener('keydown', onPresentKey);
  onFrame(() => setClass(root, 'tv-long', state.sides.some(({ answer }) => answer.length > LONG)));
}

/**
 * Escape first ends what it ends elsewhere: what is told, and what is held.
 * @param {KeyboardEvent & { target: any }} event
 */
function onPresentKey(event) {
  const isPlain = !event.defaultPrevented && !event.altKey && !event.ctrlKey && !event.metaKey && !event.isComposing;
  if (!root.isConnected) document.removeEventListener('keydown', onPresentKey);
  else if (isPlain && event.key === 'Escape' && !state.locked && !isTelling()) leavePresenting();
  else if (isPlain && event.key === '/' && !event.target.closest('input, textarea, select')) {
    /** @type {HTMLTextAreaElement | null} */ (document.querySelector(QUESTION))?.select();
    event.preventDefault();
  }
}

function leavePresenting() {
  document.removeEventListener('keydown', onPresentKey);
  const address = new URL(window.location.href);
  address.searchParams.delete('present');
  window.history.replaceState(window.history.state, '', address);
  root.classList.remove('tv-present');
  document.body.classList.remove('present', 'present-asks');
  choose({}, 'answers', 'patches', 'chart');
}
