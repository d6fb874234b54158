// Main: what is drawn in a frame, and everything wired together.

import { summarize } from './aloud.js';
import { drawAnswers } from './answers.js';
import { note } from './attributes.js';
import { drawTraffic } from './calculator.js';
import { drawBytes } from './bytes.js';
import { drawCertainty, drawMemory, roomIn } from './charts.js';
import { fitCanvases, fitControls, fitTime, listen } from './controls.js';
import { both, find, root } from './dom.js';
import { drawErase } from './erase.js';
import { drawForgotten } from './forgotten.js';
import { drawHover } from './hover.js';
import { forgetInk } from './ink.js';
import { inspect } from './inspect.js';
import { drawLayers } from './layers.js';
import { drawLevels, listenLevels } from './levels.js';
import { drawHeat, drawPatches, heatKey, heatNow } from './pictures.js';
import { drawReadout, timeSummary } from './readout.js';
import { fetchLayer } from './requests.js';
import { choose, isOpen, lastStep, onChoice, onFrame, openSides, redraw, state } from './state.js';
import { drawStory } from './story.js';
import { listenTelling, stopTelling } from './telling.js';
import { listenTerms } from './terms.js';
import { stopClock } from './time.js';
import { drawWipe, listenWipe } from './wipe.js';

let heatDrawn = '';

/** @param {Set<Part>} due */
function draw(due) {
  if (due.has('answers')) drawAnswers();
  if (due.has('answers')) drawStory();
  drawLevels();
  if (due.has('answers') || due.has('patches')) fitTime();
  if (due.has('patches') || due.has('chart')) drawReadout();
  if (due.has('chart')) drawCharts();
  if (isOpen()) drawPictures(due);
  drawErase();
  note();
}

/** @param {Set<Part>} due */
function drawPictures(due) {
  drawForgotten();
  if (due.has('patches')) {
    drawPatches();
    drawWipe();
    drawLayers(find('.tv-layers'), state.sides, state.layer, (layer) => choose({ layer }, 'patches', 'chart'));
  }
  const heat = heatNow();
  const isNew = due.has('patches') || due.has('heat') || heatKey(heat) !== heatDrawn;
  if (isNew) drawHeat(heat);
  heatDrawn = heatKey(heat);
  if (!isNew && !due.has('hover')) return;
  const pointed = drawHover();
  // Who listens is not told of every word that is written.
  if (pointed || state.done || !state.follow) summarize(pointed || timeSummary());
}

function drawCharts() {
  const last = lastStep();
  drawBytes();
  drawMemory(find('.tv-memory'), state.sides, state.step, last);
  drawCertainty(find('.tv-certainty'), state.sides, state.step, last);
  drawTraffic(find('.tv-traffic'), state.sides, state.shape, state.step);
}

// What a picture would show and lacks is asked for once the picture stands.
function fetchMissing() {
  if (isOpen() && (state.hover || heatNow().kind === 'looked' || openSides().some((side) => side.reads_part))) fetchLayer();
}

// The page's theme and size may change while a picture stands.
const themes = new MutationObserver(() => { forgetInk(); redraw('patches'); });
const sizes = new ResizeObserver(() => {
  if (!root.isConnected) {
    sizes.disconnect();
    themes.disconnect();
    stopClock();
    stopTelling();
    return;
  }
  fitCanvases();
  both('.tv-memory, .tv-certainty').forEach((box) => { box.room = roomIn(box); });
  redraw('patches', 'chart');
});

onChoice(fitControls);
onFrame(draw);
onFrame(fetchMissing);
Object.assign(root, { view: { inspect } });
listen();
listenLevels();
listenTerms();
listenTelling();
listenWipe();
themes.observe(document.body, { attributes: true, attributeFilter: ['class'] });
both('.tv-patches, .tv-wipe-canvas, .tv-memory, .tv-certainty').forEach((box) => sizes.observe(box));
