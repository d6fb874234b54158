// Layers: one column per layer, which shows how much of the prompt it kept and, when clicked, becomes the layer shown.

import { isUneven, layerAfterKey, layerFigures, layerWords } from '../core/layers.js';
import { shortNumber } from '../core/numbers.js';
import { termNode } from './terms.js';

/** @param {any} box */
export function buildLayers(box) {
  const group = document.createElement('div');
  group.className = 'tv-columns';
  group.setAttribute('role', 'radiogroup');
  group.setAttribute('aria-label', 'Layer');
  const says = document.createElement('p');
  says.className = 'tv-layer-says';
  box.replaceChildren(group, says);
  /** @type {(event: Event) => Column | null} */
  const columnOf = (event) => /** @type {Element} */ (event.target).closest('.tv-column');
  group.addEventListener('click', (event) => { if (columnOf(event)) takeLayer(box, Number(columnOf(event)?.dataset.layer)); });
  group.addEventListener('pointerover', (event) => sayLayer(box, columnOf(event)));
  group.addEventListener('focusin', (event) => sayLayer(box, columnOf(event)));
  group.addEventListener('pointerleave', () => sayLayer(box, chosenColumn(box)));
  group.addEventListener('focusout', () => sayLayer(box, chosenColumn(box)));
  group.addEventListener('keydown', (event) => {
    const to = layerAfterKey(event.key, Number(columnOf(event)?.dataset.layer), group.children.length);
    if (to === null) return;
    event.preventDefault();
    event.stopPropagation();
    takeLayer(box, to);
  });
}

/**
 * @param {any} box
 * @param {number} layer
 */
function takeLayer(box, layer) {
  box.querySelector('[data-layer="' + layer + '"]').focus();
  box.choose(layer);
}

/**
 * @param {any} box
 * @returns {Column | null}
 */
function chosenColumn(box) {
  return box.querySelector('[aria-checked="true"]');
}

/**
 * Columns are made anew for another run only; otherwise the choice moves.
 * @param {any} box
 * @param {Side[]} sides
 * @param {number} layer
 * @param {(layer: number) => void} choose
 */
export function drawLayers(box, sides, layer, choose) {
  const open = sides.filter((side) => side.opened);
  const group = box.querySelector('.tv-columns');
  box.choose = choose;
  if (!sameItems(box.shownSides ?? [], open)) {
    box.shownSides = open;
    group.replaceChildren(...(open.length ? [...Array(open[0].layers + 1).keys()].map((number) => columnFor(open, number)) : []));
    group.classList.toggle('tv-dense', group.children.length > 16);
    group.classList.toggle('tv-uneven', open.some(isUneven));
  }
  [...group.children].forEach((column, number) => {
    column.setAttribute('aria-checked', number === layer);
    column.tabIndex = number === layer ? 0 : -1;
  });
  sayLayer(box, group.querySelector(':hover') ?? chosenColumn(box));
}

/**
 * @param {Side[]} a
 * @param {Side[]} b
 */
function sameItems(a, b) {
  return a.length === b.length && a.every((item, i) => item === b[i]);
}

// ---- drawing

/**
 * @param {Side[]} sides
 * @param {number} number
 */
function columnFor(sides, number) {
  const figures = sides.map((side) => layerFigures(side, number));
  const column = /** @type {Column} */ (document.createElement('button'));
  column.type = 'button';
  column.className = 'tv-column';
  column.setAttribute('role', 'radio');
  /** @type {(name: 'kept' | 'overlap' | 'sparsity') => string} */
  const list = (name) => figures.map((figure) => (Number.isFinite(figure[name]) ? figure[name].toFixed(4) : '')).join(',');
  Object.assign(column.dataset, { layer: number, kept: list('kept'), overlap: list('overlap'), sparsity: list('sparsity') });
  const parts = layerWords(figures, number, sides[0].layers);
  column.title = parts.map((part) => part.text).join(' · ');
  column.setAttribute('aria-label', column.title);
  column.words = parts;
  const plot = document.createElement('span');
  plot.className = 'tv-bars';
  figures.forEach(({ side, kept }) => plot.append(layerMark('tv-bar-kept', side, 'height', kept)));
  figures.forEach(({ side, overlap }) => {
    if (Number.isFinite(overlap)) plot.append(layerMark('tv-overlap', side, 'bottom', overlap));
  });
  if (Number.isFinite(figures[0].sparsity)) plot.append(layerMark('tv-sparse', figures[0].side, 'bottom', figures[0].sparsity));
  const name = document.createElement('span');
  name.className = 'tv-number';
  name.textContent = String(number || 'mean');
  const counts = document.createElement('span');
  counts.className = 'tv-counts';
  counts.append(...figures.filter(({ slots }) => Number.isFinite(slots)).map(({ slots }) => countOf(slots)));
  column.append(plot, counts, name);
  return column;
}

/** @param {number} slots */
function countOf(slots) {
  const count = document.createElement('span');
  count.textContent = shortNumber(Math.round(slots));
  return count;
}

/**
 * @param {string} className
 * @param {Side} side
 * @param {'height' | 'bottom'} property
 * @param {number} share
 */
function layerMark(className, side, property, share) {
  const mark = markOf(className, side);
  mark.style[property] = (100 * Math.min(1, Math.max(0, share))).toFixed(1) + '%';
  return mark;
}

/**
 * @param {string} className
 * @param {Side} side
 */
function markOf(className, side) {
  const mark = document.createElement('i');
  mark.className = className;
  mark.dataset.side = side.letter;
  return mark;
}

/**
 * @param {any} box
 * @param {Column | null} column
 */
function sayLayer(box, column) {
  const says = box.querySelector('.tv-layer-says');
  const words = column?.words ?? [];
  if (says.words === words) return;
  says.words = words;
  says.replaceChildren(...words.map(({ mark, side, text, term }) => {
    const part = document.createElement('span');
    if (mark && side) part.append(markOf(mark, side));
    part.append(term ? termNode(term, text) : text);
    return part;
  }));
}
