// Main: one state, and a frame that redraws what is out of date.

const root = element.querySelector('.trace-view');
const find = (selector) => root.querySelector(selector);
const both = (selector) => [...root.querySelectorAll(selector)];
const ofSide = (selector, side) => find(selector + '[data-side="' + side.letter + '"]');

const state = {
  run: null, seq: -1, done: false, status: '', question: '', grid: [1, 1], picture: null, patchColours: null, sides: [],
  shape: null, about: {}, link: {}, // of the run: the model's shape, where it ran, the page's parameters that ask it again
  ...PRESETS.importance, size: 'both', layer: 0, head: 0, hideSinks: false, // what the pictures show
  step: 0, follow: true, playing: false, speed: 1,
  hover: null, // {side, patch}, {side, token} or {side, token, numbers}: a word of several answer tokens
  locked: false,
  lit: '', litColour: '', // what a word beside the view names
  blind: false, // somebody is to guess who keeps a slot: nothing tells
  differs: null, // number of the first answer token that differs
  wanted: null, // what the address asks for, until it is shown
  askedFrom: null, fetching: false, noLayers: false, // of the server
};
const dirty = new Set(); // of: answers, patches, heat, chart, hover
let frame = 0;
let afterDraw = () => {}; // of whoever builds upon the view
let ink = null;
let heatDrawn = '';

function redraw(...parts) {
  parts.forEach((part) => dirty.add(part));
  frame ||= requestAnimationFrame(draw);
}

function draw() {
  frame = 0;
  const due = new Set(dirty);
  dirty.clear();
  if (!state.sides.length) return;
  if (due.has('answers')) drawAnswers();
  if (due.has('answers') || due.has('patches')) fitTime();
  if (due.has('patches') || due.has('chart')) drawReadout();
  if (due.has('chart')) drawCharts();
  if (isOpen()) drawPictures(due);
  note();
  afterDraw();
}

function drawPictures(due) {
  if (due.has('patches')) {
    drawPatches();
    drawLayers(find('.tv-layers'), state.sides, state.layer, (layer) => choose({ layer }, 'patches', 'chart'));
  }
  const heat = heatNow();
  const isNew = due.has('patches') || due.has('heat') || heatKey(heat) !== heatDrawn;
  if (isNew) drawHeat(heat);
  heatDrawn = heatKey(heat);
  if (!isNew && !due.has('hover')) return;
  const hovered = drawHover();
  if (hovered && state.layer) fetchLayer();
  summarize(hovered || timeSummary());
}

function drawCharts() {
  const last = lastStep();
  drawMemory(find('.tv-memory'), state.sides, state.step, last);
  drawCertainty(find('.tv-certainty'), state.sides, state.step, last);
  drawTraffic(find('.tv-traffic'), state.sides, state.shape);
}

const lastStep = () => Math.max(0, ...state.sides.map((side) => side.steps));
const isOpen = () => state.sides.some((side) => side.opened);
const mostHeads = () => Math.max(1, ...state.sides.map((side) => side.heads ?? 1));
// Heads are told apart within one layer only.
const headNow = () => (state.layer && mostHeads() > 1 ? state.head : 0);
const planes = (side) => planesOf(side, state.layer, headNow());
const isSingle = (side) => planes(side).length === 1;
const stepOn = (side) => Math.min(state.step, side.steps);

// What tests and screen readers of the page's source can rely on.
function note() {
  Object.assign(root.dataset, {
    run: state.run ?? '', step: state.step, layer: state.layer || 'mean', head: headNow() || 'all', mode: presetName() || 'own',
    done: state.done, sides: state.sides.length, locked: state.locked,
    tokensA: state.sides[0]?.steps ?? 0, tokensB: state.sides[1]?.steps ?? 0,
    heat: state.heat, anchors: state.anchors, groups: state.groups, fill: state.fill, opacity: state.opacity,
    size: state.size, playing: state.playing, firstDifference: state.differs ?? '',
  });
}

// Said aloud at most once a second, the last word in any case.
let summary = '';
let saying = 0;
function summarize(text) {
  summary = text;
  saying ||= setTimeout(() => {
    saying = 0;
    if (root.isConnected) setText(find('.tv-aloud'), summary);
  }, 1000);
}

// The page's theme and size may change while a picture stands.
const themes = new MutationObserver(() => { ink = null; redraw('patches'); });
const sizes = new ResizeObserver(() => {
  if (!root.isConnected) {
    sizes.disconnect();
    themes.disconnect();
    clearTimeout(clock);
    return;
  }
  fitCanvases();
  both('.tv-memory, .tv-certainty').forEach((box) => { box.room = roomIn(box); });
  redraw('patches', 'chart');
});

listen();
themes.observe(document.body, { attributes: true, attributeFilter: ['class'] });
both('.tv-patches, .tv-memory, .tv-certainty').forEach((box) => sizes.observe(box));
