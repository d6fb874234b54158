// Saving: the run as files, the view as a picture, and a link that asks the same again.

import { linkTo } from '../core/address.js';
import { decodeBase64 } from '../core/messages.js';
import { bytesText } from '../core/numbers.js';
import { frame } from '../frame.js';
import { tag } from './dom.js';
import { drawPoster } from './poster.js';
import { canAsk } from './requests.js';
import { headNow } from './state.js';

const SAVED_KINDS = [['trace', 'Trace (.zip)', 'zip'], ['csv', 'Steps (.csv)', 'csv'], ['html', 'Replay (.html)', 'html']];
/** @type {Record<string, string>} */
const COPIED = { // by what cannot travel with a link
  '': 'Copied: the link asks this again and opens the view as it is now.',
  picture: 'Copied: the link brings question and settings, but not your picture.',
  conversation: 'Copied: the link brings question and settings, but not the conversation before.',
};
const GONE = 'The server no longer holds this run: ask again.';

/**
 * Called once and again for every run: what can be saved may have changed.
 * @param {any} box
 * @param {State} state
 */
export function buildSave(box, state) {
  if (!box.firstChild) makeSave(box, state);
  const hasServer = canAsk('save');
  SAVED_KINDS.forEach(([kind]) => { box.querySelector('[data-save="' + kind + '"]').hidden = !hasServer; });
  box.querySelector('[data-save="link"]').hidden = !Object.keys(state.link ?? {}).length;
  tellSaved(box, '');
}

/**
 * @param {any} box
 * @param {State} state
 */
function makeSave(box, state) {
  /** @type {(name: string, text: string, action: () => Promise<void>) => HTMLElement} */
  const button = (name, text, action) => {
    const node = tag('button', 'tv-save-button', text);
    node.type = 'button';
    node.dataset.save = name;
    node.addEventListener('click', () => doSave(box, state, action));
    return node;
  };
  const files = SAVED_KINDS.map(([kind, text, ending]) => button(kind, text, () => saveFile(box, state, kind, ending)));
  files.splice(2, 0, button('png', 'Picture (.png)', () => savePoster(box, state)));
  const says = tag('p', 'tv-save-says');
  says.setAttribute('role', 'status');
  box.append(tag('div', 'tv-save-buttons', ...files, button('link', 'Copy link', () => copyLink(box, state))), says);
}

/**
 * @param {any} box
 * @param {State} state
 * @param {() => Promise<void>} action
 */
async function doSave(box, state, action) {
  if (!state.sides.some((side) => side.opened)) return tellSaved(box, 'There is nothing to save yet.');
  if (box.dataset.busy) return;
  box.dataset.busy = 'true';
  try {
    await action();
  } catch (error) {
    const message = /** @type {{ message?: string } | undefined} */ (error)?.message;
    tellSaved(box, 'That did not work (' + (message || 'no answer from the server') + '). Try again.');
  } finally {
    delete box.dataset.busy;
  }
}

/**
 * @param {any} box
 * @param {string} text
 * @param {...Node} nodes
 */
function tellSaved(box, text, ...nodes) {
  box.querySelector('.tv-save-says').replaceChildren(text, ...nodes);
}

/**
 * @param {any} box
 * @param {State} state
 * @param {string} kind
 * @param {string} ending
 */
async function saveFile(box, state, kind, ending) {
  tellSaved(box, 'Preparing the file …');
  const answer = await frame.server?.save(state.run, kind);
  if (!answer) return tellSaved(box, GONE);
  const { name, type, data } = JSON.parse(answer);
  const bytes = decodeBase64(data, Uint8Array);
  download(new Blob([bytes], { type }), safeName(name) || saveName(state, ending));
  tellSaved(box, 'Saved ' + (safeName(name) || saveName(state, ending)) + ' (' + bytesText(bytes.length) + ').');
}

/**
 * @param {State} state
 * @param {string} ending
 */
function saveName(state, ending) {
  const model = state.sides[0]?.model ?? state.about?.model ?? '';
  const run = safeName(String(state.run ?? ''));
  // A run of one's own has a name of 32 hexadecimal digits, of which the first tell it apart.
  const short = /^[0-9a-f]{32}$/.test(run) ? run.slice(0, 8) : run;
  return ['elastic', safeName(model), short].filter(Boolean).join('-') + '.' + ending;
}

/** @param {string} text */
function safeName(text) {
  return text.replace(/[^A-Za-z0-9._-]+/g, '-').replace(/^[-.]+|[-.]+$/g, '');
}

/**
 * @param {Blob} blob
 * @param {string} name
 */
export function download(blob, name) {
  const link = document.createElement('a');
  link.href = URL.createObjectURL(blob);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60000);
}

/**
 * @param {any} box
 * @param {State} state
 */
async function savePoster(box, state) {
  tellSaved(box, 'Drawing the picture …');
  const { blob, width, height } = await drawPoster(state);
  download(blob, saveName(state, 'png'));
  tellSaved(box, 'Saved ' + saveName(state, 'png') + ' (' + width + ' × ' + height + ' pixels).');
}

/**
 * @param {any} box
 * @param {State} state
 */
async function copyLink(box, state) {
  const address = location.origin + location.pathname + '?' + new URLSearchParams({ ...state.link, ...linkTo({ ...state, head: headNow() }) });
  try {
    await navigator.clipboard.writeText(address);
    tellSaved(box, COPIED[state.link.without ?? '']);
  } catch {
    // Browsers allow it on secure pages and after a permission only.
    const field = Object.assign(document.createElement('input'), { value: address, readOnly: true, className: 'tv-save-link' });
    field.setAttribute('aria-label', 'Link to this view');
    tellSaved(box, 'The browser does not let the page copy. The link is selected, copy it: ', field);
    field.select();
  }
}
