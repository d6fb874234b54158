// Address: what the page's address asks for, and what it would take to come back here.

const PRESETS = {
  importance: { heat: 'importance', fill: 'none', anchors: 'outline', groups: false, opacity: 0.5 },
  looked: { heat: 'looked', fill: 'none', anchors: 'none', groups: false, opacity: 0.7 },
  groups: { heat: 'none', fill: 'colours', anchors: 'dot', groups: true, opacity: 0.62 },
  kept: { heat: 'none', fill: 'fade', anchors: 'outline', groups: false, opacity: 0.6 },
};
const SWITCHES = { heat: ['none', 'importance', 'looked'], fill: ['none', 'colours', 'mean', 'fade'], anchors: ['none', 'outline', 'dot'] };

// The preset that the switches stand at, '' where somebody has chosen otherwise.
function presetName() {
  const isSet = ([, preset]) => ['heat', 'fill', 'anchors', 'groups'].every((name) => preset[name] === state[name]);
  return Object.entries(PRESETS).find(isSet)?.[0] ?? '';
}

// A preset's name, or the switches one by one: "looked.mean.dot.borders".
function modeText() {
  return presetName() || [state.heat, state.fill, state.anchors, state.groups ? 'borders' : 'plain'].join('.');
}

function readMode(text) {
  if (Object.hasOwn(PRESETS, text)) return PRESETS[text];
  const [heat, fill, anchors, borders] = text.split('.');
  const isKnown = Object.entries({ heat, fill, anchors }).every(([name, value]) => SWITCHES[name].includes(value));
  return isKnown ? { heat, fill, anchors, groups: borders === 'borders' } : {};
}

function viewState() {
  const head = headNow() ? { head: String(headNow()) } : {};
  return { layer: String(state.layer), ...head, t: String(state.step), mode: modeText() };
}

// For projectors: everything large, and the view alone on the page.
function readPresenting() {
  if (new URLSearchParams(window.location.search).get('present') !== '1') return false;
  root.classList.add('tv-present');
  document.body.classList.add('present');
  // The keys are for the view from the beginning: nobody should have to look for it in front of a class.
  root.focus({ preventScroll: true });
  return true;
}

function readWanted() {
  const given = new URLSearchParams(window.location.search);
  const number = (name, what) => {
    const text = given.get(name);
    if (text === null) return null;
    if (/^[0-9]{1,6}$/.test(text)) return Number(text);
    tellWrong(['The link asks for ' + what + ' ' + JSON.stringify(text.slice(0, 20)) + ', which is no number that can be: 0, 1, 2 ...']);
    return null;
  };
  if (!['layer', 'head', 't', 'mode'].some((name) => given.has(name))) return;
  let mode = given.get('mode') ?? '';
  const isWrong = mode !== '' && !Object.keys(readMode(mode)).length; // a wrong mode counts as not said
  if (isWrong) {
    tellWrong(['The link asks for the mode ' + JSON.stringify(mode.slice(0, 20)) + '. There are: ' + Object.keys(PRESETS).join(', ') + '.']);
    mode = '';
  }
  state.wanted = { layer: number('layer', 'layer'), head: number('head', 'head'), step: number('t', 'answer token'), mode, isWrong };
}

// The first run to arrive is shown as the address asks.
function takeWanted() {
  const { wanted } = state;
  if (!wanted || !isOpen()) return;
  if (wanted.mode) Object.assign(state, readMode(wanted.mode));
  if (wanted.layer !== null) state.layer = atMost(wanted.layer, state.sides[0].layers, 'layer');
  if (wanted.head !== null) state.head = atMost(wanted.head, mostHeads(), 'head');
  Object.assign(wanted, { mode: '', layer: null, head: null });
  if (wanted.step !== null && lastStep() < wanted.step && !state.done) return;
  if (wanted.step !== null) {
    const step = atMost(wanted.step, lastStep(), 'answer token');
    Object.assign(state, { step, follow: state.done && step >= lastStep() });
  }
  state.wanted = null;
}

// A number of the address, or the last there is of what it counts, which is said.
function atMost(number, last, what) {
  if (number > last) tellWrong(['The link asks for ' + what + ' ' + number + ', but there ' + (last === 1 ? 'is 1' : 'are ' + last) + '.']);
  return Math.min(number, last);
}

// What is wrong with the address stands above the view until another run is shown.
function tellWrong(sentences) {
  const box = find('.tv-wrong');
  const said = new Set([...box.children].map((line) => line.textContent));
  box.append(...sentences.filter((sentence) => !said.has(sentence)).map((sentence) => {
    const line = document.createElement('li');
    line.textContent = sentence;
    return line;
  }));
  box.hidden = !box.childElementCount;
}

function tellNothingWrong() {
  find('.tv-wrong').replaceChildren();
  find('.tv-wrong').hidden = true;
}
