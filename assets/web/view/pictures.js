// Pictures: what they show at this step, and the heat over them.

import { PALETTE, groupColours, groupMeans } from '../core/colours.js';
import { heatRange, layerSeen, patchGaze, patchScores } from '../core/gaze.js';
import { holder, sharesOf } from '../core/holders.js';
import { shortNumber } from '../core/numbers.js';
import { reusedPatches } from '../core/reusing.js';
import { readShares } from '../core/reading.js';
import { drawWords } from './answers.js';
import { drawChannels } from './channels.js';
import { both, find, ofSide, root, setText } from './dom.js';
import { ink, patchColours } from './ink.js';
import { paintBase } from './paint.js';
import { headNow, hoveredNumbers, isSingle, openSides, planes, state, stepOn } from './state.js';
import { updateStrip } from './strip.js';
import { setTerm } from './terms.js';

export function drawPatches() {
  openSides().forEach((side) => {
    const where = planes(side);
    const shares = sharesOf(side, where, stepOn(side));
    side.scene = sceneOf(side, where, shares, state);
    updateStrip(ofSide('.tv-strip', side), side, shares, stepOn(side), state.differs);
    drawWords(side);
    drawChannels(side);
  });
  find('.tv-key-words').hidden = !openSides().some((side) => side.scene.shares.intoText.some((share) => share > 0));
  root.classList.toggle('tv-mean', openSides().some((side) => !isSingle(side)));
}

/**
 * What a picture shows of a side; the last argument says what is switched on, as the state does.
 * @param {Side} side
 * @param {number[]} where
 * @param {Shares} shares
 * @param {Required<Look> & { step: number }} look
 * @returns {Scene}
 */
export function sceneOf(side, where, shares, { fill, groups, anchors, opacity, step }) {
  const { layout, pictures } = state;
  const after = Math.min(step, side.steps);
  const at = where.length === 1 ? side.patches.map((token) => holder(side, where[0], token, after)) : null;
  if (fill === 'mean') state.patchColours ??= patchColours(pictures, layout);
  return {
    layout, pictures, patches: side.patches, shares, at,
    colours: at && fill === 'colours' ? groupColours(side, where[0], after, layout, PALETTE) : null,
    means: at && fill === 'mean' && state.patchColours ? groupMeans(side, at, state.patchColours) : null,
    fill, borders: groups, anchors, opacity, heat: null, unread: null, range: [NaN, NaN], reused: reusedPatches(side),
  };
}

// ---- heat

/**
 * What the colours stand for now: an answer token that is pointed at comes before what is switched on.
 * @returns {Heat}
 */
export function heatNow() {
  const numbers = hoveredNumbers();
  if (numbers && openSides().some((side) => numbers.some((number) => side.looked[number]))) return { kind: 'looked', numbers };
  if (state.heat !== 'looked') return { kind: state.heat, numbers: null };
  return { kind: 'looked', numbers: null };
}

// On a side that has ended the last token counts; before the first, the first.
export const numbersOn = (/** @type {Side} */ side, /** @type {Heat} */ heat) => heat.numbers ?? [Math.max(0, stepOn(side) - 1)];

/** @param {Heat} heat */
export function heatKey(heat) {
  return JSON.stringify([heat, openSides().map((side) => [numbersOn(side, heat), side.known])]);
}

