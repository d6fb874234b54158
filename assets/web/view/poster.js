// Poster: the view as it is shown, painted on one canvas to be saved as a picture.
// It is painted twice: once without a canvas to find its height, then for good.

import { bytesAfter, shortTitle } from '../core/charts.js';
import { bytesText, keptWords } from '../core/numbers.js';
import { fewerFacts } from '../core/fewer.js';
import { reuseFacts } from '../core/reusing.js';
import { differing, splitWords } from '../core/words.js';
import { drawCertainty, drawMemory } from './charts.js';
import { SVG, find, ofSide, root, svg } from './dom.js';
import { paintKeys } from './poster_keys.js';
import { paintLines, paragraphs } from './poster_words.js';
import { lastStep } from './state.js';

const POSTER = { width: 1200, edge: 32, gap: 36, scale: 2, chart: 430 };
const POSTER_COLOURS = [
  'text', 'muted', 'ground', 'line', 'a', 'b', 'mark', 'anchor', 'blank', 'hatch', 'merged', 'veil', 'group-0', 'group-1',
];
const POSTER_CHARTS = [
  { title: 'Memory of keys and values', height: 210, drawInto: drawMemory },
  { title: 'How sure: probability of the first side’s token', height: 165, drawInto: drawCertainty },
];

/**
 * The picture as a file, and its size in pixels.
 * @param {State} state
 */
export async function drawPoster(state) {
  const parts = await posterParts(state);
  const canvas = document.createElement('canvas');
  const height = paintPoster(/** @type {CanvasRenderingContext2D} */ (canvas.getContext('2d')), parts);
  Object.assign(canvas, { width: POSTER.width * POSTER.scale, height: Math.ceil(height) * POSTER.scale });
  const context = /** @type {CanvasRenderingContext2D} */ (canvas.getContext('2d'));
  context.scale(POSTER.scale, POSTER.scale);
  context.fillStyle = parts.colours.ground;
  context.fillRect(0, 0, POSTER.width, height);
  paintPoster(context, parts);
  /** @type {Blob | null} */
  const blob = await new Promise((done) => canvas.toBlob(done, 'image/png'));
  if (!blob) throw new Error('the browser could not make a PNG');
  return { blob, width: canvas.width, height: canvas.height };
}

/** @param {State} state */
async function posterParts(state) {
  const sides = state.sides.filter((side) => side.opened);
  const marks = sides.length > 1 ? differing(sides[0], sides[1]) : [[]];
  return {
    question: state.question,
    facts: viewFacts(state, sides),
    story: state.story.sentences,
    source: Object.entries(state.about ?? {}).map((entry) => entry.join(' ')).join(' · '),
    sides: sides.map((side, i) => ({ side, step: state.step, marks: marks[i], canvas: ofSide('.tv-patches', side) })),
    charts: await Promise.all(POSTER_CHARTS.map((chart) => chartPart(chart, state))),
    keys: [...find('.tv-where .tv-legend').children].filter((key) => key.offsetWidth && key.querySelector('.tv-key, .tv-ramp')),
    colours: Object.fromEntries(POSTER_COLOURS.map((name) => [name, colourNamed(name)])),
    font: getComputedStyle(root).fontFamily,
  };
}

/**
 * @param {State} state
 * @param {Side[]} sides
 */
function viewFacts(state, sides) {
  const single = state.layer ? 'layer ' + state.layer + ' of ' + sides[0].layers : 'mean of ' + sides[0].layers + ' layers';
  const isPerHead = state.layer && sides.some((side) => side.heads > 1);
  const head = isPerHead ? [state.head ? 'head ' + state.head : 'mean of heads'] : [];
  const when = sides.some((side) => side.asked_after) ? ['compressed before the question'] : [];
  when.push(...reuseFacts(sides), ...fewerFacts(sides));
  return [sides[0].model, ...sides.map((side) => side.title + (side.is_compressed ? ' ' + keptWords(side) : '')), ...when, single, ...head,
    'after answer token ' + state.step].filter(Boolean).join(' · ');
}

/**
 * A canvas does not know the page's variables and mixed colours.
 * @param {string} name
 */
function colourNamed(name) {
  const probe = document.createElement('i');
  probe.style.color = 'var(--tv-' + name + ')';
  root.append(probe);
  const colour = getComputedStyle(probe).color;
  probe.remove();
  return colour;
}

const CHART_STYLES = [
  'fill', 'stroke', 'stroke-width', 'stroke-dasharray', 'stroke-linejoin', 'stroke-linecap', 'paint-order', 'opacity',
  'fill-opacity', 'font-size', 'font-family', 'font-weight', 'font-variant-numeric',
];

/**
 * A chart as an image, drawn anew in the poster's size. Outside the page its styles are gone: each element takes its own along.
 * @param {typeof POSTER_CHARTS[number]} given
 * @param {State} state
 */
