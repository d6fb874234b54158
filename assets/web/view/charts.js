// Charts over the answer, drawn as SVG so that they take the page's colours: bytes in use, and how sure both sides are.

import {
  corners, differsAt, labelPlaces, limitPoints, memoryPoints, memoryWords, path, plotFor, roomPoints, shortTitle, surePoints,
  sureWords,
} from '../core/charts.js';
import { bytesText, niceSteps, percentText, shortTick, unitFor } from '../core/numbers.js';
import { bytesReadAt, readPoints } from '../core/reading.js';
import { visiblePiece } from '../core/words.js';
import { svg } from './dom.js';

/**
 * Fits the drawing to its box: the edges, and where steps and values are. Ticks are in units of `size`.
 * @param {Chart} box
 * @param {number[]} ticks
 * @param {number} size
 * @param {number} last
 * @param {number} top
 */
function plotIn(box, ticks, size, last, top) {
  // Measured where the size changes: asking here would lay the page out in the middle of a frame.
  const room = box.room ?? roomIn(box);
  box.setAttribute('viewBox', '0 0 ' + room.width + ' ' + room.height);
  const plot = plotFor(room, ticks, size, last, top);
  box.chart = plot.steps;
  return plot;
}

/**
 * @param {Element} box
 * @returns {Room}
 */
export function roomIn(box) {
  return { width: box.clientWidth || 300, height: box.clientHeight || 160, em: parseFloat(getComputedStyle(box).fontSize) };
}

/**
 * @param {Plot} plot
 * @param {number[]} ticks
 * @param {string} unit
 * @param {number} size
 * @param {number} last
 * @returns {SVGElement[]}
 */
function axes({ width, scale, edge, x, y }, ticks, unit, size, last) {
  const nodes = ticks.flatMap((tick) => [
    svg('line', { class: 'tv-grid', x1: edge.left, x2: width - edge.right, y1: y(tick * size), y2: y(tick * size) }),
    svg('text', { class: 'tv-tick', x: edge.left - 6, y: y(tick * size) + 4 * scale, 'text-anchor': 'end' }, shortTick(tick)),
  ]);
  nodes.push(svg('text', { class: 'tv-tick', x: 2, y: 11 * scale }, unit));
  const base = y(0) + 16 * scale;
  nodes.push(svg('text', { class: 'tv-tick', x: x(0), y: base }, '0'));
  if (last) nodes.push(svg('text', { class: 'tv-tick', x: x(last), y: base, 'text-anchor': 'end' }, last + ' answer tokens'));
  return nodes;
}

/**
 * A chart has two layers: over what only more steps or another size change lies what moves with time. The lower one is
 * drawn anew where its key is another, so that scrubbing a long answer draws a line and some words.
 * @template Drawn
 * @param {Chart} box
 * @param {Side[]} sides
 * @param {number} last
 * @param {() => { nodes: SVGElement[], plot: Plot, drawn: Drawn }} draw
 * @returns {{ plot: Plot, drawn: Drawn, moving: SVGElement }}
 */
function onLayers(box, sides, last, draw) {
  const key = JSON.stringify([last, box.room ?? roomIn(box), sides.map((side) => [side.title, side.known, side.steps, side.finish])]);
  // A new run has new sides.
  if (box.layers?.key !== key || box.layers.first !== sides[0]) {
    const { nodes, plot, drawn } = draw();
    const [still, moving] = [svg('g', {}), svg('g', {})];
    still.append(...nodes);
    box.replaceChildren(still, moving);
    box.layers = { key, first: sides[0], plot, drawn, moving };
  }
  return box.layers;
}

/**
 * @param {Plot} plot
 * @param {number} step
 */
function nowLine({ edge, x, y }, step) {
  return svg('line', { class: 'tv-now', x1: x(step), x2: x(step), y1: edge.top - 6, y2: y(0) });
}

/**
 * @param {Chart} box
 * @param {Side[]} sides
 * @param {number} step
 * @param {number} last
 */
