// Names: what Gradio 6.31 draws without a name, or with one that says nothing, gets one here.

/**
 * @typedef {{ examples: string[], lists: Record<string, string> }} Names - of the examples, and of lists by their ids
 */

/** @param {Names} names */
export function giveNames(names) {
  const fit = () => {
    nameLists(names);
    mend();
  };
  fit();
  // Panels are drawn when somebody opens them; the view, which is drawn many times a second, is none of Gradio's.
  new MutationObserver((changes) => {
    if (changes.some(({ target }) => !(target instanceof Element && target.closest('.trace-view')))) fit();
  }).observe(document.body, { childList: true, subtree: true });
}

/** @param {Names} names */
function nameLists({ examples, lists }) {
  document.querySelectorAll('#examples .gallery-item').forEach((button, number) => {
    set(button, 'aria-label', 'Example ' + (number + 1) + (examples[number] ? ': ' + examples[number] : ''));
  });
  for (const [id, label] of Object.entries(lists)) {
    const list = document.querySelector('#' + id + ' .gallery');
    if (list) set(list, 'role', 'group');
    if (list) set(list, 'aria-label', label);
  }
}

function mend() {
  // A picture beside the word that it shows.
  document.querySelectorAll('footer button img').forEach((image) => set(image, 'alt', ''));
  // Whoever says what is written on the button means the button.
  document.querySelectorAll('button[aria-dropeffect][aria-label]').forEach((button) => button.removeAttribute('aria-label'));
  document.querySelectorAll('.select-all-checkbox').forEach((box) => set(box, 'aria-label', 'All methods'));
  document.querySelectorAll('.empty[aria-label]').forEach((place) => set(place, 'role', 'img'));
}

/**
 * @param {Element} node
 * @param {string} attribute
 * @param {string} value
 */
function set(node, attribute, value) {
  if (node.getAttribute(attribute) !== value) node.setAttribute(attribute, value);
}
