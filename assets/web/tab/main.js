// Tab: what it says of itself when its page is loaded, and its inputs and their picture, which it keeps.
// Its key is a secret between it and the server, by which it finds again what it had. It stands in no address.

import { withAsked } from '../core/coming_back.js';
import { waitForArrival } from './arriving.js';
import { recall, recallValue, remember, runHere, wasOpened } from './memory.js';

const ANSWERED_IN = 1000; // milliseconds in which another tab says that the key is its own
const MOST_BYTES = 1_000_000; // of a picture that is kept
const MOST_TYPED = 15_000; // letters of the inputs that the server is told
const channel = typeof BroadcastChannel === 'undefined' ? null : new BroadcastChannel('elastic-tabs');
let key = '';
let keptPicture = recall('picture'); // the path whose picture is kept, or was too large for it

/** What the server is told of this tab, as JSON. */
export async function comeBack() {
  waitForArrival();
  const before = recall('key');
  const isCopied = before !== null && !isReload() && (await isTaken(before));
  key = before === null || isCopied ? newKey() : before;
  remember('key', key);
  if (isCopied) remember('table', null); // which is the other tab's
  hold();
  // A page that comes out of the browser's own memory has lost its connection.
  window.addEventListener('pageshow', ({ persisted }) => { if (persisted) window.location.reload(); });
  document.addEventListener('elastic-asked', (/** @type {any} */ { detail }) => remember('asking', detail));
  document.addEventListener('elastic-arrived', () => document.addEventListener('elastic-typed', onTyped));
  const opened = wasOpened();
  const [typed, lacking] = opened ? ['', false] : await typedBefore();
  const words = !opened && recall('turns') !== null;
  return JSON.stringify({ key, copied: isCopied, opened, run: isCopied ? '' : runHere(), words, lacking, typed });
}

function newKey() {
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, '0')).join('');
}

function isReload() {
  const [navigation] = performance.getEntriesByType('navigation');
  return /** @type {PerformanceNavigationTiming | undefined} */ (navigation)?.type === 'reload';
}

/** As long as this page is there, other tabs know that the key is taken. */
function hold() {
  navigator.locks?.request(key, () => new Promise(() => {}));
  channel?.addEventListener('message', ({ data }) => { if (data.asks === key) channel.postMessage({ taken: key }); });
}

/**
 * Whether another tab has the key: browsers copy what a tab keeps into a tab that is made of it. They know of locks on
 * secure pages only; elsewhere the other tab is asked.
 * @param {string} asked
 * @returns {Promise<boolean>}
 */
async function isTaken(asked) {
  if (navigator.locks) return ((await navigator.locks.query()).held ?? []).some(({ name }) => name === asked);
  if (!channel) return false;
  return new Promise((answer) => {
    channel.addEventListener('message', ({ data }) => { if (data.taken === asked) answer(true); });
    channel.postMessage({ asks: asked });
    setTimeout(() => answer(false), ANSWERED_IN);
  });
}

// ---- the inputs

/** @param {any} event - with the inputs as a question, which is JSON */
function onTyped({ detail }) {
  remember('typed', detail);
  const { picture, question } = JSON.parse(detail);
  if (question && question === recallValue('asking')?.question) remember('asking', null); // given back
  if (picture && picture !== keptPicture) keepPicture(picture);
}

/**
 * The inputs as they were, with what was asked just now and may not have come, and whether their picture is gone from the server and from here.
 * @returns {Promise<[string, boolean]>}
 */
async function typedBefore() {
  const asked = withAsked(recallValue('typed'), recallValue('asking'));
  const typed = JSON.stringify(asked);
  if (asked === null || typed.length > MOST_TYPED) return ['', false];
  if (asked.picture === null || (await isHeld(asked.picture))) return [typed, false];
  const picture = await sentAgain(asked.picture);
  return [JSON.stringify({ ...asked, picture, further: [] }), picture === null];
}

// ---- the picture

/** @param {string} path */
const addressOf = (path) => here('file=' + path.split('/').map(encodeURIComponent).join('/'));

/** @param {string} rest */
const here = (rest) => new URL('gradio_api/' + rest, location.origin + location.pathname).href;

/** @param {string} path */
const isHeld = (path) => fetch(addressOf(path), { method: 'HEAD' }).then(({ ok }) => ok, () => true);

/** @param {string} path */
async function keepPicture(path) {
  keptPicture = path;
  remember('pixels', null);
  remember('picture', path);
  const picture = await fetch(addressOf(path)).then((answer) => (answer.ok ? answer.blob() : null), () => null);
  if (!picture || picture.size > MOST_BYTES || path !== keptPicture) return;
  const reader = new FileReader();
  reader.onload = () => { if (path === keptPicture) remember('pixels', String(reader.result)); };
  reader.readAsDataURL(picture);
}

/**
 * The path of the picture that is kept here, sent to the server once more; null where it is not, or not taken.
 * @param {string} path
 * @returns {Promise<string | null>}
 */
async function sentAgain(path) {
  const pixels = recall('picture') === path ? recall('pixels') : null;
  if (pixels === null) return null;
  try {
    const form = new FormData();
    form.append('files', await (await fetch(pixels)).blob(), path.split('/').at(-1));
    const [sent] = await (await fetch(here('upload'), { method: 'POST', body: form })).json();
    if (typeof sent !== 'string') return null;
    keptPicture = sent;
    remember('picture', sent);
    return sent;
  } catch {
    return null;
  }
}
