// Aloud: what is said to who cannot see it, and the line above the view.

import { find, root, setText } from './dom.js';

let summary = '';
let saying = 0;
let status = '';
let instead = '';
let heard = ''; // the status that was said aloud last, without its numbers: who waits need not hear seconds and tokens pass

/**
 * Said aloud at most once a second, the last word in any case.
 * @param {string} text
 */
export function summarize(text) {
  summary = text;
  saying ||= setTimeout(() => {
    saying = 0;
    if (root.isConnected) setText(find('.tv-aloud'), summary);
  }, 1000);
}

/** @param {string} text */
const timeless = (text) => text.replace(/, about \d+ \w+/, '').replace(/[\d.,]+/g, '');

/**
 * @param {string} text
 * @param {boolean} [isAloud]
 */
export function say(text, isAloud = true) {
  status = text;
  setText(find('.tv-status'), instead || status);
  const said = instead || status;
  if (!isAloud || !said || timeless(said) === heard) return;
  heard = timeless(said);
  summarize(said);
}

/**
 * Something is told that takes a while: what is said meanwhile waits, and the last of it comes when the text is '' again.
 * @param {string} text
 */
export function sayInstead(text) {
  if (text === instead) return;
  instead = text;
  say(status);
}
