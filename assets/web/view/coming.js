// Coming: a question stands in the transcript from when it is asked, and where its answers will be, how it goes with it.

import { comingText, turnsBefore } from '../core/coming.js';
import { keptWords } from '../core/numbers.js';
import { summarize } from './aloud.js';
import { whileUnseen } from './begins.js';
import { find, root, setText, tag } from './dom.js';
import { state } from './state.js';

/** @type {HTMLElement | null} */
let node = null;

/**
 * What was asked is shown as a turn until the message with its first answers, or the one that it has come to nothing. Who
 * hears the page hears where it stands whenever that is another place; seconds that pass are only seen.
 * @param {Coming | null} coming
 */
export function takeComing(coming) {
  const was = state.coming;
  state.coming = coming;
  if (coming && coming.question !== was?.question) begin(coming);
  if (!coming) end();
  if (!coming || !node) return;
  node.querySelectorAll('.tv-how').forEach((box) => setText(box, comingText(coming)));
  if (coming.line !== was?.line) summarize(comingText(coming));
}

/** @param {Coming} coming */
function begin(coming) {
  end();
  const question = Object.assign(tag('p', 'tv-question', coming.question), { dir: 'auto' });
  const cards = coming.sides.map((side, number) => cardNode(side, 'ab'[number]));
  node = tag('article', 'tv-asked', question, tag('div', 'tv-acts'), tag('div', 'tv-answers', ...cards));
  const kept = turnsBefore(state.turns, coming);
  [...find('.tv-turns').children].forEach((turn, number) => { turn.hidden = number >= kept; });
  find('.tv-turns').append(node);
  root.dataset.coming = kept ? 'next' : 'first';
  whileUnseen(bringComing);
}

/**
 * @param {SaidSide} side
 * @param {string} letter
 */
function cardNode(side, letter) {
  const title = [side.title, keptWords(side)].filter(Boolean).join(' · ');
  const card = tag('section', 'tv-await', tag('h3', 'tv-head', tag('b', 'tv-letter', letter.toUpperCase()), title), tag('p', 'tv-how'));
  card.dataset.side = letter;
  card.setAttribute('aria-label', 'Answer ' + letter.toUpperCase() + ' to come');
  return card;
}

function end() {
  if (!node) return;
  node.remove();
  node = null;
  delete root.dataset.coming;
  [...find('.tv-turns').children].forEach((turn) => { turn.hidden = false; });
}

// Brought into sight as the turn will be that comes in its place.
function bringComing() {
  if (!node) return;
  const { top, bottom } = node.getBoundingClientRect();
  if (top < 0 || bottom > window.innerHeight * 0.6) node.scrollIntoView({ block: 'start' });
}