async function chartPart({ title, height, drawInto }, state) {
  const width = POSTER.chart;
  const chart = svg('svg', { xmlns: SVG, width, height });
  chart.style.cssText = 'position: absolute; visibility: hidden; font-size: 14px; width: ' + width + 'px; height: ' + height + 'px';
  root.append(chart);
  drawInto(chart, state.sides, state.step, lastStep());
  const styles = [...chart.querySelectorAll('*')].map((node) => {
    const style = getComputedStyle(node);
    return CHART_STYLES.map((name) => [name, style.getPropertyValue(name)]);
  });
  chart.remove();
  chart.removeAttribute('style');
  /** @type {NodeListOf<SVGElement>} */
  const nodes = chart.querySelectorAll('*');
  nodes.forEach((node, i) => styles[i].forEach(([name, value]) => node.style.setProperty(name, value)));
  const image = new Image();
  // A model may write signs that no XML can hold.
  const text = new XMLSerializer().serializeToString(chart).replace(/[^\P{Cc}\t\n\r]/gu, '·');
  image.src = 'data:image/svg+xml;charset=utf-8,' + encodeURIComponent(text);
  await image.decode();
  return { image, width, height, title };
}

/**
 * Returns the height of what was drawn.
 * @param {CanvasRenderingContext2D} context
 * @param {Awaited<ReturnType<typeof posterParts>>} parts
 */
function paintPoster(context, parts) {
  const { edge, width, gap } = POSTER;
  const inner = width - 2 * edge;
  const pen = { context, font: parts.font, colours: parts.colours };
  let y = edge;
  y = paintLines(pen, [[{ text: parts.question }]], edge, y, inner, 25, 'bold 22', parts.colours.text, 4);
  y = paintLines(pen, [[{ text: parts.facts }]], edge, y + 6, inner, 20, '15', parts.colours.muted, 3) + 18;
  const column = (inner - gap) / 2;
  y = Math.max(...parts.sides.map((part, i) => paintAnswer(pen, part, edge + i * (column + gap), y, column))) + 12;
  y = paintLines(pen, parts.story.map((text) => [{ text }]), edge, y, inner, 23, '17', parts.colours.text, 5) + 20;
  const picture = (inner - POSTER.chart - gap - 20) / 2;
  const pictures = parts.sides.filter((part) => part.canvas.offsetWidth);
  const below = pictures.length
    ? pictures.map((part, i) => paintPatches(pen, part, edge + i * (picture + 20), y, picture))
    : [paintWiped(pen, find('.tv-wipe-canvas'), edge, y, 2 * picture + 20)];
  const right = width - edge - POSTER.chart;
  const chartsBelow = paintCharts(pen, parts.charts, right, y);
  const keysBelow = paintKeys(pen, parts.keys, edge, Math.max(y, ...below) + 16, right - gap);
  y = Math.max(chartsBelow, keysBelow) + 16;
  return paintLines(pen, [[{ text: parts.source }]], edge, y, inner, 17, '12', parts.colours.muted, 2) + edge / 2;
}

/**
 * @param {PosterPen} pen
 * @param {PosterSide} part
 * @param {number} x
 * @param {number} y
 * @param {number} width
 */
function paintAnswer(pen, { side, step, marks }, x, y, width) {
  const { context, colours } = pen;
  sampleLine(context, side, colours[side.letter], x, y + 8, width);
  const title = side.title + (side.is_compressed ? ' · ' + keptWords(side) : '') + ' · ' + bytesText(bytesAfter(side, step));
  const top = paintLines(pen, [[{ text: title }]], x, y + 20, width, 20, 'bold 15', colours.text, 1);
  const words = splitWords(side.answer).map((text, i) => ({ text, differs: marks[i] }));
  return paintLines(pen, paragraphs(words), x, top + 6, width, 25, '18', colours.text, 16);
}

/**
 * @param {CanvasRenderingContext2D} context
 * @param {Side} side
 * @param {string} colour
 * @param {number} x
 * @param {number} y
 * @param {number} width
 */
function sampleLine(context, side, colour, x, y, width) {
  context.save();
  Object.assign(context, { strokeStyle: colour, lineWidth: 3 });
  if (side.letter === 'b') context.setLineDash([9, 5]);
  context.beginPath();
  context.moveTo(x, y);
  context.lineTo(x + width, y);
  context.stroke();
  context.restore();
}

/**
 * @param {PosterPen} pen
 * @param {PosterSide} part
 * @param {number} x
 * @param {number} y
 * @param {number} width
 */
function paintPatches(pen, { side, canvas }, x, y, width) {
  const { context, colours } = pen;
  sampleLine(context, side, colours[side.letter], x, y + 9, 28);
  const top = paintLines(pen, [[{ text: shortTitle(side) }]], x + 38, y, width - 38, 20, '14', colours.text, 1) + 6;
  const height = canvas.width ? width * canvas.height / canvas.width : 0;
  if (height) context.drawImage(canvas, x, top, width, height);
  return top + height;
}

/**
 * The picture that is wiped from one side to the other, as it stands.
 * @param {PosterPen} pen
 * @param {HTMLCanvasElement} canvas
 * @param {number} x
 * @param {number} y
 * @param {number} width
 */
function paintWiped({ context }, canvas, x, y, width) {
  if (!canvas.offsetWidth || !canvas.width) return y;
  const height = width * canvas.height / canvas.width;
  context.drawImage(canvas, x, y, width, height);
  return y + height;
}

/**
 * @param {PosterPen} pen
 * @param {Awaited<ReturnType<typeof chartPart>>[]} charts
 * @param {number} x
 * @param {number} y
 */
function paintCharts(pen, charts, x, y) {
  for (const { image, width, height, title } of charts) {
    y = paintLines(pen, [[{ text: title }]], x, y, width, 20, 'bold 14', pen.colours.text, 1) + 6;
    pen.context.drawImage(image, x, y, width, height);
    y += height + 16;
  }
  return y;
}
