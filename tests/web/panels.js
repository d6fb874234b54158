// Panels: those around the pictures alone, on a page of their own, drawn when a test says so.

import { openSide, newSide, takeSteps } from '../../assets/web/core/messages.js';
import { layOut } from '../../assets/web/core/views.js';
import { frame } from '../../assets/web/frame.js';
import { buildCalculator, drawTraffic } from '../../assets/web/view/calculator.js';
import { drawCertainty, drawMemory } from '../../assets/web/view/charts.js';
import { both, find } from '../../assets/web/view/dom.js';
import { buildLayers, drawLayers } from '../../assets/web/view/layers.js';
import { buildSave } from '../../assets/web/view/saving.js';
import { lastStep, state } from '../../assets/web/view/state.js';

const message = frame.props.value;
const question = message.opening.question;
const layout = layOut(message.opening.views);
const shape = message.opening.shape;
const about = message.opening.about;
const link = message.opening.link;
Object.assign(state, { run: message.run, question, layout, shape, about, link });
state.sides = message.sides.map((_, number) => newSide(number));

function drawAll() {
  const { sides, step, layer } = state;
  drawLayers(find('.tv-layers'), sides, layer, (chosen) => { state.layer = chosen; drawAll(); });
  drawMemory(find('.tv-memory'), sides, step, lastStep());
  drawCertainty(find('.tv-certainty'), sides, step, lastStep());
  drawTraffic(find('.tv-traffic'), sides, state.shape, step);
}

message.opening.sides.forEach((given, number) => openSide(state.sides[number], given));
message.sides.forEach((given, number) => takeSteps(state.sides[number], given, 0));
both('.tv-patches').forEach((canvas, number) => {
  const context = canvas.getContext('2d');
  context.fillStyle = ['#2060a0', '#a06020'][number];
  context.fillRect(0, 0, canvas.width, canvas.height);
});
state.step = lastStep();
buildLayers(find('.tv-layers'));
buildCalculator(find('.tv-calculate'), state.shape);
buildSave(find('.tv-save'), state);
drawAll();
window.panels = { state, drawAll, buildSave };
