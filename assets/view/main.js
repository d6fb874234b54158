// Main: one state, messages in, events in, and a frame that redraws what is out of date.

const root = element.querySelector('.trace-view');
const find = (selector) => root.querySelector(selector);
const both = (selector) => [...root.querySelectorAll(selector)];
const ofSide = (selector, side) => find(selector + '[data-side="' + side.letter + '"]');

const state = {
  run: null, seq: -1, done: false, status: '', question: '', grid: [1, 1], picture: null, sides: [],
  mode: 'importance', layer: 0, head: 0, step: 0, follow: true, hideSinks: false,
  hover: null, // {side, patch} or {side, token}
  locked: false,
};
const dirty = new Set(); // of: answers, patches, chart, hover
let frame = 0;
let ink = null;
let colourProbe = '';

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
  if (due.has('patches')) drawPatches();
  if (due.has('chart')) drawMemory(find('.tv-memory'), state.sides, state.step, lastStep());
  if (due.has('patches') || due.has('hover')) drawHover();
  note();
}

const lastStep = () => Math.max(0, ...state.sides.map((side) => side.steps));
const isOpen = () => state.sides.some((side) => side.opened);
const mostHeads = () => Math.max(1, ...state.sides.map((side) => side.heads ?? 1));
const planes = (side) => planesOf(side, state.layer, state.head);
const isSingle = (side) => planes(side).length === 1;
const stepOn = (side) => Math.min(state.step, side.steps);

// What tests and screen readers of the page's source can rely on.
function note() {
  Object.assign(root.dataset, {
    run: state.run ?? '', step: state.step, layer: state.layer || 'mean', head: state.head || 'all', mode: state.mode,
    done: state.done, sides: state.sides.length, locked: state.locked,
    tokensA: state.sides[0]?.steps ?? 0, tokensB: state.sides[1]?.steps ?? 0,
  });
}

// ---- messages

function read() {
  const value = props.value ? JSON.parse(props.value) : null;
  if (!value || value.v !== 1) {
    reset(null, 0);
    note();
    return;
  }
  if (!value.sides.length) {
    say(value.status);
    return;
  }
  if (value.run !== state.run || value.seq === 0) reset(value.run, value.sides.length);
  // Messages may be joined or come late; each says where its steps belong.
  if (value.seq < state.seq) return;
  state.seq = value.seq;
  state.done = value.done;
  state.status = value.status;
  if (value.opening && !isOpen()) open(value.opening);
  value.sides.forEach((given, number) => takeSteps(state.sides[number], given, value.since));
  say(state.status);
  if (state.follow) state.step = lastStep();
  fitControls();
  redraw('answers', 'patches', 'chart');
}

function say(status) {
  if (find('.tv-status').textContent !== status) find('.tv-status').textContent = status;
}

function reset(run, count) {
  Object.assign(state, {
    run, seq: -1, done: false, status: '', picture: null, step: 0, follow: true, hover: null, locked: false,
    sides: Array.from({ length: Math.min(count, 2) }, (_, number) => newSide(number)),
  });
  root.dataset.sides = state.sides.length;
  both('.tv-text, .tv-question, .tv-history, .tv-strip, .tv-chips, .tv-says').forEach((box) => box.replaceChildren());
}

function open(opening) {
  state.question = opening.question;
  state.grid = opening.grid;
  opening.sides.forEach((given, number) => openSide(state.sides[number], given));
  if (opening.picture) {
    state.picture = new Image();
    state.picture.onload = () => redraw('patches');
    state.picture.src = opening.picture;
  }
  state.layer = Math.min(state.layer, state.sides[0].layers);
  if (state.mode === 'groups') needSingle();
  state.sides.forEach(openPanels);
  fitHeads();
  fitCanvases();
}