export function drawMemory(box, sides, step, last) {
  const open = sides.filter((side) => side.opened);
  if (!open.length) { empty(box); return; }
  const { plot, moving } = onLayers(box, open, last, () => memoryLines(box, open, last));
  moving.replaceChildren(...last ? [nowLine(plot, step)] : [], ...readLabels(open, plot, step), ...endLabels(open, plot, step));
  box.setAttribute('aria-label', 'Bytes of keys and values after ' + step + ' answer tokens: '
    + open.map((side) => memoryWords(side, step)).join(', '));
}

/** @param {Chart} box */
function empty(box) {
  box.replaceChildren();
  box.layers = null;
}

/**
 * @param {Chart} box
 * @param {Side[]} open
 * @param {number} last
 */
function memoryLines(box, open, last) {
  const lines = open.flatMap((side) => /** @type {[Side, string, number[][]][]} */ ([
    [side, 'tv-room', roomPoints(side)], [side, 'tv-limit', limitPoints(side)], [side, 'tv-read', readPoints(side)], [side, 'tv-line', memoryPoints(side)],
  ])).filter(([, , points]) => points.length);
  const high = lines.flatMap(([, , points]) => points).reduce((most, [, bytes]) => Math.max(most, bytes), 1);
  const [unit, size] = unitFor(high);
  const ticks = niceSteps(high * 1.12 / size, 4);
  const plot = plotIn(box, ticks, size, last, 22);
  const nodes = axes(plot, ticks, unit, size, last);
  lines.forEach(([side, kind, points]) => {
    nodes.push(svg('path', { class: kind, 'data-side': side.letter, d: path(corners(points, plot.x, plot.y)) }));
  });
  nodes.push(...limitKey(plot, open.filter((side) => limitPoints(side).length)));
  return { nodes, plot, drawn: null };
}

/**
 * @param {Plot} plot
 * @param {Side[]} limited
 */
function limitKey({ width, em, scale, edge }, limited) {
  if (!limited.length) return [];
  const whose = limited.length > 1 ? 'the policies aim' : shortTitle(limited[0]) + ' aims';
  const long = 'what ' + whose + ' at';
  // As wide as its letters may be: measuring it would lay the page out in the middle of a frame.
  const text = edge.left + 41 + long.length * 0.45 * em > width ? 'aim' : long;
  const left = edge.left + 4;
  return [
    svg('line', { class: 'tv-limit', 'data-side': limited[0].letter, x1: left, x2: left + 30, y1: 7 * scale, y2: 7 * scale }),
    svg('text', { class: 'tv-tick', x: left + 37, y: 11 * scale }, text),
  ];
}

/**
 * What a word reads at the marked step, at the beginning of its line: at the ends are the names of what is held.
 * @param {Side[]} sides
 * @param {Plot} plot
 * @param {number} step
 */
function readLabels(sides, plot, step) {
  const reading = sides.filter((side) => Number.isFinite(bytesReadAt(side, step)));
  return reading.map((side) => svg(
    'text', { class: 'tv-label', 'data-side': side.letter, x: plot.edge.left + 6, y: plot.y(bytesReadAt(side, 1)) - 7 },
    (reading.length > 1 ? shortTitle(side) + ' ' : '') + 'reads ' + bytesText(bytesReadAt(side, step)),
  ));
}

/**
 * The name and the bytes at the marked step, at the end of each line.
 * @param {Side[]} sides
 * @param {Plot} plot
 * @param {number} step
 */
function endLabels(sides, plot, step) {
  return labelPlaces(sides, plot, step).map(({ side, bytes, at }) => svg(
    'text', { class: 'tv-label', 'data-side': side.letter, x: plot.width - plot.edge.right - 9, y: at, 'text-anchor': 'end' },
    shortTitle(side) + ' ' + bytesText(bytes),
  ));
}

/**
 * @param {Chart} box
 * @param {Side[]} sides
 * @param {number} step
 * @param {number} last
 */
