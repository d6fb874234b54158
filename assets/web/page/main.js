// Everybody: what Gradio's page lacks for who uses it by keyboard, by ear, on a phone or enlarged.

import { drawer, pickPicture } from './drawer.js';
import { keepFocus } from './focus.js';
import { giveNames } from './names.js';
import { skipLink } from './skip.js';

/**
 * Once per page: Gradio 6.31 loads it again after a lost connection.
 * @param {import('./names.js').Names} names
 */
export function serveEverybody(names) {
  if (document.querySelector('.skip-link')) return;
  skipLink();
  drawer();
  pickPicture();
  giveNames(names);
  keepFocus();
}
