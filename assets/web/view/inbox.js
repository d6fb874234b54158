// Inbox: what comes from the page, and what it makes of the state.

import { MESSAGE_VERSION, newSide, openSide, takeSteps } from '../core/messages.js';
import { keptWords } from '../core/numbers.js';
import { fewerText } from '../core/fewer.js';
import { reuseText } from '../core/reusing.js';
import { askedAfterText } from '../core/sentences.js';
import { isMarker } from '../core/tokens.js';
import { withAnswers } from '../core/transcript.js';
import { layOut, seenText } from '../core/views.js';
import { frame } from '../frame.js';
import { takeWanted, tellNothingWrong, tellWrong } from './address.js';
import { say } from './aloud.js';
import { forgetAnew } from './anew.js';
import { note } from './attributes.js';
import { buildCalculator } from './calculator.js';
import { whileUnseen } from './begins.js';
import { takeComing } from './coming.js';
import { fitCanvases, fitHeads } from './controls.js';
import { both, find, ofSide, root, setText } from './dom.js';
import { forgetErasing, listenErase, takeBeside } from './erase.js';
import { belowWords, keepNothing, keepWords, takeLooked } from './keeping.js';
import { askServer, canAsk } from './requests.js';
import { buildSave } from './saving.js';
import { choose, isOpen, lastStep, redraw, state } from './state.js';
import { standAtDifference } from './story.js';
import { buildStrip } from './strip.js';
import { stopTelling, tellFirst } from './telling.js';
import { stopClock } from './time.js';
import { bringLast, drawTranscript, listenTranscript } from './transcript.js';

const OLDER = 'This page is of another version than the program. Reload it.';
const TURN_GONE = 'The pictures of that turn were put away to make room for other visitors; what was said stays.';
const UNHEARD = 'Nothing is heard of the question. Press New chat and ask again, or reload the page.';

export function read() {
  take(frame.props.value ? JSON.parse(frame.props.value) : null);
}

let awaited = 0;
let leftRun = ''; // the run that was left last: what was still on its way of it comes too late

/** @param {Message | null} value */
export function take(value) {
  clearTimeout(awaited);
  if (value?.awaits) awaited = setTimeout(sayUnheard, value.awaits * 1000);
  if (value && value.version !== MESSAGE_VERSION) {
    say(OLDER);
    return;
  }
  if (value?.run && value.run === leftRun && !value.done) return;
  takeComing(value?.coming ?? null);
  if (!value || value.done) forgetAnew();
  if (!value) {
    leftRun = state.live ?? leftRun;
    leaveRun([]);
    say('');
    setText(find('.tv-aloud'), '');
    return;
  }
  if (value.beside && state.run) {
    takeBeside(value);
    say(value.status);
    return;
  }
  const isNew = value.sides.length > 0 && value.run !== state.live;
  if (isNew) reset(value.run, value.sides.length);
  tellWrong(value.wrong);
  if (!value.sides.length) {
    if (value.turns) leaveRun(belowWords(value.turns));
    else keepWords();
    say(value.status, !value.coming);
    return;
  }
  state.live = value.run;
  state.turns = value.turns ? belowWords(value.turns) : withAnswers(state.turns, value, isNew);
  drawTranscript();
  if (isNew && !value.done) whileUnseen(bringLast);
  if (isNew) lookWhereItStood();
  if (value.run !== state.run) say(value.status); // an earlier turn is looked at: the last one goes on as text
  else takeNext(value);
}

// The question stays where it stands, to be read and copied.
function sayUnheard() {
  if (state.coming) takeComing({ ...state.coming, line: UNHEARD, time: '' });
  say(UNHEARD);
}

/** A page that was loaded anew looks at the turn that was looked at, as its address says. */
function lookWhereItStood() {
  const run = takeLooked();
  const wanted = state.wanted && { ...state.wanted };
  if (run) lookAtRun(run, () => Boolean(state.wanted = wanted) || true);
}

/**
 * The next of the run that is looked at. Messages may be joined or come late; each says where its steps belong.
 * @param {Message} value
 */
