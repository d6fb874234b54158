// Charts over the answer, drawn as SVG so that they take the page's colours: bytes in use, and how sure both sides are.

const SVG = 'http://www.w3.org/2000/svg';

function svg(name, attributes, text) {
  const node = document.createElementNS(SVG, name);
  Object.entries(attributes).forEach(([key, value]) => node.setAttribute(key, value));
  if (text !== undefined) node.textContent = text;
  return node;
}

function niceSteps(high, count) {
  const rough = high / count;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 2.5, 5, 10].map((factor) => factor * power).find((value) => value >= rough);
  return Array.from({ length: Math.ceil(high / step - 1e-9) + 1 }, (_, i) => i * step);
}

// Fits the drawing to its box: the edges, and where steps and values are. Ticks are in units of `size`.
function plotIn(box, ticks, size, last, top) {
  // Measured where the size changes: asking here would lay the page out in the middle of a frame.
  const { width, height, em } = box.room ?? roomIn(box);
  box.setAttribute('viewBox', '0 0 ' + width + ' ' + height);
  const letters = Math.max(3, ...ticks.map((tick) => shortTick(tick).length));
  const edge = { left: 10 + 8 * letters, right: 12, top, bottom: 20 };
  const end = Math.max(last, 1);
  const x = (at) => edge.left + (width - edge.left - edge.right) * at / end;
  const y = (value) => height - edge.bottom - (height - edge.top - edge.bottom) * value / (ticks.at(-1) * size);
  box.chart = { x0: x(0), x1: x(end), last: end };
  return { width, em, edge, x, y };
}

function roomIn(box) {
  return { width: box.clientWidth || 300, height: box.clientHeight || 160, em: parseFloat(getComputedStyle(box).fontSize) };
}

function shortTick(tick) {
  return String(Math.round(tick * 1000) / 1000);
}

function path(points, x, y) {
  return points.map(([at, value], i) => (i ? 'L' : 'M') + x(at).toFixed(1) + ' ' + y(value).toFixed(1)).join('');
}

function axes({ width, edge, x, y }, ticks, unit, size, last) {
  const nodes = ticks.flatMap((tick) => [
    svg('line', { class: 'tv-grid', x1: edge.left, x2: width - edge.right, y1: y(tick * size), y2: y(tick * size) }),
    svg('text', { class: 'tv-tick', x: edge.left - 6, y: y(tick * size) + 4, 'text-anchor': 'end' }, shortTick(tick)),
  ]);
  nodes.push(svg('text', { class: 'tv-tick', x: 2, y: 11 }, unit));
  const base = y(0) + 16;
  nodes.push(svg('text', { class: 'tv-tick', x: x(0), y: base }, '0'));
  if (last) nodes.push(svg('text', { class: 'tv-tick', x: x(last), y: base, 'text-anchor': 'end' }, last + ' answer tokens'));
  return nodes;
}

function nowLine({ edge, x, y }, step) {
  return svg('line', { class: 'tv-now', x1: x(step), x2: x(step), y1: edge.top - 6, y2: y(0) });
}

// ---- memory

// Bytes after compressing and after each step that has arrived: [[step, bytes], ...].
function memoryPoints(side) {
  return withPrompt(side.promptBytes, side.bytes);
}

// What the policy aims at, in the same form; nothing where it may keep everything.
function limitPoints(side) {
  return side.kept && Number.isFinite(side.promptLimit) ? withPrompt(side.promptLimit, side.limit) : [];
}

function withPrompt(first, rest) {
  return [[0, first], ...rest.map((value, i) => [i + 1, value])].filter(([, value]) => Number.isFinite(value));
}

function roomPoints(side) {
  return side.allocated.map((bytes, i) => [i + 1, bytes]).filter(([, bytes]) => Number.isFinite(bytes));
}

function drawMemory(box, sides, step, last) {
  const open = sides.filter((side) => side.opened);
  if (!open.length) { box.replaceChildren(); return; }
  const lines = open.flatMap((side) => [
    [side, 'tv-room', roomPoints(side)], [side, 'tv-limit', limitPoints(side)], [side, 'tv-line', memoryPoints(side)],
  ]).filter(([, , points]) => points.length);
  const high = lines.flatMap(([, , points]) => points).reduce((most, [, bytes]) => Math.max(most, bytes), 1);
  const [unit, size] = unitFor(high);
  const ticks = niceSteps(high * 1.12 / size, 4);
  const plot = plotIn(box, ticks, size, last, 22);
  const nodes = axes(plot, ticks, unit, size, last);
  lines.forEach(([side, kind, points]) => {
    nodes.push(svg('path', { class: kind, 'data-side': side.letter, d: path(points, plot.x, plot.y) }));
  });
  nodes.push(...limitKey(plot, open.filter((side) => limitPoints(side).length)));
  if (last) nodes.push(nowLine(plot, step));
  nodes.push(...endLabels(open, plot, step));
  box.replaceChildren(...nodes);
  box.setAttribute('aria-label', 'Bytes of keys and values after ' + step + ' answer tokens: '
    + open.map((side) => memoryWords(side, step)).join(', '));
}

function memoryWords(side, step) {
  const aim = limitPoints(side)[Math.min(step, side.steps)]?.[1];
  return side.title + ' ' + bytesText(bytesAfter(side, step)) + (aim === undefined ? '' : ' (aims at ' + bytesText(aim) + ')');
}