/** @param {Heat} heat */
export function drawHeat(heat) {
  const open = openSides();
  open.forEach((side) => {
    side.scene.heat = heat.kind === 'importance' ? patchScores(side, state.layer)
      : heat.kind === 'looked' ? patchGaze(side, numbersOn(side, heat), state.layer) : null;
  });
  open.forEach((side) => {
    const shares = readShares(side, numbersOn(side, heat), state.layer, side.patches);
    side.scene.unread = shares && shares.map((share) => 1 - share);
  });
  // What a token looked at is seen through nothing else.
  open.forEach((side) => { side.scene.fill = heat.numbers ? 'none' : state.fill; });
  const heats = /** @type {Float32Array[]} */ (open.map((side) => side.scene.heat)); // each side has one unless the kind is none
  const range = /** @type {number[]} */ (heat.kind === 'none' ? [NaN, NaN] : heatRange(heats, state.hideSinks));
  open.forEach((side) => {
    side.scene.range = range;
    bringBase(side, ofSide('.tv-patches', side));
  });
  setText(find('.tv-low'), shortNumber(range[0]));
  setText(find('.tv-high'), shortNumber(range[1]) + (state.hideSinks ? ' or more' : ''));
  setText(find('.tv-unit'), state.level === 1 ? plainUnit(heat) : unitText(heat));
  setTerm(find('.tv-unit'), heat.kind === 'looked' ? 'looked' : 'received');
  fitLegend(heat.kind, heat.numbers ? 'none' : state.fill);
}

/**
 * In most steps of an answer nothing moves in a picture: what its base shows already is not painted again.
 * @param {Side} side
 * @param {FineCanvas} canvas
 */
function bringBase(side, canvas) {
  const { width, height, ratio } = canvas;
  if (!width || !ratio) return;
  const { pictures, shares } = side.scene;
  // Tokens of the answer are in no picture.
  const inPicture = Object.values(shares).map((share) => share.subarray(0, side.tokens));
  const shown = { ...side.scene, shares: inPicture, width, height, ratio, ink: ink(), isLoaded: pictures.map((picture) => picture?.complete) };
  if (sameValues(side.painted, shown)) return;
  side.painted = shown;
  side.base = /** @type {FineCanvas} */ (Object.assign(side.base ?? document.createElement('canvas'), { width, height, ratio }));
  paintBase(side.base, side.scene, ink());
  canvas.isBare = false;
}

/**
 * Whether two values are the same, or hold the same values.
 * @param {any} a
 * @param {any} b
 * @returns {boolean}
 */
function sameValues(a, b) {
  if (Object.is(a, b)) return true;
  if (!isList(a) || !isList(b)) return isPlain(a) && isPlain(b) && Object.keys(b).every((key) => sameValues(a[key], b[key]));
  if (a.length !== b.length) return false;
  for (let i = 0; i < a.length; i++) if (!sameValues(a[i], b[i])) return false;
  return true;
}

/** @type {(value: any) => boolean} */
const isList = (value) => Array.isArray(value) || ArrayBuffer.isView(value);
/** @type {(value: any) => boolean} */
const isPlain = (value) => value?.constructor === Object;

// What was taken over from another reading asked there, and not here.
const isReused = () => openSides().some((side) => side.reuse?.tokens.length);

/**
 * The same for who asks for no numbers.
 * @param {Heat} heat
 */
function plainUnit(heat) {
  if (heat.kind !== 'looked') return 'looked at, by all ' + (isReused() ? 'that each side read' : 'of the prompt');
  return 'looked at, for this word';
}

/** @param {Heat} heat */
function unitText(heat) {
  // Attention is recorded per layer, for all heads together.
  const perHead = headNow() ? ', mean of all heads' : '';
  if (heat.kind !== 'looked') return 'attention received' + (isReused() ? ' from what each side read' : '') + perHead;
  const [side] = openSides();
  const numbers = numbersOn(side, heat);
  const isMean = state.layer && openSides().some((each) => !layerSeen(each, numbersOn(each, heat), state.layer));
  const which = numbers.length > 1 ? 'the word pointed at' : 'token ' + (numbers[0] + 1);
  return 'share of the attention of ' + which + (isMean ? ', mean of all layers' : perHead);
}

/**
 * Only what the pictures show now is explained.
 * @param {string} heat
 * @param {string} fill
 */
function fitLegend(heat, fill) {
  const shown = new Set([fill, state.anchors]);
  if (heat !== 'none') shown.add('heat');
  if (state.groups) shown.add('borders');
  if (openSides().some((side) => side.scene.unread?.some((share) => share > 0))) shown.add('unread');
  both('.tv-legend [data-for]').forEach((key) => { key.hidden = !shown.has(key.dataset.for); });
}
