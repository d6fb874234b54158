// Inbox: what comes from the page, and what it makes of the state.

import { MESSAGE_VERSION, newSide, openSide, takeSteps } from '../core/messages.js';
import { keptWords } from '../core/numbers.js';
import { askedAfterText } from '../core/sentences.js';
import { isMarker } from '../core/tokens.js';
import { layOut, seenText } from '../core/views.js';
import { frame } from '../frame.js';
import { takeWanted, tellNothingWrong, tellWrong } from './address.js';
import { say } from './aloud.js';
import { note } from './attributes.js';
import { buildCalculator } from './calculator.js';
import { fitCanvases, fitHeads } from './controls.js';
import { both, find, ofSide, root, setText, tag } from './dom.js';
import { askServer, canAsk } from './requests.js';
import { buildSave } from './saving.js';
import { choose, isOpen, lastStep, redraw, state } from './state.js';
import { buildStrip } from './strip.js';
import { stopClock } from './time.js';

const OLDER = 'This page is of another version than the program. Reload it.';
const UNHEARD = 'Nothing is heard of the question. Press Clear and ask again, or reload the page.';

export function read() {
  take(frame.props.value ? JSON.parse(frame.props.value) : null);
}

let awaited = 0;

/** @param {Message | null} value */
export function take(value) {
  clearTimeout(awaited);
  if (value?.awaits) awaited = setTimeout(() => say(UNHEARD), value.awaits * 1000);
  if (value && value.version !== MESSAGE_VERSION) {
    say(OLDER);
    return;
  }
  if (!value) {
    reset(null, 0);
    say('');
    setText(find('.tv-aloud'), '');
    note();
    return;
  }
  if (value.sides.length && value.run !== state.run) reset(value.run, value.sides.length);
  tellWrong(value.wrong);
  if (!value.sides.length) {
    say(value.status);
    return;
  }
  // Messages may be joined or come late; each says where its steps belong.
  if (value.seq < state.seq) return;
  Object.assign(state, { seq: value.seq, done: value.done, status: value.status });
  say(state.status);
  takeMessage(value);
  fillGap();
}

/**
 * Also what the server sends when asked for steps that were missed.
 * @param {Message} value
 */
function takeMessage(value) {
  const isNew = value.opening && !isOpen();
  if (value.opening && isNew) open(value.opening);
  value.sides.forEach((given, number) => takeSteps(state.sides[number], given, value.since));
  if (state.follow) state.step = lastStep();
  const isWanted = takeWanted();
  // More steps are no choice: all that they change is written in the frame, so that the page is laid out once for it.
  if (isNew || isWanted) choose({});
  redraw('answers', 'patches', 'chart');
}

// Steps that messages skipped, asked for once; the opening too, for a view that came late.
async function fillGap() {
  const { run, sides } = state;
  const lacking = sides.filter((side) => side.known < side.steps);
  if (!canAsk('fetch_steps') || state.done || (isOpen() && !lacking.length)) return;
  const since = isOpen() ? Math.min(...lacking.map((side) => side.known)) : 0;
  if (state.askedFrom === since) return;
  state.askedFrom = since;
  const value = await askServer('fetch_steps', run, since);
  if (!value || value.run !== state.run || value.run !== run || state.done) return;
  takeMessage(value);
}

/**
 * @param {string | null} run
 * @param {number} count
 */
function reset(run, count) {
  stopClock();
  state.pictures.forEach((picture) => { if (picture) picture.onload = null; });
  if (state.run && run !== state.run) tellNothingWrong();
  Object.assign(state, {
    run, seq: -1, done: false, status: '', pictures: [], patchColours: null, step: 0, follow: true, playing: false,
    hover: null, locked: false, differs: null, askedFrom: null, noLayers: false, shape: null, about: {}, link: {},
    sides: Array.from({ length: Math.min(count, 2) }, (_, number) => newSide(number)),
  });
  root.dataset.sides = String(state.sides.length);
  both('.tv-text, .tv-question, .tv-history, .tv-strip, .tv-chips, .tv-says').forEach((box) => box.replaceChildren());
}

/** @param {Opening} opening */
function open(opening) {
  const { question, views, shape, about, link, show } = opening;
  Object.assign(state, { question, layout: layOut(views), shape, about, link });
  opening.sides.forEach((given, number) => openSide(state.sides[number], given));
  state.pictures = views.map(({ pixels }) => (
    pixels ? Object.assign(new Image(), { onload: () => redraw('patches'), src: pixels }) : null
  ));
  state.wanted ??= show && { layer: show.layer, head: show.head, step: show.t, mode: show.mode };
  if (show && state.wanted?.isWrong) Object.assign(state.wanted, { mode: show.mode, isWrong: false });
  state.layer = Math.min(state.layer, state.sides[0].layers);
  state.sides.forEach(openPanels);
  setText(find('.tv-before'), askedAfterText(opening.sides[0]));
  setText(find('.tv-seen-as'), seenText(views));
  buildCalculator(find('.tv-calculator-box'), state.shape);
  buildSave(find('.tv-save'), state);
  find('.tv-key-marker').hidden = !state.sides.some((side) => [...side.patchOf.keys()].some((token) => isMarker(side, token)));
  root.dataset.views = views.length > 1 ? 'many' : 'one';
  fitHeads();
  fitCanvases();
}

/** @param {Side} side */
function openPanels(side) {
  both('[data-side="' + side.letter + '"] .tv-title').forEach((box) => { box.textContent = side.title; });
  const answer = ofSide('.tv-answer', side);
  answer.querySelector('.tv-kept').textContent = keptWords(side);
  answer.querySelector('.tv-question').textContent = state.question;
  answer.querySelector('.tv-question').title = state.question;
  const turns = side.history.length;
  answer.querySelector('.tv-past').hidden = !turns;
  answer.querySelector('.tv-past summary').textContent = turns === 1 ? '1 earlier turn' : turns + ' earlier turns';
  answer.querySelector('.tv-history').replaceChildren(...side.history.flatMap(([question, reply]) => [
    turn('tv-asked', question), turn('tv-replied', reply),
  ]));
  setText(ofSide('.tv-unseen', side), side.unseen);
  ofSide('.tv-thin', side).hidden = !side.channels;
  buildStrip(ofSide('.tv-strip', side), side);
}

/**
 * @param {string} className
 * @param {string} text
 */
function turn(className, text) {
  return Object.assign(tag('p', className, text), { dir: 'auto' });
}
