// Time: going from step to step, playing, and what happened at the step shown.

const TOKENS_PER_SECOND = 6;
let clock = 0;

function goTo(step) {
  const to = Math.min(lastStep(), Math.max(0, step));
  choose({ step: to, follow: to === lastStep() }, 'patches', 'chart');
}

function play(isPlaying) {
  clearTimeout(clock);
  state.playing = isPlaying && lastStep() > 0;
  if (state.playing) {
    if (state.step >= lastStep()) goTo(0);
    clock = setTimeout(tick, beat());
  }
  fitControls();
  redraw();
}

const beat = () => 1000 / (TOKENS_PER_SECOND * state.speed);

function tick() {
  if (!root.isConnected) return;
  if (state.step < lastStep()) goTo(state.step + 1);
  if (state.done && state.step >= lastStep()) play(false);
  else clock = setTimeout(tick, beat());
}

function jumpToDifference() {
  if (state.differs === null) return;
  play(false);
  goTo(state.differs + 1);
}

// Keys that the focused control has a use for are its own.
function isFree(event) {
  // Space plays from a picture, too, where arrows move over patches.
  if (event.key === ' ' && event.target.closest('canvas')) return !event.defaultPrevented;
  const own = 'input, select, textarea, [contenteditable], canvas, [role="listbox"], [role="radiogroup"], [role="slider"], [role="grid"]';
  return !event.defaultPrevented && !event.altKey && !event.ctrlKey && !event.metaKey && !event.target.closest(own);
}

function onKey(event) {
  if (event.key === 'Escape' && state.locked) {
    const isHere = document.activeElement?.closest('canvas, .tv-strip');
    hoverOn(isHere ? state.hover : null, false);
    return;
  }
  if (!isFree(event) || !lastStep()) return;
  const steps = { ArrowLeft: state.step - 1, ArrowRight: state.step + 1, Home: 0, End: lastStep() };
  if (event.key in steps) goTo(steps[event.key]);
  else if (event.key === ' ' && !event.target.closest('button, summary, a')) play(!state.playing);
  else return;
  event.preventDefault();
}

function fitTime() {
  const last = lastStep();
  const slider = find('.tv-step');
  slider.max = Math.max(1, last);
  slider.disabled = !last;
  slider.value = state.step;
  find('.tv-step-name').textContent = state.step + ' of ' + last;
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

function setText(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

// Per side what the shown step wrote, how many slots it left, its bytes, and what it gave up.
function drawReadout() {
  const step = state.step;
  state.sides.forEach((side) => {
    const row = ofSide('.tv-moment', side);
    const cell = (name, text) => setText(row.querySelector('.tv-' + name), text);
    cell('wrote', !step ? 'prompt read' : step > side.known ? (side.finish === 'running' ? '–' : 'has ended') : '“' + visiblePiece(side.pieces[step - 1]) + '”');
    cell('slots', slotsText(side));
    cell('held', side.opened ? bytesText(bytesAfter(side, stepOn(side))) : '–');
    const given = side.opened ? givenUpText(side, step, planes(side), state.grid) : '';
    setText(ofSide('.tv-gone', side), given);
  });
}

// Slots alive after the shown step, the mean over the shown layers.
function slotsText(side) {
  const step = stepOn(side);
  const slots = step ? side.slots[step - 1] : side.promptSlots;
  if (!slots) return '–';
  const shown = state.layer ? [slots[state.layer - 1]] : slots;
  return shortNumber(shown.reduce((sum, value) => sum + value, 0) / shown.length);
}

function timeSummary() {
  const said = state.sides.map((side) => 'Side ' + side.letter.toUpperCase() + ' '
    + (state.step && state.step <= side.known ? '“' + visiblePiece(side.pieces[state.step - 1]) + '”, ' : '')
    + slotsText(side) + ' slots');
  const ended = state.done && state.step === lastStep() && state.status ? state.status + '. ' : '';
  return ended + 'After token ' + state.step + ' of ' + lastStep() + ': ' + said.join('; ');
}
