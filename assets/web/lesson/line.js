// Line: a prediction that the reader draws, bytes against tokens read, and the measured line over it.

import { bytesText, shortTick } from '../core/numbers.js';
import { isStill, svg } from '../view/dom.js';
import { GUESS_STEPS, guessAxis, snapped } from './axis.js';
import { drawOn } from './motion.js';

/** @type {Record<string, number | undefined>} */
const GUESS_KEYS = { ArrowUp: 2, ArrowRight: 2, ArrowDown: -2, ArrowLeft: -2, PageUp: 20, PageDown: -20, Home: -200, End: 200 };

/**
 * @param {HTMLElement} box
 * @param {LineGiven} given
 * @param {(bytes: number) => void} changed
 * @returns {DrawnLine}
 */
export function buildLine(box, given, changed) {
  /** @type {Prediction} */
  const own = { given, axis: guessAxis(given.total), guess: null, isShown: false, place: null };
  const chart = svg('svg', { class: 'ls-chart' });
  const plot = svg('g', {});
  const handle = guessHandle(given, own.axis);
  chart.append(plot, handle);
  box.classList.add('ls-line');
  box.replaceChildren(chart);
  const show = () => showLine(box, own, plot, handle);
  const guessed = (/** @type {number} */ bytes) => {
    const next = snapped(bytes, own.axis);
    if (own.isShown || next === own.guess) return;
    own.guess = next;
    show();
    changed(next);
  };
  // The border box: its padding is in em, so that it changes with the size of the font alone too.
  new ResizeObserver(() => {
    own.place = chart.clientWidth && chart.clientHeight ? guessPlace(chart, own) : null;
    show();
  }).observe(box, { box: 'border-box' });
  listenGuess(chart, handle, own, guessed);
  show();
  return {
    guess: () => own.guess,
    set(bytes) {
      own.guess = bytes === null ? null : snapped(bytes, own.axis);
      show();
    },
    reveal(isShown) {
      const isNew = isShown && !own.isShown;
      own.isShown = isShown;
      show();
      if (isNew && !isStill()) drawOn(plot);
    },
  };
}

/**
 * @param {SVGSVGElement} chart
 * @param {SVGGElement} handle
 * @param {Prediction} own
 * @param {(bytes: number) => void} guessed
 */
function listenGuess(chart, handle, own, guessed) {
  const follow = (/** @type {PointerEvent} */ event) => {
    if (own.place) guessed(own.place.bytesAt(event.clientY - chart.getBoundingClientRect().top));
  };
  chart.addEventListener('pointerdown', (event) => {
    if (event.button || own.isShown) return;
    // Else the press takes the focus away again.
    event.preventDefault();
    handle.focus({ preventScroll: true });
    chart.setPointerCapture(event.pointerId);
    follow(event);
  });
  chart.addEventListener('pointermove', (event) => { if (chart.hasPointerCapture(event.pointerId)) follow(event); });
  handle.addEventListener('keydown', (event) => {
    const steps = GUESS_KEYS[event.key];
    if (!steps || event.ctrlKey || event.metaKey || event.altKey) return;
    // Not even a handle that is fixed by now moves the time of the view.
    event.stopPropagation();
    if (own.isShown) return;
    event.preventDefault();
    guessed((own.guess ?? 0) + steps * own.axis.top / GUESS_STEPS);
  });
}

// ---- drawing

/**
 * Where everything is. The labels of both ends have the right margin to themselves: no line crosses it.
 * @param {SVGSVGElement} chart
 * @param {Prediction} own
 * @returns {GuessPlace}
 */