function openPanels(side) {
  both('[data-side="' + side.letter + '"] .tv-title').forEach((box) => { box.textContent = side.title; });
  const answer = ofSide('.tv-answer', side);
  answer.querySelector('.tv-kept').textContent = side.kept;
  answer.querySelector('.tv-question').textContent = state.question;
  answer.querySelector('.tv-history').replaceChildren(...side.history.flatMap(([question, reply]) => [
    turn('tv-asked', question), turn('tv-replied', reply),
  ]));
  ofSide('.tv-patches', side).setAttribute('aria-label',
    'Image patches, ' + side.title + '. Arrow keys move from patch to patch, Enter holds one, Escape lets go.');
  buildStrip(ofSide('.tv-strip', side), side);
}

function turn(className, text) {
  const line = document.createElement('p');
  line.className = className;
  line.dir = 'auto';
  line.textContent = text;
  return line;
}

// ---- answers

function drawAnswers() {
  const [a, b] = state.sides;
  const marks = b ? differing(a, b) : [[]];
  state.sides.forEach((side, number) => {
    const answer = ofSide('.tv-answer', side);
    const shown = side.answer + '\n' + marks[number].join();
    if (side.shown !== shown) showAnswer(answer.querySelector('.tv-text'), side, marks[number]);
    side.shown = shown;
    answer.dataset.finish = side.finish;
    fillChips(answer.querySelector('.tv-chips'), chipsOf(side, a));
  });
}

function chipsOf(side, first) {
  const mean = (list) => list.reduce((sum, value) => sum + value, 0) / list.length;
  const bytes = side.opened ? bytesAfter(side, side.steps) : NaN;
  const saved = side !== first && side.opened ? 1 - bytes / bytesAfter(first, first.steps) : NaN;
  const slots = side.steps ? side.slots[side.steps - 1] : side.promptSlots;
  const chips = [
    ['bytes', 'KV cache', Number.isFinite(bytes) ? bytesText(bytes) : '–'],
    ['saved', saved < 0 ? 'more' : 'saved', Number.isFinite(saved) ? Math.round(Math.abs(saved) * 100) + ' %' : null],
    ['slots', 'slots held', slots ? shortNumber(mean(slots)) : '–'],
    ['tokens', side.steps === 1 ? 'token' : 'tokens', String(side.steps)],
    ['ms', 'per token', side.msPerToken === null ? '–' : shortNumber(side.msPerToken) + ' ms'],
    ['prefill', 'prefill', side.opened ? shortNumber(side.prefillSeconds) + ' s' : '–'],
    ['merging', 'merging', side.opened ? shortNumber(side.compressSeconds * 1000) + ' ms' : '–'],
  ];
  return chips.filter(([, , value]) => value !== null);
}

function fillChips(list, chips) {
  chips.forEach(([name, label, value], i) => {
    let chip = list.children[i];
    if (!chip || chip.dataset.name !== name) {
      chip = document.createElement('div');
      chip.className = 'tv-chip';
      chip.dataset.name = name;
      chip.append(document.createElement('dt'), document.createElement('dd'));
      list.insertBefore(chip, list.children[i] ?? null);
    }
    if (chip.firstChild.textContent !== label) chip.firstChild.textContent = label;
    if (chip.lastChild.textContent !== value) chip.lastChild.textContent = value;
  });
  while (list.children.length > chips.length) list.lastChild.remove();
}

// ---- patches

function drawPatches() {
  if (!isOpen()) return;
  ink ??= readColours(root);
  const open = state.sides.filter((side) => side.opened);
  const scores = open.map((side) => patchScores(side, state.layer));
  const range = scoreRange(scores, state.hideSinks);
  open.forEach((side, i) => {
    const where = planes(side);
    const shares = sharesOf(side, where, stepOn(side));
    side.scene = sceneOf(side, where, shares, scores[i], range);
    const canvas = ofSide('.tv-patches', side);
    side.base ??= document.createElement('canvas');
    Object.assign(side.base, { width: canvas.width, height: canvas.height, ratio: canvas.ratio });
    if (canvas.width && canvas.ratio) paintBase(side.base, side.scene, ink);
    describe(canvas, side);
    updateStrip(ofSide('.tv-strip', side), side, shares, where, stepOn(side));
  });
  find('.tv-low').textContent = shortNumber(range[0]);
  find('.tv-high').textContent = shortNumber(range[1]) + (state.hideSinks ? ' or more' : '');
  root.dataset.scale = range.join(',');
  find('.tv-key-words').hidden = !open.some((side) => side.scene.shares.intoText.some((share) => share > 0));
  root.classList.toggle('tv-mean', open.some((side) => !isSingle(side)));
}

