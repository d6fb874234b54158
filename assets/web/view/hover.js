// Hover: what is added while something is pointed at.

import { topAnswer, topPrompt } from '../core/gaze.js';
import { holder, membersOf } from '../core/holders.js';
import { shortNumber } from '../core/numbers.js';
import { readText } from '../core/reading.js';
import { idleSentence, lookedText, lookersText, sentence } from '../core/sentences.js';
import { tokenName } from '../core/tokens.js';
import { ofSide, setClass, setText } from './dom.js';
import { ink } from './ink.js';
import { litTokens } from './light.js';
import { paintHover } from './paint_hover.js';
import { heatNow, numbersOn } from './pictures.js';
import { hoveredNumbers, openSides, planes, planesName, state, stepOn } from './state.js';
import { lightTokens } from './strip.js';

/**
 * The token of a side that is pointed at; a word of one side stands for the same word of the other.
 * @param {Side} side
 */
function tokenOn(side) {
  const { hover } = state;
  if (!hover || !side.opened) return null;
  if (hover.patch !== undefined) return side.patches[hover.patch] ?? null;
  if (hover.token === undefined) return null;
  const own = state.sides[hover.side];
  if (side === own) return hover.token;
  if (hover.token >= own.tokens) return hover.token - own.tokens < side.known ? side.tokens + hover.token - own.tokens : null;
  return side.tokens === own.tokens && side.pieces[hover.token] === own.pieces[hover.token] ? hover.token : null;
}

export function drawHover() {
  const numbers = hoveredNumbers();
  const shown = openSides().filter((side) => side.scene).map((side) => hoverOf(side, numbers));
  const own = shown.find(({ side }) => side.number === state.hover?.side);
  shown.forEach(showHover);
  return own?.text ?? '';
}

/**
 * @param {Side} side
 * @param {number[] | null} numbers
 */
export function hoverOf(side, numbers) {
  const token = tokenOn(side);
  const where = planes(side);
  const step = stepOn(side);
  const at = token !== null && where.length === 1 && !state.blind ? holder(side, where[0], token, step) : -1;
  const members = token !== null && at >= 0 ? membersOf(side, where[0], token, step) : [];
  const lookers = token !== null && !numbers ? topAnswer(side, token, state.layer) : [];
  const seen = token !== null && numbers ? topPrompt(side, numbers, state.layer) : [];
  const lookText = token === null ? idleGaze(side) : numbers ? lookedText(side, side.scene.heat ?? [NaN], seen) : lookersText(side, lookers);
  const text = state.blind ? (token === null ? '' : tokenName(side, token, state.layout)) : token === null
    ? idleSentence(side, side.scene.shares, where)
    : sentence(side, token, where, step, state.layout) + received(side, token);
  const read = state.blind ? '' : readText(side, numbersOn(side, heatNow()), state.layer, token);
  return { side, token, at, members, lookers, seen, numbers, text: text + read + lookText };
}

/** @param {Side} side */
function idleGaze(side) {
  return state.heat === 'looked' && side.scene.heat ? lookedText(side, side.scene.heat, []) : '';
}

/** @param {ReturnType<typeof hoverOf>} given */
function showHover({ side, token, at, members, lookers, seen, numbers, text }) {
  const canvas = ofSide('.tv-patches', side);
  const patchOf = (/** @type {number} */ member) => (member >= 0 && member < side.tokens ? side.patchOf[member] : -1);
  const lit = litTokens(side);
  const onPicture = (/** @type {number[]} */ tokens) => tokens.map(patchOf).filter((patch) => patch >= 0);
  const over = token === null && !lit.length ? null : {
    patch: patchOf(token ?? -1), anchor: patchOf(at), members: onPicture(members), lit: onPicture(lit), tint: state.litColour,
  };
  if (over || !canvas.isBare) paintHover(canvas, side.base, side.scene, over, ink());
  canvas.isBare = !over;
  const says = ofSide('.tv-says', side);
  if (token === null && says.textContent && !says.classList.contains('tv-idle')) keepRoom(says);
  setText(says, text);
  setClass(says, 'tv-idle', token === null);
  const label = 'Image patches, ' + side.title + ', after token ' + stepOn(side) + ', ' + planesName(side) + '. ' + text
    + '. Arrow keys move from patch to patch, Enter holds one, Escape lets go.';
  if (canvas.getAttribute('aria-label') !== label) canvas.setAttribute('aria-label', label);
  lightTokens(side, 'tv-lit', token === null ? lit : [token, at, ...members, ...lit]);
  const answerTokens = [...lookers.map(([number]) => number), ...(token === null ? [] : numbers ?? [])];
  lightTokens(side, 'tv-looks', [...lookers.map(([number]) => side.tokens + number), ...seen.map(([given]) => given)]);
  lightWords(side, answerTokens);
}

/**
 * Words that go leave their room: what stands below does not move under a pointer that is on its way to it.
 * @param {HTMLElement} says
 */
function keepRoom(says) {
  const { height } = says.getBoundingClientRect();
  if (height) says.style.minHeight = height + 'px';
}

/**
 * Light exactly the words that those answer tokens are part of. Which ones are lit is remembered: a long answer has too
 * many words to ask each of them at every step.
 * @param {Side} side
 * @param {number[]} numbers
 */
function lightWords(side, numbers) {
  const named = numbers.length ? side.words?.filter((word) => numbers.some((number) => word.numbers.includes(number))) : [];
  const nodes = new Set(named?.map(({ node }) => node));
  side.litWords?.forEach((node) => { if (!nodes.has(node)) node.classList.remove('tv-lit'); });
  nodes.forEach((node) => node.classList.add('tv-lit'));
  side.litWords = nodes;
}

/**
 * @param {Side} side
 * @param {number} token
 */
function received(side, token) {
  const score = state.heat === 'importance' && token < side.tokens ? side.scene.heat?.[side.patchOf[token]] : undefined;
  return score === undefined || Number.isNaN(score) ? '' : ' · attention received ' + shortNumber(score);
}
