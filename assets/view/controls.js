// Controls: sliders, buttons, pointer and keys. They change the state and say what is out of date.

function fitControls() {
  const layer = find('.tv-layer');
  const layers = state.sides[0].layers ?? 1;
  layer.min = state.mode === 'groups' ? 1 : 0;
  layer.max = layers;
  layer.value = state.layer;
  const name = state.layer ? state.layer + ' of ' + layers : 'mean of all ' + layers;
  find('.tv-layer-name').textContent = name;
  layer.setAttribute('aria-valuetext', name);
  layer.title = state.mode === 'groups' ? 'Groups exist per layer: there is no mean of them.' : '';
  find('.tv-head-choice').value = state.head;
  both('.tv-mode').forEach((button) => button.setAttribute('aria-pressed', button.dataset.mode === state.mode));
  both('.tv-legend [data-for]').forEach((key) => { key.hidden = !key.dataset.for.split(' ').includes(state.mode); });
  const slider = find('.tv-step');
  slider.max = Math.max(1, lastStep());
  slider.disabled = !lastStep();
  slider.value = state.step;
  find('.tv-step-name').textContent = state.step + ' of ' + lastStep();
  slider.setAttribute('aria-valuetext', 'after token ' + state.step + ' of ' + lastStep());
  find('.tv-latest').hidden = state.follow;
}

function fitHeads() {
  const count = mostHeads();
  find('.tv-heads').hidden = count < 2;
  state.head = count < 2 ? 0 : Math.min(state.head, count);
  find('.tv-head-choice').replaceChildren(...Array.from({ length: count + 1 }, (_, head) => {
    const option = document.createElement('option');
    option.value = head;
    option.textContent = head ? head + ' of ' + count : 'all ' + count;
    return option;
  }));
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
}

// Groups are those of one layer and one head.
function needSingle() {
  state.layer ||= 1;
  if (mostHeads() > 1) state.head ||= 1;
}

function choose(change, ...parts) {
  Object.assign(state, change);
  if (state.mode === 'groups') needSingle();
  fitControls();
  redraw(...parts);
}

function hoverOn(hover, locked = false) {
  const same = JSON.stringify(hover) === JSON.stringify(state.hover) && locked === state.locked;
  if (same) return;
  Object.assign(state, { hover, locked });
  redraw('hover');
}

function patchAt(canvas, event) {
  const box = canvas.getBoundingClientRect();
  const [rows, columns] = state.grid;
  const row = Math.floor((event.clientY - box.top) / box.height * rows);
  const column = Math.floor((event.clientX - box.left) / box.width * columns);
  return row >= 0 && row < rows && column >= 0 && column < columns ? row * columns + column : null;
}

function moved(patch, key) {
  const [rows, columns] = state.grid;
  const row = Math.floor(patch / columns);
  const column = patch % columns;
  const step = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0] }[key];
  const clamp = (value, count) => Math.min(count - 1, Math.max(0, value));
  return clamp(row + step[0], rows) * columns + clamp(column + step[1], columns);
}

function listenCanvas(canvas, number) {
  canvas.addEventListener('pointermove', (event) => {
    const patch = patchAt(canvas, event);
    if (!state.locked && patch !== null) hoverOn({ side: number, patch });
  });
  canvas.addEventListener('pointerleave', () => { if (!state.locked) hoverOn(null); });
  canvas.addEventListener('blur', () => { if (!state.locked) hoverOn(null); });
  canvas.addEventListener('click', (event) => {
    const patch = patchAt(canvas, event);
    if (patch === null) return;
    const again = state.locked && state.hover.side === number && state.hover.patch === patch;
    hoverOn({ side: number, patch }, !again);
  });
  canvas.addEventListener('keydown', (event) => {
    const current = state.hover?.patch;
    if (event.key.startsWith('Arrow')) {
      hoverOn({ side: number, patch: current === undefined ? 0 : moved(current, event.key) }, state.locked);
    } else if (event.key === 'Enter' && current !== undefined) hoverOn({ side: number, patch: current }, true);
    else if (event.key === 'Escape') hoverOn(state.hover, false);
    else return;
    event.preventDefault();
  });
}

function listenStrip(strip, number) {
  const over = (event) => {
    const token = event.target.closest('.tv-token')?.dataset.token;
    if (token !== undefined && !state.locked) hoverOn({ side: number, token: Number(token) });
  };
  strip.addEventListener('pointerover', over);
  strip.addEventListener('focusin', over);
  strip.addEventListener('pointerleave', () => { if (!state.locked) hoverOn(null); });
  strip.addEventListener('focusout', () => { if (!state.locked) hoverOn(null); });
  strip.addEventListener('keydown', (event) => {
    const step = { ArrowRight: 'nextElementSibling', ArrowLeft: 'previousElementSibling' }[event.key];
    const current = event.target.closest('.tv-token');
    const next = step && current?.[step];
    if (!next) return;
    current.tabIndex = -1;
    next.tabIndex = 0;
    next.focus();
    event.preventDefault();
  });
}

function listen() {
  both('.tv-mode').forEach((button) => {
    button.addEventListener('click', () => choose({ mode: button.dataset.mode }, 'patches'));
  });
  find('.tv-layer').addEventListener('input', (event) => choose({ layer: Number(event.target.value) }, 'patches'));
  find('.tv-head-choice').addEventListener('change', (event) => choose({ head: Number(event.target.value) }, 'patches'));
  find('.tv-hide-sinks').addEventListener('change', (event) => choose({ hideSinks: event.target.checked }, 'patches'));
  const goTo = (step) => choose({ step, follow: step === lastStep() }, 'patches', 'chart');
  find('.tv-step').addEventListener('input', (event) => goTo(Number(event.target.value)));
  find('.tv-latest').addEventListener('click', () => goTo(lastStep()));
  const memory = find('.tv-memory');
  const seek = (event) => {
    if (!memory.chart || !lastStep()) return;
    const { x0, x1, last } = memory.chart;
    const at = (event.clientX - memory.getBoundingClientRect().left - x0) / (x1 - x0) * last;
    goTo(Math.min(lastStep(), Math.max(0, Math.round(at))));
  };
  memory.addEventListener('pointerdown', seek);
  memory.addEventListener('pointermove', (event) => { if (event.buttons) seek(event); });
  both('.tv-patches').forEach(listenCanvas);
  both('.tv-strip').forEach(listenStrip);
}
