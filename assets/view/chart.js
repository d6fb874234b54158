// Chart: bytes in use over the answer, one line per side, drawn as SVG so that it takes the page's colours.

const SVG = 'http://www.w3.org/2000/svg';

function svg(name, attributes, text) {
  const node = document.createElementNS(SVG, name);
  Object.entries(attributes).forEach(([key, value]) => node.setAttribute(key, value));
  if (text !== undefined) node.textContent = text;
  return node;
}

// Bytes after compressing and after each step that has arrived: [[step, bytes], ...].
function memoryPoints(side) {
  const points = [[0, side.promptBytes]];
  side.bytes.forEach((bytes, i) => points.push([i + 1, bytes]));
  return points;
}

function niceSteps(high, count) {
  const rough = high / count;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 2.5, 5, 10].map((factor) => factor * power).find((value) => value >= rough);
  return Array.from({ length: Math.ceil(high / step - 1e-9) + 1 }, (_, i) => i * step);
}

function drawMemory(box, sides, step, last) {
  const width = box.clientWidth || 300;
  const height = box.clientHeight || 160;
  box.setAttribute('viewBox', '0 0 ' + width + ' ' + height);
  const open = sides.filter((side) => side.opened);
  if (!open.length) { box.replaceChildren(); return; }
  const high = Math.max(...open.flatMap((side) => [side.promptBytes, ...side.bytes, ...side.allocated].filter(Number.isFinite)));
  const [unit, size] = unitFor(high);
  const ticks = niceSteps(high * 1.12 / size, 4);
  const edge = { left: 10 + 8 * Math.max(...ticks.map((tick) => shortTick(tick).length)), right: 12, top: 22, bottom: 20 };
  const end = Math.max(last, 1);
  const x = (at) => edge.left + (width - edge.left - edge.right) * at / end;
  const y = (bytes) => height - edge.bottom - (height - edge.top - edge.bottom) * bytes / (ticks.at(-1) * size);
  box.chart = { x0: x(0), x1: x(end), last: end };
  const nodes = [...axes(ticks, unit, size, x, y, width, edge, last)];
  for (const side of open) {
    const room = side.allocated.flatMap((bytes, i) => (Number.isFinite(bytes) ? [[i + 1, bytes]] : []));
    if (room.length) nodes.push(svg('path', { class: 'tv-room', 'data-side': side.letter, d: path(room, x, y) }));
    nodes.push(svg('path', { class: 'tv-line', 'data-side': side.letter, d: path(memoryPoints(side), x, y) }));
  }
  if (last) nodes.push(svg('line', { class: 'tv-now', x1: x(step), x2: x(step), y1: edge.top - 6, y2: y(0) }));
  nodes.push(...endLabels(open, y, step, width, edge));
  box.replaceChildren(...nodes);
  box.setAttribute('aria-label', 'Bytes of keys and values after ' + step + ' answer tokens: '
    + open.map((side) => side.title + ' ' + bytesText(bytesAfter(side, step))).join(', '));
}

function shortTick(tick) {
  return String(Math.round(tick * 1000) / 1000);
}

function path(points, x, y) {
  return points.map(([at, bytes], i) => (i ? 'L' : 'M') + x(at).toFixed(1) + ' ' + y(bytes).toFixed(1)).join('');
}

function axes(ticks, unit, size, x, y, width, edge, last) {
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

function bytesAfter(side, step) {
  const at = Math.min(step, side.steps);
  return at ? side.bytes[at - 1] ?? NaN : side.promptBytes;
}

// The name and the bytes at the marked step, above each line, or below the lower one where there is no room between.
function endLabels(sides, y, step, width, edge) {
  const tall = 17;
  const labels = sides.map((side) => ({ side, bytes: bytesAfter(side, step), line: y(bytesAfter(side, step)) }))
    .filter((label) => Number.isFinite(label.bytes))
    .sort((a, b) => a.line - b.line);
  labels.forEach((label) => { label.at = label.line - 7; });
  if (labels.length > 1 && labels[1].line - labels[0].line < tall + 4) {
    const below = labels[1].line + 16;
    labels[1].at = below < y(0) - 2 ? below : labels[0].at - tall;
    if (labels[1].at < labels[0].at) [labels[0].at, labels[1].at] = [labels[1].at, labels[0].at];
  }
  return labels.map(({ side, bytes, at }) => svg(
    'text', { class: 'tv-label', x: width - edge.right - 9, y: at, 'text-anchor': 'end' }, side.title + ' ' + bytesText(bytes),
  ));
}
