// Controls: sliders, switches and buttons. They change the state and say what is out of date.

import { PRESETS, presetName } from '../core/address.js';
import { fitChannels } from './channels.js';
import { both, find, ofSide, root, setText } from './dom.js';
import { buildLayers } from './layers.js';
import { listenCanvas, listenStrip, listenText } from './pointer.js';
import { choose, lastStep, layerName, mostHeads, needsOne, state } from './state.js';
import { goTo, jumpToDifference, onKey, play } from './time.js';

export function fitControls() {
  const layer = find('.tv-layer');
  layer.min = needsOne() ? 1 : 0;
  layer.max = state.sides[0]?.layers ?? 1;
  layer.value = state.layer;
  setText(find('.tv-layer-name'), layerName());
  layer.setAttribute('aria-valuetext', layerName());
  layer.title = needsOne() ? 'Groups exist per layer: there is no mean of them.' : '';
  fitHead();
  const preset = presetName(state);
  both('.tv-mode').forEach((button) => button.setAttribute('aria-pressed', button.dataset.mode === preset));
  both('.tv-size').forEach((button) => button.setAttribute('aria-pressed', button.dataset.size === state.size));
  for (const name of /** @type {const} */ (['heat', 'fill', 'anchors', 'opacity'])) find('.tv-choice-' + name).value = state[name];
  find('.tv-choice-groups').checked = state.groups;
  find('.tv-hide-sinks').checked = state.hideSinks;
  fitTime();
}

export function fitTime() {
  const last = lastStep();
  const slider = find('.tv-step');
  slider.max = Math.max(1, last);
  slider.disabled = !last;
  slider.value = state.step;
  setText(find('.tv-step-name'), state.step + ' of ' + last);
  slider.setAttribute('aria-valuetext', 'after token ' + state.step + ' of ' + last);
  find('.tv-latest').disabled = state.follow;
  const button = find('.tv-play');
  button.disabled = !last;
  button.setAttribute('aria-pressed', state.playing);
  setText(button, state.playing ? 'Pause' : 'Play');
  find('.tv-back').disabled = !state.step;
  find('.tv-next').disabled = state.step >= last;
  find('.tv-speed').value = state.speed;
  const jump = find('.tv-jump');
  jump.hidden = state.differs === null;
  if (state.differs !== null) setText(jump, 'First difference: token ' + (state.differs + 1));
}

// The choices of a run: its heads, those of the one side where they are the only ones that choose for themselves.
export function fitHeads() {
  const count = mostHeads();
  const own = state.sides.filter((side) => side.heads > 1);
  state.head = Math.min(state.head, count);
  setText(find('.tv-heads-name'), own.length < state.sides.length && own.length ? 'Head of ' + own[0].letter.toUpperCase() : 'Head');
  find('.tv-head-choice').replaceChildren(...Array.from({ length: count + 1 }, (_, head) => {
    const option = document.createElement('option');
    option.value = String(head);
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

export function fitCanvases() {
  const ratio = Math.min(3, window.devicePixelRatio || 1);
  root.style.setProperty('--tv-ratio', String(state.layout.ratio)); // pictures that fit a height need it
  both('.tv-patches').forEach((canvas) => {
    canvas.style.aspectRatio = '1 / ' + state.layout.ratio;
    const width = Math.round(canvas.clientWidth * ratio);
    const height = Math.round(canvas.clientWidth * state.layout.ratio * ratio);
    canvas.ratio = ratio;
    if (canvas.width !== width || canvas.height !== height) Object.assign(canvas, { width, height, isBare: false });
  });
  state.sides.filter((side) => side.channels).forEach((side) => fitChannels(ofSide('.tv-thin', side).firstElementChild, side, ratio));
}

function listenSwitches() {
  /** @type {(selector: string, event: string, read: (control: any) => Partial<State>) => void} */
  const change = (selector, event, read) => find(selector)
    .addEventListener(event, (/** @type {Event} */ { target }) => choose(read(target), 'patches', 'chart'));
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
  find('.tv-step').addEventListener('input', (/** @type {{ target: any }} */ event) => goTo(Number(event.target.value)));
  find('.tv-latest').addEventListener('click', () => goTo(lastStep()));
  find('.tv-play').addEventListener('click', () => play(!state.playing));
  find('.tv-back').addEventListener('click', () => goTo(state.step - 1));
  find('.tv-next').addEventListener('click', () => goTo(state.step + 1));
  find('.tv-jump').addEventListener('click', jumpToDifference);
  find('.tv-speed').addEventListener('change', (/** @type {{ target: any }} */ event) => choose({ speed: Number(event.target.value) }));
  both('.tv-memory, .tv-certainty').forEach((chart) => {
    const seek = (/** @type {PointerEvent} */ event) => {
      if (!chart.chart || !lastStep()) return;
      const { x0, x1, last } = chart.chart;
      goTo(Math.round((event.clientX - chart.getBoundingClientRect().left - x0) / (x1 - x0) * last));
    };
    chart.addEventListener('pointerdown', seek);
    chart.addEventListener('pointermove', (/** @type {PointerEvent} */ event) => { if (event.buttons) seek(event); });
  });
}

export function listen() {
  listenSwitches();
  listenTime();
  both('.tv-patches').forEach(listenCanvas);
  both('.tv-strip').forEach(listenStrip);
  both('.tv-text').forEach(listenText);
  root.addEventListener('keydown', onKey);
  buildLayers(find('.tv-layers'));
}
