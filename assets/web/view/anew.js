// Anew: whoever begins anew while an answer goes on reads at once what becomes of it, until it has been ended.

import { sayInstead } from './aloud.js';
import { stopTelling } from './telling.js';

/** @type {Record<string, string>} */
const SENTENCES = {
  chosen: 'A new conversation begins: the answer that goes on is ended first.',
  uploaded: 'The new picture is looked at: then the answer that goes on is ended, and a new conversation begins.',
};
let isEnding = false;

export function listenAnew() {
  document.addEventListener('elastic-anew', (/** @type {any} */ { detail }) => {
    const stop = /** @type {HTMLButtonElement | null} */ (document.querySelector('#stop'));
    if (!(detail in SENTENCES)) forgetAnew(); // the picture was refused: all stays as it was
    else if (stop && !stop.disabled) sayEnding(SENTENCES[detail]);
  });
}

/** @param {string} sentence */
function sayEnding(sentence) {
  stopTelling();
  isEnding = true;
  sayInstead(sentence);
}

/** The answer has been ended, or goes on after all. */
export function forgetAnew() {
  if (isEnding) sayInstead('');
  isEnding = false;
}
