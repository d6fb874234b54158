// Aloud: what is said to who cannot see it, and the line above the view.

import { find, root, setText } from './dom.js';

let summary = '';
let saying = 0;

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

/** @param {string} status */
export function say(status) {
  setText(find('.tv-status'), status);
  if (status) summarize(status);
}