function takeNext(value) {
  if (value.seq < state.seq) return;
  Object.assign(state, { seq: value.seq, done: value.done, status: value.status });
  say(state.status);
  takeMessage(value);
  fillGap();
}

/**
 * Nothing is looked at any more; what was said may stay.
 * @param {SaidTurn[]} turns
 */
function leaveRun(turns) {
  reset(null, 0);
  Object.assign(state, { live: null, turns });
  if (!turns.length) keepNothing();
  drawTranscript();
  note();
}

/**
 * Look at another turn: its pictures and its time, which the server may still have.
 * @param {number} number
 */
async function lookAt(number) {
  const { run } = state.turns[number];
  if (run !== state.run) await lookAtRun(run, () => state.turns[number]?.run === run);
}

/**
 * @param {string} run
 * @param {() => boolean} [isWanted] - whether it still is, once it has come
 */
async function lookAtRun(run, isWanted = () => true) {
  const value = await askServer('fetch_steps', run, 0);
  if (!value || !isWanted()) return value || say(TURN_GONE);
  reset(run, value.sides.length);
  state.done = value.done;
  takeMessage({ ...value, seq: value.seq + 1 }); // nothing new that is to be told
  drawTranscript();
  note();
}

listenTranscript(lookAt);
listenErase((run) => lookAtRun(run));

/**
 * Also what the server sends when asked for steps that were missed.
 * @param {Message} value
 */
function takeMessage(value) {
  const isNew = value.opening && !isOpen();
  if (value.opening && isNew) open(value.opening);
  value.sides.forEach((given, number) => takeSteps(state.sides[number], given, value.since));
  if (state.follow) state.step = lastStep();
  standAtDifference();
  const isWanted = takeWanted();
  // More steps are no choice: all that they change is written in the frame, so that the page is laid out once for it.
  if (isNew || isWanted) choose({});
  redraw('answers', 'patches', 'chart');
  if (isNew) tellFirst(value.seq === 0);
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
  stopTelling();
  forgetErasing();
  state.pictures.forEach((picture) => { if (picture) picture.onload = null; });
  if (state.run && run !== state.run) tellNothingWrong();
  Object.assign(state, {
    run, seq: -1, done: false, status: '', pictures: [], patchColours: null, step: 0, follow: true, playing: false, stood: false,
    hover: null, locked: false, differs: null, story: { sentences: [], patches: [] }, askedFrom: null, noLayers: false, shape: null, about: {}, link: {},
    sides: Array.from({ length: Math.min(count, 2) }, (_, number) => newSide(number)),
  });
  root.dataset.sides = String(state.sides.length);
  both('.tv-text, .tv-strip, .tv-chips, .tv-says, .tv-story').forEach((box) => box.replaceChildren());
  both('.tv-says').forEach((says) => { says.style.minHeight = ''; });
}

/** @param {Opening} opening */
function open(opening) {
  const { question, views, shape, about, link, show } = opening;
  Object.assign(state, { question, layout: layOut(views), shape, about, link });
  opening.sides.forEach((given, number) => openSide(state.sides[number], given));
  state.pictures = views.map(({ pixels }) => (
    pixels ? Object.assign(new Image(), { onload: () => redraw('patches'), src: pixels }) : null
  ));
  state.wanted ??= show && { layer: show.layer, head: show.head, step: show.t, mode: show.mode, level: null };
  if (show && state.wanted?.isWrong) Object.assign(state.wanted, { mode: show.mode, isWrong: false });
  state.layer = Math.min(state.layer, state.sides[0].layers);
  state.sides.forEach(openPanels);
  setText(find('.tv-before'), [askedAfterText(opening.sides[0]), reuseText(state.sides), fewerText(state.sides)].filter(Boolean).join(' '));
  both('.tv-key-reuse').forEach((key) => { key.hidden = !state.sides.some((side) => side.reuse?.tokens.length); });
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
  setText(ofSide('.tv-unseen', side), side.unseen);
  ofSide('.tv-thin', side).hidden = !side.channels;
  buildStrip(ofSide('.tv-strip', side), side);
}
