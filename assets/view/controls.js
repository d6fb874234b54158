// Controls: sliders, switches and buttons. They change the state and say what is out of date.

function fitControls() {
  if (needsOne()) needSingle();
  const layer = find('.tv-layer');
  layer.min = needsOne() ? 1 : 0;
  layer.max = state.sides[0]?.layers ?? 1;
  layer.value = state.layer;
  setText(find('.tv-layer-name'), layerName());
  layer.setAttribute('aria-valuetext', layerName());
  layer.title = needsOne() ? 'Groups exist per layer: there is no mean of them.' : '';
  fitHead();
  both('.tv-mode').forEach((button) => button.setAttribute('aria-pressed', button.dataset.mode === presetName()));
  both('.tv-size').forEach((button) => button.setAttribute('aria-pressed', button.dataset.size === state.size));
  for (const name of ['heat', 'fill', 'anchors', 'opacity']) find('.tv-choice-' + name).value = state[name];
  find('.tv-choice-groups').checked = state.groups;
  find('.tv-hide-sinks').checked = state.hideSinks;
  fitTime();
}

function layerName() {
  const layers = state.sides[0]?.layers ?? 1;
  return state.layer ? 'layer ' + state.layer + ' of ' + layers : 'mean of all ' + layers + ' layers';
}

// Which of a side's planes its picture shows, in words.
function planesName(side) {
  if (side.heads < 2) return layerName();
  if (!state.layer) return layerName() + ' and ' + side.heads + ' heads';
  return layerName() + ', ' + (state.head ? 'head ' + state.head + ' of ' + side.heads : 'mean of all ' + side.heads + ' heads');
}

// Only what the pictures show now is explained.
function fitLegend(heat, fill) {
  const shown = new Set([fill, state.anchors]);
  if (heat !== 'none') shown.add('heat');
  if (state.groups) shown.add('borders');
  both('.tv-legend [data-for]').forEach((key) => { key.hidden = !shown.has(key.dataset.for); });
}

// The choices of a run: its heads, those of the one side where they are the only ones that choose for themselves.
function fitHeads() {
  const count = mostHeads();
  const own = state.sides.filter((side) => side.heads > 1);
  state.head = Math.min(state.head, count);
  setText(find('.tv-heads-name'), own.length < state.sides.length && own.length ? 'Head of ' + own[0].letter.toUpperCase() : 'Head');
  find('.tv-head-choice').replaceChildren(...Array.from({ length: count + 1 }, (_, head) => {
    const option = document.createElement('option');
    option.value = head;
    option.textContent = head ? head + ' of ' + count : 'all ' + count;
    return option;
  }));
}

function fitHead() {
  const choice = find('.tv-head-choice');
  find('.tv-heads').hidden = !state.layer || mostHeads() < 2;
  choice.value = state.head;
  if (choice.firstChild) choice.firstChild.disabled = needsOne();
  choice.title = needsOne() ? 'Groups exist per head: there is no mean of them.' : '';
  setText(find('.tv-fill-unit'), state.layer ? 'heads' : mostHeads() > 1 ? 'layers and heads' : 'layers');
}

function fitCanvases() {
  const ratio = Math.min(3, window.devicePixelRatio || 1);
  both('.tv-patches').forEach((canvas) => {
    canvas.style.aspectRatio = state.grid[1] + ' / ' + state.grid[0];
    const width = Math.round(canvas.clientWidth * ratio);
    const height = Math.round(canvas.clientWidth * state.grid[0] / state.grid[1] * ratio);
    canvas.ratio = ratio;
    if (canvas.width !== width || canvas.height !== height) Object.assign(canvas, { width, height });
  });
  state.sides.filter((side) => side.channels).forEach((side) => fitChannels(ofSide('.tv-thin', side).firstElementChild, side, ratio));
}

// Groups are those of one layer and one head.
function needSingle() {
  // The middle one: the first layers, which look everywhere, keep the least telling groups.
  state.layer ||= Math.ceil((state.sides[0]?.layers ?? 1) / 2);
  if (mostHeads() > 1) state.head ||= 1;
}

function choose(change, ...parts) {
  Object.assign(state, change);
  fitControls();
  redraw(...parts);
}

function listenSwitches() {
  const change = (selector, event, read) => find(selector).addEventListener(event, ({ target }) => choose(read(target), 'patches', 'chart'));
  both('.tv-mode').forEach((button) => {
    button.addEventListener('click', () => choose(PRESETS[button.dataset.mode], 'patches'));
  });
  both('.tv-size').forEach((button) => {
    button.addEventListener('click', () => choose({ size: button.dataset.size }, 'patches'));
  });
  change('.tv-layer', 'input', ({ value }) => ({ layer: Number(value) }));
  change('.tv-head-choice', 'change', ({ value }) => ({ head: Number(value) }));
  change('.tv-hide-sinks', 'change', ({ checked }) => ({ hideSinks: checked }));
  change('.tv-choice-heat', 'change', ({ value }) => ({ heat: value }));
  // Mean colours say most where little of the picture shines through.
  change('.tv-choice-fill', 'change', ({ value }) => ({ fill: value, opacity: value === 'mean' ? 0.95 : 0.62 }));
  change('.tv-choice-anchors', 'change', ({ value }) => ({ anchors: value }));
  change('.tv-choice-groups', 'change', ({ checked }) => ({ groups: checked }));
  change('.tv-choice-opacity', 'input', ({ value }) => ({ opacity: Number(value) }));
}

function listenTime() {
  find('.tv-step').addEventListener('input', (event) => goTo(Number(event.target.value)));
  find('.tv-latest').addEventListener('click', () => goTo(lastStep()));
  find('.tv-play').addEventListener('click', () => play(!state.playing));
  find('.tv-back').addEventListener('click', () => goTo(state.step - 1));
  find('.tv-next').addEventListener('click', () => goTo(state.step + 1));
  find('.tv-jump').addEventListener('click', jumpToDifference);
  find('.tv-speed').addEventListener('change', (event) => choose({ speed: Number(event.target.value) }));
  both('.tv-memory, .tv-certainty').forEach((chart) => {
    const seek = (event) => {
      if (!chart.chart || !lastStep()) return;
      const { x0, x1, last } = chart.chart;
      goTo(Math.round((event.clientX - chart.getBoundingClientRect().left - x0) / (x1 - x0) * last));
    };
    chart.addEventListener('pointerdown', seek);
    chart.addEventListener('pointermove', (event) => { if (event.buttons) seek(event); });
  });
}

function listen() {
  listenSwitches();
  listenTime();
  both('.tv-patches').forEach(listenCanvas);
  both('.tv-strip').forEach(listenStrip);
  both('.tv-text').forEach(listenText);
  root.addEventListener('keydown', onKey);
  buildLayers(find('.tv-layers'));
}
