// Strip: the tokens in reading order, the image folded into one block, each with what became of it.

import { reusedPatches } from '../core/reusing.js';
import { imageSummary } from '../core/sentences.js';
import { answerFate, fateOf, isMarker, pieceOf, tokenName, viewOf } from '../core/tokens.js';
import { isDue, newGrowth, noteEnd } from './sight.js';
import { state } from './state.js';

/**
 * @param {number | null} token
 * @param {string} className
 * @returns {StripBox}
 */
function stripBox(token, className) {
  const box = document.createElement('span');
  box.className = className;
  box.setAttribute('role', 'option');
  box.tabIndex = -1;
  if (token !== null) box.dataset.token = String(token);
  return box;
}

/**
 * Boxes for the tokens before the answer; answer tokens follow as they come.
 * @param {HTMLElement} strip
 * @param {Side} side
 */
export function buildStrip(strip, side) {
  side.boxes = [];
  side.blocks = [];
  const nodes = [];
  for (let token = 0; token < side.tokens; token++) {
    if (side.is_image[token]) {
      const block = newBlock(side, token);
      side.blocks.push(block);
      nodes.push(block.box);
      token = block.end - 1;
    } else nodes.push(side.boxes[token] = tokenBox(side, token));
  }
  if (nodes.length) nodes[0].tabIndex = 0;
  strip.replaceChildren(...nodes);
}

/**
 * A view, from its first patch on, as one: what ends its rows is part of it.
 * @param {Side} side
 * @param {number} first
 * @returns {StripBlock}
 */
function newBlock(side, first) {
  const box = stripBox(null, 'tv-token tv-image');
  sayUnfolded(box, false);
  const view = viewOf(side, first);
  let end = first;
  while (viewOf(side, end) === view) end++;
  const isReused = reusedPatches(side);
  box.classList.toggle('tv-reused', side.patches.some((token, patch) => token >= first && token < end && isReused?.[patch]));
  return { box, name: state.layout.views[view].name, first, end, patches: side.patches.filter((token) => token >= first && token < end), cells: null };
}

/**
 * @param {Side} side
 * @param {number} token
 */
function tokenBox(side, token) {
  const box = stripBox(token, isMarker(side, token) ? 'tv-token tv-marker' : 'tv-token');
  if (isMarker(side, token)) box.title = tokenName(side, token, state.layout);
  box.dataset.by = token >= side.tokens || !side.is_prompt[token] ? 'model' : 'prompt';
  box.classList.toggle('tv-reused', Boolean(side.reuse?.tokens.includes(token)));
  const word = document.createElement('bdi');
  word.textContent = pieceOf(side, token);
  box.append(word);
  return box;
}

/**
 * An option of a list cannot be expanded, by the rules of ARIA: whether it is, its description says.
 * @param {HTMLElement} box
 * @param {boolean} isOpen
 */
function sayUnfolded(box, isOpen) {
  box.dataset.open = String(isOpen);
  box.setAttribute('aria-description', isOpen ? 'shown one by one' : 'shown as one');
}

/**
 * Show the patches of an image block one by one, or as one again. Thousands of cells exist only while they are seen.
 * @param {Side} side
 * @param {StripBlock} block
 * @param {boolean} isOpen
 */
function unfold(side, block, isOpen) {
  if (isOpen === Boolean(block.cells)) return;
  sayUnfolded(block.box, isOpen);
  if (!isOpen) {
    block.cells?.remove();
    for (let token = block.first; token < block.end; token++) delete side.boxes[token];
    block.cells = null;
    return;
  }
  block.cells = document.createElement('span');
  block.cells.className = 'tv-cells';
  block.cells.setAttribute('role', 'group');
  block.cells.setAttribute('aria-label', 'Image patches' + (block.name ? ', ' + block.name : ''));
  for (let token = block.first; token < block.end; token++) {
    const cell = stripBox(token, isMarker(side, token) ? 'tv-cell tv-marker' : 'tv-cell');
    if (isMarker(side, token)) Object.assign(cell, { textContent: pieceOf(side, token), title: tokenName(side, token, state.layout) });
    side.boxes[token] = cell;
    block.cells.append(cell);
  }
  block.box.after(block.cells);
}

/**
 * Bring the strip to a step. `shares` of the side's planes; a token is what it is in most of them.
 * @param {HTMLElement} strip
 * @param {Side} side
 * @param {Shares} shares
 * @param {number} step
 * @param {number | null} differs
 */
export function updateStrip(strip, side, shares, step, differs) {
  growStrip(strip, side);
  side.blocks.forEach((block) => unfold(side, block, side.unfolded));
  side.boxes.forEach((box, token) => {
    const isAnswer = token >= side.tokens;
    showFate(box, ...isAnswer ? answerFate(side, shares, token, step) : fateOf(shares, token));
  });
  side.blocks.forEach(({ box, name, patches }) => {
    const text = imageSummary(side, shares, name, patches);
    if (box.textContent !== text) box.textContent = text;
  });
  markSteps(side, step, differs);
}

/**
 * @param {HTMLElement} strip
 * @param {Side} side
 */
function growStrip(strip, side) {
  const end = side.tokens + side.known;
  const growth = side.stripGrowth ??= newGrowth('patches');
  if (side.boxes.length >= end || !isDue(growth)) return;
  const added = [];
  for (let token = side.tokens; token < end; token++) {
    if (!side.boxes[token]) added.push(side.boxes[token] = tokenBox(side, token));
  }
  strip.append(...added);
  noteEnd(growth, strip.lastElementChild);
}

/**
 * What a box shows is remembered beside it: reading it back from the page takes longer.
 * @param {StripBox} box
 * @param {string} fate
 * @param {number} share
 */
function showFate(box, fate, share) {
  if (box.fate !== fate) box.dataset.fate = box.fate = fate;
  const level = Math.round(share * 100) / 100;
  if (box.level === level) return;
  box.level = level;
  box.dataset.share = level.toFixed(2);
  box.style.setProperty('--tv-share', String(level));
}

/**
 * @param {Side} side
 * @param {number} step
 * @param {number | null} differs
 */
function markSteps(side, step, differs) {
  /** @type {Record<string, StripBox | undefined>} */
  const marks = { 'tv-current': side.boxes[side.tokens + step - 1], 'tv-fork-token': side.boxes[side.tokens + (differs ?? 0)] };
  if (differs === null) marks['tv-fork-token'] = undefined;
  const marked = side.marked ??= {};
  Object.entries(marks).forEach(([name, box]) => {
    if (marked[name] === box) return;
    marked[name]?.classList.remove(name);
    box?.classList.add(name);
    marked[name] = box;
  });
  marked['tv-fork-token']?.setAttribute('aria-description', 'the first token that differs');
}

/**
 * Give exactly these tokens a class.
 * @param {Side} side
 * @param {string} name
 * @param {Iterable<number>} tokens
 */
export function lightTokens(side, name, tokens) {
  side.lights ??= {};
  const boxes = new Set([...tokens].map((token) => side.boxes[token]).filter(Boolean));
  side.lights[name]?.forEach((box) => { if (!boxes.has(box)) box.classList.remove(name); });
  boxes.forEach((box) => box.classList.add(name));
  side.lights[name] = boxes;
}
