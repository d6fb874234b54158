// Telling: the pictures themselves tell how the prompt's cache was made, over what they show else, once per live run.

import { groupMeans } from '../core/colours.js';
import { heatRange, patchScores } from '../core/gaze.js';
import { TELLING_MS, tellingOf, tellingParts, tellingText, wholeBytes } from '../core/telling.js';
import { sayInstead } from './aloud.js';
import { whileUnseen } from './begins.js';
import { drawBytes } from './bytes.js';
import { both, find, isStill, ofSide, root, setText } from './dom.js';
import { ink, patchColours } from './ink.js';
import { paintTelling, tellingStills } from './paint_telling.js';
import { headNow, openSides, redraw, state } from './state.js';

const FIRST = 'First the pictures tell what each cache keeps. Press any key, or Skip, to read the answers at once';
const SEEN = 0.5; // of a picture that is in sight
const LONGEST = TELLING_MS + 600; // where frames are slow, or the tab is not seen

/** @type {{ finish: () => void } | null} */
let telling = null;

// Whether there is something to tell: a picture, and of two sides one that gives up some of its patches.
export function fitTelling() {
  const open = openSides();
  find('.tv-tell').hidden = !(open.length > 1 && state.pictures.length && open.some((side) => side.chooses && side.patches.length));
  setText(find('.tv-tell'), telling ? 'Skip' : 'Watch it happen');
}

/**
 * A run that begins is told before its words are shown, if its pictures are in sight: no word waits for what nobody sees.
 * @param {boolean} isFirst
 */
export async function tellFirst(isFirst) {
  fitTelling();
  if (!isFirst || state.done || isStill() || document.hidden || find('.tv-tell').hidden) return;
  const isSeen = both('.tv-patches').some((canvas) => {
    const { top, bottom, height } = canvas.getBoundingClientRect();
    return height > 0 && Math.min(bottom, window.innerHeight) - Math.max(top, 0) > height * SEEN;
  });
  if (!isSeen) return;
  const { run } = state;
  await Promise.allSettled(state.pictures.map((picture) => picture?.decode()));
  if (run === state.run && root.isConnected) tell(true);
}

// Somebody who does something wants to go on. What presses the button is the button's own.
function skip(/** @type {Event & { key?: string }} */ { target, key }) {
  const isPress = target instanceof Element && target.closest('.tv-tell') && [undefined, 'Enter', ' '].includes(key);
  if (!isPress) telling?.finish();
}

export function listenTelling() {
  find('.tv-tell').addEventListener('click', () => (telling ? telling.finish() : tell(false)));
}

export const isTelling = () => telling !== null;

export function stopTelling() {
  telling?.finish();
}

/**
 * Tells it, and holds back the words meanwhile where they are new. Who wants nothing to move sees where it ends, until
 * they do something.
 * @param {boolean} holdsWords
 */
function tell(holdsWords) {
  telling?.finish();
  const scenes = scenesOf();
  if (!scenes.length) return;
  const whole = wholeBytes(openSides(), state.shape);
  const ofHead = openSides().some((side) => side.heads > 1) ? ', head ' + (headNow() || 1) : '';
  const layer = 'layer ' + layerTold() + ' of ' + state.sides[0].layers + ofHead;
  const tellings = openSides().map(toldOf);
  const still = isStill();
  let due = 0;
  const paint = (/** @type {number} */ share) => {
    const parts = tellingParts(share);
    scenes.forEach((scene) => paintTelling(scene, parts, ink()));
    setText(find('.tv-tell-says'), tellingText(parts, openSides(), tellings, layer));
    drawBytes(whole, parts.way);
  };
  const finish = () => {
    cancelAnimationFrame(due);
    clearTimeout(limit);
    watcher.disconnect();
    ['keydown', 'pointerdown'].forEach((name) => document.removeEventListener(name, skip, true));
    telling = null;
    if (holdsWords && both('.tv-text').some((box) => box.scrollHeight > box.clientHeight + 1)) whileUnseen();
    scenes.forEach(({ sheet }) => { sheet.hidden = true; });
    root.classList.remove('tv-telling-now', 'tv-words-wait');
    setText(find('.tv-tell-says'), '');
    sayInstead('');
    fitTelling();
    redraw('answers', 'chart');
  };
  const watcher = whileSeen(scenes, finish);
  const limit = still ? 0 : setTimeout(finish, LONGEST);
  telling = { finish };
  ['keydown', 'pointerdown'].forEach((name) => document.addEventListener(name, skip, true));
  scenes.forEach(({ sheet }) => { sheet.hidden = false; });
  root.classList.add('tv-telling-now');
  if (holdsWords) holdWords();
  else scenes[0].sheet.scrollIntoView({ block: 'nearest', behavior: still ? 'auto' : 'smooth' });
  if (holdsWords) scenes.forEach(({ sheet }) => watcher.observe(sheet));
  fitTelling();
  if (still) { paint(0.9); return; }
  const begun = performance.now();
  const next = (/** @type {number} */ now) => {
    const share = Math.max(0, (now - begun) / TELLING_MS);
    if (share >= 1 || !root.isConnected) { finish(); return; }
    paint(share);
    due = requestAnimationFrame(next);
  };
  due = requestAnimationFrame(next);
}

// Where the answers will stand, and above, one reads why they are not there yet.
function holdWords() {
  root.classList.add('tv-words-wait');
  sayInstead(FIRST + '.');
}

/**
 * Ends it when the page has moved on from the pictures: on a small screen it is brought to the answers after Ask.
 * @param {TellingScene[]} scenes
 * @param {() => void} finish
 */
function whileSeen(scenes, finish) {
  const seen = new Set(scenes.map(({ sheet }) => sheet));
  return new IntersectionObserver((entries) => {
    entries.forEach(({ target, intersectionRatio }) => (
      intersectionRatio < SEEN ? seen.delete(/** @type {FineCanvas} */ (target)) : seen.add(/** @type {FineCanvas} */ (target))));
    if (!seen.size) finish();
  }, { threshold: SEEN });
}

/** @param {Side} side */
const toldOf = (side) => tellingOf(side, layerTold(), headNow());
const layerTold = () => state.layer || Math.ceil(state.sides[0].layers / 2);

// What is told of each side whose picture is shown.
function scenesOf() {
  state.patchColours ??= patchColours(state.pictures, state.layout);
  const shown = openSides().filter((side) => side.patches.length && ofSide('.tv-patches', side).width);
  const heats = shown.map((side) => patchScores(side, layerTold()));
  const range = /** @type {number[]} */ (heatRange(heats, true));
  return shown.map((side, i) => {
    const told = toldOf(side);
    const canvas = ofSide('.tv-patches', side);
    const sheet = canvas.nextElementSibling;
    Object.assign(sheet, { width: canvas.width, height: canvas.height, ratio: canvas.ratio });
    const means = state.patchColours && groupMeans(side, told.at, state.patchColours);
    const scene = { layout: state.layout, pictures: state.pictures, patches: side.patches, heat: heats[i], range, telling: told, means, sheet };
    return { ...scene, stills: tellingStills(scene, ink()) };
  });
}
