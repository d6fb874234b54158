// State: what the view shows, what can be read from it, and who is told when it changes.

import { PRESETS } from '../core/address.js';
import { planesOf } from '../core/holders.js';
import { layOut } from '../core/views.js';

/** @type {State} */
export const state = {
  run: null, seq: -1, done: false, status: '', question: '', layout: layOut([]), pictures: [], patchColours: null, sides: [],
  turns: [], live: null, // of the conversation, and the run of its last turn: the one looked at may be an earlier one
  coming: null, // a question that nothing was answered to yet
  shape: null, about: {}, link: {}, // of the run: the model's shape, where it ran, the page's parameters that ask it again
  opacity: 0.7, ...PRESETS.looked, size: 'both', level: 1, layer: 0, head: 0, hideSinks: false, // what the pictures show
  step: 0, follow: true, playing: false, speed: 1,
  wipe: 0.5, // how much of the wiped picture is A's
  stood: false, // whether the complete run was once shown where its answers part
  hover: null, // {side, patch}, {side, token} or {side, token, numbers}: a word of several answer tokens
  locked: false,
  lit: '', litColour: '', // what a word beside the view names
  blind: false, // somebody is to guess who keeps a slot: nothing tells
  story: { sentences: [], patches: [] }, // what a complete run comes to
  differs: null, // number of the first answer token that differs
  wanted: null, // what the address asks for, until it is shown
  askedFrom: null, fetching: false, noLayers: false, // of the server
};

// ---- who is told

/** @type {(() => void)[]} */
const choiceListeners = [];
/** @type {((due: Set<Part>) => void)[]} */
const frameListeners = [];
/** @type {Set<Part>} */
const stale = new Set();
let frameDue = 0;

/**
 * Called at once, after every choice.
 * @param {() => void} listener
 */
export function onChoice(listener) {
  choiceListeners.push(listener);
}

/**
 * Called with what is out of date, in the next frame, in the order in which they came here.
 * @param {(due: Set<Part>) => void} listener
 */
export function onFrame(listener) {
  frameListeners.push(listener);
}

/**
 * @param {Partial<State>} change
 * @param {...Part} parts
 */
export function choose(change, ...parts) {
  Object.assign(state, change);
  if (needsOne()) needSingle();
  choiceListeners.forEach((listener) => listener());
  redraw(...parts);
}

/** @param {...Part} parts */
export function redraw(...parts) {
  parts.forEach((part) => stale.add(part));
  frameDue ||= requestAnimationFrame(() => {
    frameDue = 0;
    const due = new Set(stale);
    stale.clear();
    if (state.sides.length) frameListeners.forEach((listener) => listener(due));
  });
}

// ---- readings

export const lastStep = () => Math.max(0, ...state.sides.map((side) => side.steps));
export const isOpen = () => state.sides.some((side) => side.opened);
export const openSides = () => state.sides.filter((side) => side.opened);
export const mostHeads = () => Math.max(1, ...state.sides.map((side) => side.heads ?? 1));
// Heads are told apart within one layer only.
export const headNow = () => (state.layer && mostHeads() > 1 ? state.head : 0);
/** @param {Side} side */
export const planes = (side) => planesOf(side, state.layer, headNow());
/** @param {Side} side */
export const isSingle = (side) => planes(side).length === 1;
/** @param {Side} side */
export const stepOn = (side) => Math.min(state.step, side.steps);

// Groups are those of one layer and one head.
export const needsOne = () => state.groups || state.size === 'wipe' || ['colours', 'mean'].includes(state.fill);

function needSingle() {
  // The middle one: the first layers, which look everywhere, keep the least telling groups.
  state.layer ||= Math.ceil((state.sides[0]?.layers ?? 1) / 2);
  if (mostHeads() > 1) state.head ||= 1;
}

export function layerName() {
  const layers = state.sides[0]?.layers ?? 1;
  return state.layer ? 'layer ' + state.layer + ' of ' + layers : 'mean of all ' + layers + ' layers';
}

/**
 * Which of a side's planes its picture shows, in words.
 * @param {Side} side
 */
export function planesName(side) {
  if (side.heads < 2) return layerName();
  if (!state.layer) return layerName() + ' and ' + side.heads + ' heads';
  return layerName() + ', ' + (state.head ? 'head ' + state.head + ' of ' + side.heads : 'mean of all ' + side.heads + ' heads');
}

// The answer tokens that are pointed at, numbered from 0.
export function hoveredNumbers() {
  const { hover } = state;
  const own = hover && state.sides[hover.side];
  if (!hover || !own?.opened || hover.token === undefined || hover.token < own.tokens) return null;
  return hover.numbers ?? [hover.token - own.tokens];
}