export function drawCertainty(box, sides, step, last) {
  const open = sides.filter((side) => side.opened);
  if (!open.length) { empty(box); return; }
  const [first] = sides;
  const { plot, drawn, moving } = onLayers(box, open, last, () => certaintyLines(box, open, first, last));
  const keys = open.flatMap((side, i) => sureKey(side, i, drawn[i][step - 1], plot));
  moving.replaceChildren(...last ? [nowLine(plot, step)] : [], ...keys);
  box.setAttribute('aria-label', 'Probability of ' + first.title + '’s own answer tokens'
    + (step ? ', token ' + step + ' “' + visiblePiece(first.answer_pieces[step - 1] ?? '') + '”: ' : ': ')
    + open.map((side, i) => side.title + ' ' + sureWords(side, first, drawn[i], step)).join(', '));
}

/**
 * @param {Chart} box
 * @param {Side[]} open
 * @param {Side} first
 * @param {number} last
 */
function certaintyLines(box, open, first, last) {
  const ticks = [0, 50, 100];
  const plot = plotIn(box, ticks, 0.01, last, 12 + 17 * open.length);
  const nodes = axes(plot, ticks, '%', 0.01, last);
  const all = open.map((side) => surePoints(side, first));
  const lines = all.map((points) => corners(points, plot.x, plot.y));
  if (lines.length > 1) nodes.push(gapBetween(lines));
  open.forEach((side, i) => nodes.push(svg('path', { class: 'tv-sure', 'data-side': side.letter, d: path(lines[i]) })));
  open.forEach((side, i) => nodes.push(...differsMark(side, first, plot, all[i])));
  return { nodes, plot, drawn: all };
}

/**
 * The area between both lines: where it opens, the compressed side is about to say something else.
 * @param {string[][]} lines
 */
function gapBetween([own, other]) {
  const shared = Math.min(own.length, other.length);
  const around = [...own.slice(0, shared), ...other.slice(0, shared).reverse()];
  return svg('path', { class: 'tv-gap', 'data-side': 'b', d: around.length ? path(around) + 'Z' : '' });
}

/**
 * @param {Side} side
 * @param {Side} first
 * @param {Plot} plot
 * @param {number[][]} points
 */
function differsMark(side, first, { width, edge, x, y }, points) {
  const at = differsAt(side, first);
  if (at === null) return [];
  const isLeft = x(at) > width * 0.55;
  return [
    svg('line', { class: 'tv-fork', x1: x(at), x2: x(at), y1: edge.top, y2: y(0) }),
    svg('circle', { class: 'tv-fork-ring', 'data-side': side.letter, 'data-step': at, cx: x(at), cy: y(points[at - 1][1]), r: 5 }),
    svg('text', {
      class: 'tv-label tv-fork-label', x: x(at) + (isLeft ? -8 : 8), y: y(0) - 8, 'text-anchor': isLeft ? 'end' : 'start',
    }, 'texts differ from here'),
  ];
}

/**
 * One row above the plot per side, and a dot on its line at the marked step.
 * @param {Side} side
 * @param {number} row
 * @param {number[] | undefined} point
 * @param {Plot} plot
 */
function sureKey(side, row, point, { scale, edge, x, y }) {
  const left = edge.left + 4;
  const top = (7 + 17 * row) * scale;
  /** @type {SVGElement[]} */
  const nodes = [
    svg('line', { class: 'tv-sure', 'data-side': side.letter, x1: left, x2: left + 30, y1: top, y2: top }),
    svg('text', { class: 'tv-tick tv-sure-now', x: left + 37, y: top + 4 * scale }, shortTitle(side) + (point ? ' ' + percentText(point[1]) : '')),
  ];
  if (point) nodes.push(svg('circle', { class: 'tv-sure-dot', 'data-side': side.letter, cx: x(point[0]), cy: y(point[1]), r: 4 }));
  return nodes;
}