function sceneOf(side, where, shares, scores, range) {
  const [rows, columns] = state.grid;
  const single = where.length === 1;
  const step = stepOn(side);
  return {
    mode: state.mode, rows, columns, picture: state.picture, shares, scores, range, patches: side.patches,
    at: single ? side.patches.map((token) => holder(side, where[0], token, step)) : null,
    colours: single && state.mode === 'groups' ? groupColours(side, where[0], step, columns, PALETTE) : null,
  };
}

// The numbers behind a canvas, for tests and for whoever looks into the page.
function describe(canvas, side) {
  const { shares, patches, colours } = side.scene;
  const names = [['kept', 'a'], ['merged', 'm'], ['intoText', 't'], ['dropped', 'd'], ['evicted', 'e']];
  canvas.dataset.fates = side.scene.at
    ? patches.map((token) => names.find(([name]) => shares[name][token] > 0.5)[1]).join('')
    : '';
  canvas.dataset.shares = patches.map((token) => shares.kept[token].toFixed(3)).join(',');
  canvas.dataset.colours = colours ? colours.join(',') : '';
}

function tokenOn(side) {
  const { hover } = state;
  if (!hover) return null;
  if (hover.patch !== undefined) return side.patches?.[hover.patch] ?? null;
  return hover.side === side.number ? hover.token : null;
}

function drawHover() {
  root.dataset.hover = state.hover?.patch ?? '';
  Object.assign(root.dataset, { anchor: '', members: '' });
  state.sides.filter((side) => side.scene).forEach((side) => {
    const token = tokenOn(side);
    const where = planes(side);
    const single = where.length === 1;
    const at = token !== null && single ? holder(side, where[0], token, stepOn(side)) : -1;
    const members = at >= 0 ? membersOf(side, where[0], token, stepOn(side)) : [];
    if (side.number === state.hover?.side && at >= 0) {
      Object.assign(root.dataset, { anchor: at, members: members.join(',') });
    }
    const patchOf = (member) => (member >= 0 && member < side.tokens ? side.patchOf[member] : -1);
    paintHover(ofSide('.tv-patches', side), side.base, side.scene, token === null ? null : {
      patch: patchOf(token), anchor: patchOf(at), members: members.map(patchOf).filter((patch) => patch >= 0),
    }, ink);
    const says = ofSide('.tv-says', side);
    const text = token === null
      ? idleSentence(side, side.scene.shares, !single)
      : sentence(side, token, where, stepOn(side), state.grid) + received(side, token);
    if (says.textContent !== text) says.textContent = text;
    says.classList.toggle('tv-idle', token === null);
    const lit = new Set(token === null ? [] : [token, at, ...members]);
    side.boxes.forEach((box, number) => box.classList.toggle('tv-lit', lit.has(number)));
  });
}

function received(side, token) {
  const score = state.mode === 'importance' && token < side.tokens ? side.scene.scores[side.patchOf[token]] : undefined;
  return score === undefined || Number.isNaN(score) ? '' : ' · attention received ' + shortNumber(score);
}

// The page's theme and size may change while a picture stands.
const themes = new MutationObserver(() => { ink = null; redraw('patches'); });
const sizes = new ResizeObserver(() => {
  if (!root.isConnected) {
    sizes.disconnect();
    themes.disconnect();
    return;
  }
  fitCanvases();
  redraw('patches', 'chart');
});

listen();
themes.observe(document.body, { attributes: true, attributeFilter: ['class'] });
both('.tv-patches, .tv-memory').forEach((box) => sizes.observe(box));
watch('value', read);
read();