function guessPlace(chart, { given, axis }) {
  const { clientWidth: width, clientHeight: height } = chart;
  const em = parseFloat(getComputedStyle(chart).fontSize);
  chart.setAttribute('viewBox', '0 0 ' + width + ' ' + height);
  const wide = (/** @type {string[]} */ texts, /** @type {string} */ kind) => Math.max(...texts.map((text) => textWidth(chart, text, kind)));
  const { yours, measured, start } = given.texts;
  const label = Math.max(wide([yours, measured], 'ls-name'), wide(['00.00 MiB', bytesText(given.total)], 'tv-label'));
  const tokens = textWidth(chart, tokensText(given), 'tv-tick');
  const left = wide([axis.unit, ...axis.ticks.map(shortTick)], 'tv-tick') + 0.8 * em;
  const right = width - label - 2 * em;
  const axisEnd = Math.min(width - 2, right + tokens / 2);
  const isNarrow = left + textWidth(chart, start, 'ls-name') + em > axisEnd - tokens;
  const top = 1.8 * em;
  const bottom = height - (isNarrow ? 3.4 : 2.1) * em;
  return {
    em, left, right, top, bottom, axisEnd, labelAt: width - label - 2, axisRow: height - 0.5 * em, startRow: bottom + 1.6 * em,
    x: (count) => left + (right - left) * count / given.tokens,
    y: (bytes) => bottom - (bottom - top) * bytes / axis.top,
    bytesAt: (y) => (bottom - y) / (bottom - top) * axis.top,
  };
}

/** @param {LineGiven} given */
const tokensText = ({ tokens, texts }) => tokens + ' ' + texts.axis;

/**
 * @param {SVGSVGElement} chart
 * @param {string} text
 * @param {string} kind
 */
function textWidth(chart, text, kind) {
  const node = svg('text', { class: kind }, text);
  chart.append(node);
  const width = node.getComputedTextLength();
  node.remove();
  return width;
}

/**
 * @param {HTMLElement} box
 * @param {Prediction} own
 * @param {SVGGElement} plot
 * @param {SVGGElement} handle
 */
function showLine(box, own, plot, handle) {
  const { place, guess, isShown } = own;
  box.dataset.guess = String(guess ?? '');
  box.dataset.revealed = String(isShown);
  handle.setAttribute('aria-valuenow', String(guess ?? 0));
  handle.setAttribute('aria-valuetext', guess === null ? '–' : bytesText(guess));
  handle.setAttribute('aria-readonly', String(isShown));
  if (!place) return;
  const { em, right, y } = place;
  handle.setAttribute('transform', 'translate(' + right + ' ' + y(guess ?? 0) + ')');
  // Not the handle itself: the ring of the focus around it would grow too.
  const shape = /** @type {SVGGElement} */ (handle.firstChild);
  shape.setAttribute('transform', 'scale(' + em * (isShown ? 0.5 : 1) + ')');
  const placed = { ...own, place };
  plot.replaceChildren(...frameOfLine(placed), ...linesOf(placed), ...endsOf(placed));
}

/**
 * In units of the font's size, around the place of the guess.
 * @param {LineGiven} given
 * @param {GuessAxis} axis
 */
function guessHandle({ texts }, { top }) {
  const handle = svg('g', {
    class: 'ls-handle', role: 'slider', tabindex: 0, 'aria-label': texts.handle, 'aria-orientation': 'vertical',
    'aria-valuemin': 0, 'aria-valuemax': top,
  });
  const shape = svg('g', {});
  shape.append(svg('circle', { r: 0.8 }), svg('path', { d: 'M-.28 -.16L0 -.46L.28 -.16M-.28 .16L0 .46L.28 .16' }));
  handle.append(shape);
  return handle;
}

