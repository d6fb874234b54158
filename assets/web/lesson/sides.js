// Sides: the recorded run has many; the view shows two at a time, the small pictures all.

import { readMode } from '../core/address.js';
import { heatRange, patchGaze, patchScores } from '../core/gaze.js';
import { holder, planesOf, sharesOf } from '../core/holders.js';
import { newSide, openSide, takeSteps } from '../core/messages.js';
import { setText, tag } from '../view/dom.js';
import { take } from '../view/inbox.js';
import { ink } from '../view/ink.js';
import { paintBase } from '../view/paint.js';
import { sceneOf } from '../view/pictures.js';
import { choose, planes, state } from '../view/state.js';
import { part, press } from './dom.js';
import { lesson, stepNow } from './state.js';
import { wordsOf } from './texts.js';

/** @param {string} name */
function pairName(name) {
  return 'lesson/' + name;
}

/**
 * The full cache and one other side, or the full cache alone, as a message the view takes.
 * @param {string} name
 */
export function showPair(name) {
  if (state.run === pairName(name)) return;
  const { run, names } = lesson.value;
  const number = names.indexOf(name);
  const pick = (/** @type {any[]} */ list) => (number ? [list[0], list[number]] : [list[0]]);
  take({ ...run, run: pairName(name), opening: { ...run.opening, link: {}, sides: pick(run.opening.sides) }, sides: pick(run.sides) });
}

/**
 * A side of the run that the view need not show.
 * @param {string} name
 */
export function sideNamed(name) {
  lesson.sides[name] ??= makeSide(lesson.value.names.indexOf(name));
  return lesson.sides[name];
}

/** @param {number} number */
function makeSide(number) {
  const { opening, sides } = lesson.value.run;
  const side = newSide(1);
  openSide(side, opening.sides[number]);
  takeSteps(side, sides[number], 0);
  return side;
}

/**
 * The patch that holds each patch: -1 where that is a word, null where it was dropped.
 * @param {Side} side
 * @returns {(patch: number) => number | null}
 */
export function ownersOf(side) {
  const [plane] = planes(side);
  return (patch) => {
    const at = holder(side, plane, side.patches[patch], 0);
    return at < 0 ? null : at < side.tokens ? side.patchOf[at] : -1;
  };
}

// ---- small pictures

/**
 * A canvas that shows a side as `look` says: mode, layer (0: all), t.
 * @param {Side} side
 * @param {SmallLook} look
 */
export function smallPicture(side, look) {
  const canvas = Object.assign(tag('canvas', 'ls-small'), { width: 320, height: Math.round(320 * state.layout.ratio), ratio: 2 });
  canvas.setAttribute('aria-hidden', 'true');
  const switches = /** @type {Required<Look> & { step: number }} */ ({ ...readMode(look.mode), step: look.t, opacity: 0.62 });
  const where = planesOf(side, look.layer, oneHead(side, switches));
  const scene = sceneOf(side, where, sharesOf(side, where, Math.min(look.t, side.steps)), switches);
  scene.heat = heatOf(side, look, switches.heat);
  if (scene.heat) scene.range = /** @type {number[]} */ (heatRange([scene.heat], false));
  paintBase(canvas, scene, ink());
  return canvas;
}

/**
 * Groups are those of one head where heads choose for themselves.
 * @param {Side} side
 * @param {Look} look
 */
function oneHead(side, { groups, fill }) {
  return side.heads > 1 && (groups || fill === 'colours') ? 1 : 0;
}

/**
 * @param {Side} side
 * @param {SmallLook} look
 * @param {string} kind
 */
function heatOf(side, { layer, t }, kind) {
  if (kind === 'importance') return patchScores(side, layer);
  return kind === 'looked' ? patchGaze(side, [Math.max(0, t - 1)], layer) : null;
}

