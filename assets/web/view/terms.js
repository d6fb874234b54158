// Terms: words that say what they mean when they are pointed at, tapped or in focus. One note for the whole view.

import { meaningOf } from '../core/terms.js';
import { find, root, tag } from './dom.js';

const VIEW_NAME = 'tv-' + Math.random().toString(36).slice(2, 8); // several views may stand on one page
/** @type {HTMLElement | null} */
let explained = null;

/**
 * A word that can be asked what it means.
 * @param {string} name
 * @param {string} text
 */
export function termNode(name, text) {
  const node = tag('button', 'tv-term', text);
  node.type = 'button';
  setTerm(node, name);
  return node;
}

/**
 * Makes a button explain that term. The meaning is in the page, too, for who is read to.
 * @param {HTMLElement} node
 * @param {string} name
 */
export function setTerm(node, name) {
  const id = VIEW_NAME + '-' + name;
  if (node.getAttribute('aria-describedby') === id) return;
  node.dataset.term = name;
  node.setAttribute('aria-describedby', id);
  const meanings = find('.tv-meanings');
  if (!meanings.querySelector('#' + id)) meanings.append(Object.assign(tag('span', '', meaningOf(name)), { id }));
}

/** @param {HTMLElement} node */
function explain(node) {
  explained = node;
  const tip = find('.tv-tip');
  tip.textContent = meaningOf(node.dataset.term ?? '');
  tip.hidden = !tip.textContent;
  const [around, at] = [root.getBoundingClientRect(), node.getBoundingClientRect()];
  const left = Math.max(0, Math.min(at.left - around.left, around.width - tip.offsetWidth));
  // Below the word, above it where the screen ends: touching it, so that the mouse can go there.
  const isBelow = at.bottom + tip.offsetHeight < window.innerHeight - find('.tv-tip').offsetHeight / 2 || at.top < tip.offsetHeight;
  Object.assign(tip.style, { left: left + 'px', top: (isBelow ? at.bottom : at.top - tip.offsetHeight) - around.top + 'px' });
}

function endExplaining() {
  explained = null;
  find('.tv-tip').hidden = true;
}

/** @type {(target: EventTarget | null) => HTMLElement | null} */
const termAt = (target) => (target instanceof Element ? target.closest('.tv-term') : null);

/** @param {PointerEvent} event */
function onTermOut({ pointerType, relatedTarget }) {
  if (!explained || pointerType === 'touch' || document.activeElement === explained) return;
  const to = relatedTarget instanceof Element ? relatedTarget : null;
  if (!to?.closest('.tv-tip') && termAt(to) !== explained) endExplaining();
}

export function listenTerms() {
  root.querySelectorAll('.tv-term').forEach((node) => setTerm(/** @type {HTMLElement} */ (node), /** @type {HTMLElement} */ (node).dataset.term ?? ''));
  for (const name of /** @type {const} */ (['pointerover', 'focusin', 'click'])) {
    root.addEventListener(name, ({ target }) => {
      const node = termAt(target);
      if (node && node !== explained) explain(node);
    });
  }
  root.addEventListener('pointerout', onTermOut);
  root.addEventListener('focusout', endExplaining);
  // Capturing: while a note is shown, the key is for it and for nothing else.
  root.addEventListener('keydown', (event) => {
    if (event.key !== 'Escape' || !explained) return;
    event.stopPropagation();
    endExplaining();
  }, true);
  root.addEventListener('pointerdown', ({ target }) => { if (!termAt(target)) endExplaining(); });
}