function limitKey({ width, em, edge }, limited) {
  if (!limited.length) return [];
  const whose = limited.length > 1 ? 'the policies aim' : shortTitle(limited[0]) + ' aims';
  const long = 'what ' + whose + ' at';
  // As wide as its letters may be: measuring it would lay the page out in the middle of a frame.
  const text = edge.left + 41 + long.length * 0.5 * em > width ? 'aim' : long;
  const left = edge.left + 4;
  return [
    svg('line', { class: 'tv-limit', 'data-side': limited[0].letter, x1: left, x2: left + 30, y1: 7, y2: 7 }),
    svg('text', { class: 'tv-tick', x: left + 37, y: 11 }, text),
  ];
}

function shortTitle(side) {
  return side.title.length > 30 ? side.title.slice(0, 29) + '…' : side.title;
}

function bytesAfter(side, step) {
  const at = Math.min(step, side.steps);
  return at ? side.bytes[at - 1] ?? NaN : side.promptBytes;
}

// The name and the bytes at the marked step, at the end of each line: above it, or below the lower one where there is
// no room between.
function endLabels(sides, { width, edge, y }, step) {
  const tall = 17;
  const labels = sides.map((side) => ({ side, bytes: bytesAfter(side, step), line: y(bytesAfter(side, side.steps)) }))
    .filter((label) => Number.isFinite(label.bytes + label.line))
    .sort((a, b) => a.line - b.line);
  labels.forEach((label) => { label.at = label.line - 7; });
  if (labels.length > 1 && labels[1].line - labels[0].line < tall + 4) {
    const below = labels[1].line + 16;
    labels[1].at = below < y(0) - 2 ? below : labels[0].at - tall;
    if (labels[1].at < labels[0].at) [labels[0].at, labels[1].at] = [labels[1].at, labels[0].at];
  }
  return labels.map(({ side, bytes, at }) => svg(
    'text', { class: 'tv-label', 'data-side': side.letter, x: width - edge.right - 9, y: at, 'text-anchor': 'end' },
    shortTitle(side) + ' ' + bytesText(bytes),
  ));
}

// ---- certainty

// Per step the probability a side gave to the token that the first side wrote, as far as both texts are the same.
function surePoints(side, first) {
  const logs = side === first ? side.logprob : side.reference;
  const end = logs.findIndex((value) => !Number.isFinite(value));
  return (end < 0 ? logs : logs.slice(0, end)).map((value, i) => [i + 1, Math.exp(value)]);
}

// The number of the first token in which a side's text is not the first side's, null while there is none.
function differsAt(side, first) {
  const judged = surePoints(side, first).length;
  if (side === first || !judged) return null;
  const unlike = side.pieces[judged - 1] !== first.pieces[judged - 1];
  const endedEarly = first.steps > judged && side.finish === 'end';
  return unlike || side.steps > judged || endedEarly ? judged : null;
}

function drawCertainty(box, sides, step, last) {
  const open = sides.filter((side) => side.opened);
  if (!open.length) { box.replaceChildren(); return; }
  const [first] = sides;
  const ticks = [0, 50, 100];
  const plot = plotIn(box, ticks, 0.01, last, 12 + 17 * open.length);
  const nodes = axes(plot, ticks, '%', 0.01, last);
  const all = open.map((side) => surePoints(side, first));
  if (all.length > 1) nodes.push(gapBetween(all, plot));
  open.forEach((side, i) => {
    const probabilities = all[i].map(([, value]) => value.toFixed(4)).join(',');
    const d = path(all[i], plot.x, plot.y);
    nodes.push(svg('path', { class: 'tv-sure', 'data-side': side.letter, 'data-values': probabilities, d }));
  });
  if (last) nodes.push(nowLine(plot, step));
  open.forEach((side, i) => nodes.push(...sureKey(side, i, all[i][step - 1], plot)));
  open.forEach((side, i) => nodes.push(...differsMark(side, first, plot, all[i])));
  box.replaceChildren(...nodes);
  box.setAttribute('aria-label', 'Probability of ' + first.title + '’s own answer tokens'
    + (step ? ', token ' + step + ' “' + visiblePiece(first.pieces[step - 1] ?? '') + '”: ' : ': ')
    + open.map((side, i) => side.title + ' ' + sureWords(side, first, all[i], step)).join(', '));
}

// The area between both lines: where it opens, the compressed side is about to say something else.
function gapBetween([own, other], { x, y }) {
  const shared = Math.min(own.length, other.length);
  const around = [...own.slice(0, shared), ...other.slice(0, shared).reverse()];
  return svg('path', { class: 'tv-gap', 'data-side': 'b', d: around.length ? path(around, x, y) + 'Z' : '' });
}

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

function sureWords(side, first, points, step) {
  const value = points[step - 1]?.[1];
  if (value !== undefined) return percentText(value);
  const at = differsAt(side, first);
  return at !== null && step > at ? '– (texts differ since token ' + at + ')' : '–';
}

function percentText(share) {
  const percent = share * 100;
  if (percent > 0 && percent < 0.1) return 'below 0.1 %';
  return (percent < 10 ? Math.round(percent * 10) / 10 : Math.round(percent)) + ' %';
}

// One row above the plot per side, and a dot on its line at the marked step.
function sureKey(side, row, point, { edge, x, y }) {
  const left = edge.left + 4;
  const top = 7 + 17 * row;
  const nodes = [
    svg('line', { class: 'tv-sure', 'data-side': side.letter, x1: left, x2: left + 30, y1: top, y2: top }),
    svg('text', { class: 'tv-tick tv-sure-now', x: left + 37, y: top + 4 }, shortTitle(side) + (point ? ' ' + percentText(point[1]) : '')),
  ];
  if (point) nodes.push(svg('circle', { class: 'tv-sure-dot', 'data-side': side.letter, cx: x(point[0]), cy: y(point[1]), r: 4 }));
  return nodes;
}