// One picture per layer, or per side.
export function drawMany() {
  const { multiples, look } = stepNow();
  const box = part('many');
  box.dataset.of = multiples?.of ?? '';
  if (!multiples || lesson.phase !== 'act' || lesson.free) return box.replaceChildren();
  const figures = multiples.of === 'layers' ? figuresOfLayers(multiples, look) : figuresOfSides(multiples, look);
  box.style.setProperty('--ls-count', figures.length);
  box.replaceChildren(...figures);
}

/**
 * @param {Multiples} multiples
 * @param {LessonLook} look
 */
function figuresOfLayers(multiples, look) {
  const side = sideNamed(lesson.value.names[0]);
  const numbers = [...Array(side.layers).keys()].map((layer) => layer + 1);
  return numbers.map((layer) => manyButton(
    smallPicture(side, { mode: multiples.mode, layer, t: look.t }),
    [wordsOf('layer', { n: layer })], state.layer === layer, { layer }, () => choose({ layer }, 'patches', 'chart'),
  ));
}

/**
 * @param {Multiples} multiples
 * @param {LessonLook} look
 */
function figuresOfSides(multiples, look) {
  const full = lesson.value.run.sides[0].answer;
  return multiples.sides.map((name, i) => {
    const side = sideNamed(name);
    const isSame = side.answer === full;
    const answer = tag('span', isSame ? 'ls-answer' : 'ls-answer ls-differs', '“' + side.answer + '” ' + (isSame ? '✓' : '✗'));
    return manyButton(
      smallPicture(side, { mode: multiples.mode, layer: look.layer, t: look.t }),
      [tag('b', '', multiples.titles[i]), tag('span', '', multiples.notes[i]), answer], state.run === pairName(name), { side: name }, () => switchTo(name),
    );
  });
}

/**
 * @param {HTMLCanvasElement} canvas
 * @param {(string | Node)[]} label
 * @param {boolean} isChosen
 * @param {Filled} data
 * @param {() => void} action
 */
function manyButton(canvas, label, isChosen, data, action) {
  const button = press('ls-one', '', () => { action(); drawMany(); drawKeys(); });
  button.append(canvas, tag('span', 'ls-label', ...label));
  button.setAttribute('aria-pressed', String(isChosen));
  Object.assign(button.dataset, data);
  return button;
}

// ---- switches

export function drawSwitches() {
  const { switches } = stepNow();
  const shown = switches.length && lesson.phase === 'act' && !lesson.free ? switches : [];
  const buttons = shown.map(({ side, text }) => {
    const button = press('ls-switch', text, () => switchTo(side));
    button.dataset.side = side;
    button.setAttribute('aria-pressed', String(state.run === pairName(side)));
    return button;
  });
  const chosen = shown.find(({ side }) => state.run === pairName(side));
  part('switches').replaceChildren(...buttons, ...(chosen ? [tag('p', 'ls-switch-note', chosen.note)] : []));
}

// ---- what one token leaves, and which layer is drawn

export function drawKeys() {
  const { figure, look } = stepNow();
  const [side] = state.sides;
  const isShown = figure === 'keys' && !lesson.free;
  part('keys-of').replaceChildren(...(isShown ? [
    tag('b', 'ls-key-token', wordsOf('one_token')),
    ...Array.from({ length: side.layers }, (_, layer) => [
      tag('span', 'ls-key-layer', wordsOf('layer', { n: layer + 1 })), tag('i', 'ls-key', wordsOf('key')), tag('i', 'ls-value', wordsOf('value')),
    ]).flat(),
  ] : []));
  const isNamed = look.layer > 0 && lesson.phase !== 'read' && !lesson.free;
  setText(part('drawn'), isNamed ? wordsOf('drawn', { n: state.layer }) : '');
}

/**
 * Another side as B, everything else as it is.
 * @param {string} name
 */
function switchTo(name) {
  const { layer, head, step, heat, fill, anchors, groups, opacity, size, hideSinks } = state;
  showPair(name);
  choose({ layer, head, step, follow: false, heat, fill, anchors, groups, opacity, size, hideSinks }, 'answers', 'patches', 'chart');
  drawSwitches();
  drawMany();
}
