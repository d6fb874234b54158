// Messages: what comes from the page, and what it makes of the state.

const MESSAGE_VERSION = 3;
const UNHEARD = 'Nothing is heard of the question. Press Clear and ask again, or reload the page.';

function read() {
  take(props.value ? JSON.parse(props.value) : null);
}

let awaited = 0;

function take(value) {
  clearTimeout(awaited);
  if (value?.awaits) awaited = setTimeout(() => say(UNHEARD), value.awaits * 1000);
  if (value?.v !== MESSAGE_VERSION) {
    reset(null, 0);
    say('');
    setText(find('.tv-aloud'), '');
    note();
    return;
  }
  if (value.sides.length && (value.run !== state.run || value.seq === 0)) reset(value.run, value.sides.length);
  tellWrong(value.wrong ?? []);
  if (!value.sides.length) {
    say(value.status);
    return;
  }
  // Messages may be joined or come late; each says where its steps belong.
  if (value.seq < state.seq) return;
  Object.assign(state, { seq: value.seq, done: value.done, status: value.status });
  say(state.status);
  takeMessage(value);
  fillGap();
}

// Also what the server sends when asked for steps that were missed.
function takeMessage(value) {
  if (value.opening && !isOpen()) open(value.opening);
  value.sides.forEach((given, number) => takeSteps(state.sides[number], given, value.since));
  if (state.follow) state.step = lastStep();
  takeWanted();
  fitControls();
  redraw('answers', 'patches', 'chart');
}

function say(status) {
  setText(find('.tv-status'), status);
  if (status) summarize(status);
}

function reset(run, count) {
  clearTimeout(clock);
  if (state.picture) state.picture.onload = null;
  if (state.run && run !== state.run) tellNothingWrong();
  Object.assign(state, {
    run, seq: -1, done: false, status: '', picture: null, patchColours: null, step: 0, follow: true, playing: false,
    hover: null, locked: false, differs: null, askedFrom: null, noLayers: false, shape: null, about: {}, link: {},
    sides: Array.from({ length: Math.min(count, 2) }, (_, number) => newSide(number)),
  });
  root.dataset.sides = state.sides.length;
  both('.tv-text, .tv-question, .tv-history, .tv-strip, .tv-chips, .tv-says').forEach((box) => box.replaceChildren());
}

function open(opening) {
  const { question, grid, shape, about, link, show } = opening;
  Object.assign(state, { question, grid, shape, about, link });
  opening.sides.forEach((given, number) => openSide(state.sides[number], given));
  if (opening.picture) {
    state.picture = new Image();
    state.picture.onload = () => redraw('patches');
    state.picture.src = opening.picture;
  }
  state.wanted ??= show && { layer: show.layer ?? null, head: show.head ?? null, step: show.t ?? null, mode: show.mode ?? '' };
  if (show && state.wanted.isWrong) Object.assign(state.wanted, { mode: show.mode ?? '', isWrong: false });
  state.layer = Math.min(state.layer, state.sides[0].layers);
  state.sides.forEach(openPanels);
  buildCalculator(find('.tv-calculator-box'), state.shape);
  buildSave(find('.tv-save'), state);
  fitHeads();
  fitCanvases();
}

function openPanels(side) {
  both('[data-side="' + side.letter + '"] .tv-title').forEach((box) => { box.textContent = side.title; });
  const answer = ofSide('.tv-answer', side);
  answer.querySelector('.tv-kept').textContent = side.kept;
  answer.querySelector('.tv-question').textContent = state.question;
  answer.querySelector('.tv-question').title = state.question;
  const turns = side.history.length;
  answer.querySelector('.tv-past').hidden = !turns;
  answer.querySelector('.tv-past summary').textContent = turns === 1 ? '1 earlier turn' : turns + ' earlier turns';
  answer.querySelector('.tv-history').replaceChildren(...side.history.flatMap(([question, reply]) => [
    turn('tv-asked', question), turn('tv-replied', reply),
  ]));
  setText(ofSide('.tv-unseen', side), side.unseen);
  ofSide('.tv-thin', side).hidden = !side.channels;
  buildStrip(ofSide('.tv-strip', side), side);
}

function turn(className, text) {
  const line = document.createElement('p');
  line.className = className;
  line.dir = 'auto';
  line.textContent = text;
  return line;
}