/** @param {Prediction & { place: GuessPlace }} own */
function frameOfLine({ given, axis, place }) {
  const { left, right, top, em, x, y, axisRow, startRow, axisEnd } = place;
  return [
    ...axis.ticks.flatMap((tick) => [
      svg('line', { class: 'tv-grid', x1: left, x2: right, y1: y(tick * axis.size), y2: y(tick * axis.size) }),
      svg('text', { class: 'tv-tick', x: left - 0.4 * em, y: y(tick * axis.size) + 0.28 * em, 'text-anchor': 'end' }, shortTick(tick)),
    ]),
    svg('text', { class: 'tv-tick', x: left - 0.4 * em, y: 0.85 * em, 'text-anchor': 'end' }, axis.unit),
    svg('line', { class: 'ls-track', x1: right, x2: right, y1: top, y2: y(0) }),
    svg('text', { class: 'tv-tick', x: axisEnd, y: axisRow, 'text-anchor': 'end' }, tokensText(given)),
    svg('circle', { class: 'ls-start', cx: x(1), cy: y(given.perToken), r: 0.32 * em }),
    svg('text', { class: 'ls-name', x: left - 0.3 * em, y: startRow }, given.texts.start),
  ];
}

/** @param {Prediction & { place: GuessPlace }} own */
function linesOf({ given, guess, isShown, place: { em, right, x, y } }) {
  /** @type {(kind: string, bytes: number) => SVGElement} */
  const line = (kind, bytes) => svg('line', { class: kind, x1: x(0), y1: y(0), x2: right, y2: y(bytes) });
  /** @type {SVGElement[]} */
  const nodes = guess === null ? [] : [line('ls-guess', guess)];
  if (!isShown) return guess === null ? [arrow('ls-hint', right, y(0) - 1.1 * em, y(0) - 4 * em, 0.35 * em)] : nodes;
  if (guess !== null) nodes.push(arrow('ls-gap', right, y(guess), y(given.total), 0.35 * em, 0.5 * em));
  const real = line('ls-real', given.total);
  real.setAttribute('pathLength', '1');
  return [...nodes, real, svg('circle', { class: 'ls-end', cx: right, cy: y(given.total), r: 0.35 * em })];
}

/**
 * A double arrow; its heads stand back from the ends by `inset`, where dots cover these.
 * @param {string} kind
 * @param {number} x
 * @param {number} from
 * @param {number} to
 * @param {number} head
 */
function arrow(kind, x, from, to, head, inset = 0) {
  const [low, high] = [Math.max(from, to), Math.min(from, to)];
  /** @type {(y: number, turn: number) => string} */
  const tip = (y, turn) => 'M' + (x - head) + ' ' + (y + turn * head) + 'L' + x + ' ' + y + 'L' + (x + head) + ' ' + (y + turn * head);
  const heads = low - high > 3 * (head + inset) ? tip(high + inset, 1) + tip(low - inset, -1) : '';
  return svg('path', { class: kind, d: 'M' + x + ' ' + high + 'V' + low + heads });
}

/**
 * The names and values beside both ends, pushed apart where they would touch.
 * @param {Prediction & { place: GuessPlace }} own
 */
function endsOf({ given: { texts, total }, guess, isShown, place }) {
  const { em, right, bottom, y } = place;
  const ends = [];
  if (guess !== null || !isShown) ends.push({ kind: 'guess', name: texts.yours, value: guess === null ? '?' : bytesText(guess), end: y(guess ?? 0) });
  if (isShown) ends.push({ kind: 'real', name: texts.measured, value: bytesText(total), end: y(total) });
  ends.sort((a, b) => a.end - b.end);
  const [high, low] = [ends[0].end, ends[ends.length - 1].end];
  const apart = Math.max(2.5 * em * (ends.length - 1), low - high);
  const first = Math.max(1.3 * em, Math.min((high + low - apart) / 2, bottom - em - apart));
  return ends.flatMap(({ kind, name, value, end }, i) => {
    const at = first + i * apart;
    return [
      svg('line', { class: 'ls-leader', 'data-end': kind, x1: right + 0.9 * em, y1: end, x2: place.labelAt - 0.25 * em, y2: at }),
      svg('text', { class: 'ls-name', 'data-end': kind, x: place.labelAt, y: at - 0.2 * em }, name),
      svg('text', { class: 'tv-label', 'data-end': kind, x: place.labelAt, y: at + 0.9 * em }, value),
    ];
  });
}
