// Keeping: the view notes for its tab what it shows, so that a page that is loaded anew stands where it stood, and the
// address says it, as far as an address can.

import { linkTo } from '../core/address.js';
import { addressWith, ownPart, keptWordsOf } from '../core/coming_back.js';
import { noteRunHere, recall, recallValue, remember, wasOpened } from '../tab/memory.js';
import { note } from './attributes.js';
import { root } from './dom.js';
import { canAsk } from './requests.js';
import { headNow, state } from './state.js';
import { drawTranscript } from './transcript.js';

const SELDOM = 400; // milliseconds: browsers let an address change some times a second only
const OWN_RUN = /^[0-9a-f]{32}$/; // the name of a run that was asked for, not of one that was recorded or opened
const BEGINS_ANEW = 'A new conversation begins here: the model knows nothing of what stands above.';
let due = 0;
/** @type {SaidTurn[]} */
let words = []; // of a conversation that the server no longer holds
let isKeeping = false; // from when what was said before stands there
let looked = ''; // the run that was looked at before the page was loaded anew, until it is shown
/** @type {string | null} */
let first = null; // what the address would say of what was shown first
let isMoved = false; // whether somebody has gone on from there: only then the address follows

/** What was said before stands there at once; whether the server still has it, its first message tells. */
export function showKept() {
  if (!canAsk('fetch_steps')) return;
  if (!wasOpened()) {
    looked = recall('looked') ?? '';
    state.turns = recallValue('turns') ?? [];
    words = recallValue('words') ?? [];
    drawTranscript();
    note();
  }
  isKeeping = true;
  new MutationObserver(() => {
    if (state.sides.length) noteRunHere(state.live !== null && OWN_RUN.test(state.live) ? state.live : '');
    due ||= setTimeout(keepNow, SELDOM);
  }).observe(root, { attributes: true });
}

/** Nothing is shown any more: the tab keeps no words, and its address names nothing. */
export function keepNothing() {
  if (!isKeeping) return;
  words = [];
  ['turns', 'words'].forEach((name) => remember(name, null));
  noteRunHere('');
  isMoved = true;
}

/** The server has nothing to say of what was said before: of that there are the words only. */
export function keepWords() {
  if (state.live === null) words = state.turns;
}

/**
 * The turns of a conversation, below the words of the one before it, which the server no longer holds.
 * @param {SaidTurn[]} turns
 */
export function belowWords(turns) {
  if (!isOwn(turns)) words = [];
  if (!words.length) return turns;
  const [first, ...others] = turns;
  return [...words, { ...first, changes: [BEGINS_ANEW, ...first.changes] }, ...others];
}

/**
 * Whether these turns were asked here, and not recorded or opened.
 * @param {SaidTurn[]} turns
 */
const isOwn = (turns) => OWN_RUN.test(turns.at(-1)?.run ?? '');

/** The run of an earlier turn that was looked at, once, where the turns are there of which it is one. */
export function takeLooked() {
  const run = looked;
  looked = '';
  return run !== state.live && state.turns.some((turn) => turn.run === run) ? run : '';
}

function keepNow() {
  due = 0;
  if (isOwn(state.turns)) keepTurns(state.turns);
  if (state.run) remember('looked', state.run);
  writePlace();
}

/** @param {SaidTurn[]} turns */
function keepTurns(turns) {
  remember('turns', JSON.stringify(keptWordsOf(turns)));
  remember('words', words.length ? JSON.stringify(words) : null);
  if (turns.at(-1)?.question === recallValue('asking')?.question) remember('asking', null); // it has come
  isMoved ||= !wasOpened(); // whoever has asked has gone on
}

function writePlace() {
  const { search, pathname, hash } = window.location;
  const shown = { ...state.link, ...(state.run && state.done ? linkTo({ ...state, head: headNow() }) : {}) };
  const text = addressWith(search, shown);
  if (!isMoved) {
    if (state.run && state.done) first ??= text;
    if (first === null || text === first) return;
    isMoved = true;
  }
  if (text === search) return;
  history.replaceState(history.state, '', pathname + text + hash);
  remember('address', ownPart(text));
}
