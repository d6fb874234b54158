// Settings: of one side. What the method that is chosen there does, and its options behind a line that unfolds.
// Whoever else writes the value says what changes; from here it goes back whole. Texts go in as text, never as markup.

import { numberIn, valueOf, withOption, withWritten } from '../core/settings.js';
import { frame } from '../frame.js';

/** @type {Record<string, Method>} */
const METHODS = JSON.parse(frame.props.methods);
const box = frame.element.querySelector('.st-side');
const place = box.querySelector('.st-method');
const told = frame.element.querySelector('.st-about');
/** @type {ChosenSettings} */
let chosen = { method: '', options: {} };
let written = ''; // the value as it was read or written last
let drawn = ''; // the method whose options stand there
/** @type {(() => void)[]} */
let refreshers = []; // what brings each control to the value that is chosen

/**
 * @template {keyof HTMLElementTagNameMap} Name
 * @param {Name} name
 * @param {Record<string, unknown>} [properties]
 * @param {(Node | string)[]} [children]
 * @returns {HTMLElementTagNameMap[Name]}
 */
function node(name, properties = {}, children = []) {
  const made = Object.assign(document.createElement(name), properties);
  made.append(...children);
  return made;
}

/**
 * @param {MethodOption} option
 * @param {OptionValue} value
 */
function choose(option, value) {
  chosen = withOption(chosen, METHODS[chosen.method].options, option.name, value);
  refresh();
  give();
}

function give() {
  const text = JSON.stringify(chosen);
  if (text === written) return;
  written = text;
  frame.props.value = text;
}

/** @param {MethodOption} option */
function checkbox(option) {
  const input = node('input', { type: 'checkbox', onchange: () => choose(option, input.checked) });
  refreshers.push(() => { input.checked = Boolean(valueOf(chosen, option)); });
  const info = described(input, option);
  return [node('label', { className: 'st-check' }, [input, option.label]), info];
}

/** @param {MethodOption} option */
function dropdown(option) {
  const choices = option.choices.map((text) => node('option', { value: text, textContent: text }));
  const select = node('select', { onchange: () => choose(option, select.value) }, choices);
  refreshers.push(() => { select.value = String(valueOf(chosen, option)); });
  const info = described(select, option);
  return [labelOf(select, option), info, node('div', { className: 'st-choice' }, [select])];
}

/** @param {NumberOption} option */
function slider(option) {
  const limits = { min: option.low, max: option.high, step: option.whole ? 1 : 0.01 };
  // What is typed counts at once where it can be; where it cannot, the nearest does once it is left.
  const typed = () => { if (Number(field.value) === numberIn(field.value, option)) choose(option, Number(field.value)); };
  const left = () => choose(option, numberIn(field.value, option) ?? valueOf(chosen, option));
  const field = node('input', { type: 'number', ...limits, oninput: typed, onchange: left });
  const range = node('input', { type: 'range', ...limits, ariaLabel: option.label + ', as a slider', oninput: () => choose(option, Number(range.value)) });
  const back = node('button', { type: 'button', textContent: '↺', ariaLabel: option.label + ': back to ' + option.default, onclick: () => choose(option, option.default) });
  refreshers.push(() => {
    range.value = String(valueOf(chosen, option));
    // Not over "0.0" while 0.05 is being typed.
    const isSaid = field.value !== '' && Number(field.value) === valueOf(chosen, option);
    if (!isSaid || document.activeElement !== field) field.value = String(valueOf(chosen, option));
    range.style.setProperty('--share', String((Number(range.value) - option.low) / (option.high - option.low)));
  });
  const info = described(field, option);
  const head = [node('div', {}, [labelOf(field, option), info]), node('div', { className: 'st-number' }, [field, back])];
  const line = [node('span', {}, [String(option.low)]), range, node('span', {}, [String(option.high)])];
  return [node('div', { className: 'st-head' }, head), node('div', { className: 'st-range' }, line)];
}

/**
 * @param {HTMLElement} input
 * @param {MethodOption} option
 */
function labelOf(input, option) {
  input.id = 'option-' + box.dataset.side + '-' + option.name;
  return node('label', { className: 'st-label', htmlFor: input.id, textContent: option.label });
}

/**
 * What the option is about, which is read with the input.
 * @param {HTMLElement} input
 * @param {MethodOption} option
 */
function described(input, option) {
  const info = node('p', { className: 'st-info', id: 'info-' + box.dataset.side + '-' + option.name, textContent: option.about });
  input.setAttribute('aria-describedby', info.id);
  return info;
}

/** @param {MethodOption} option */
function controlOf(option) {
  if (option.choices.length) return dropdown(option);
  return isNumber(option) ? slider(option) : checkbox(option);
}

/**
 * @param {MethodOption} option
 * @returns {option is NumberOption}
 */
function isNumber(option) {
  return option.low !== null && option.high !== null;
}

/** @param {string | [string, string]} part - a text, or a link as its text and its address */
function aboutPart(part) {
  return typeof part === 'string' ? part : node('a', { href: part[1], target: '_blank', rel: 'noopener noreferrer', textContent: part[0] });
}

// What the method does is there at once: who has just chosen it wants to know that before its options.
function tell() {
  const { title, about } = METHODS[chosen.method];
  told.replaceChildren(node('b', { textContent: box.dataset.side + ' ' + title + ':' }), ' ', ...about.map(aboutPart));
}

// Drawn when somebody looks, and left standing while the method is the same: an input of it may have the focus.
function draw() {
  if (!box.open) return;
  if (drawn !== chosen.method) {
    drawn = chosen.method;
    refreshers = [];
    place.replaceChildren(...METHODS[drawn].options.map((option) => node('div', {}, controlOf(option))));
  }
  refresh();
}

function refresh() {
  refreshers.forEach((bring) => bring());
}

function receive() {
  const text = frame.props.value || '{}';
  if (text === written) return;
  written = text;
  const before = chosen.method;
  chosen = withWritten(chosen, JSON.parse(text));
  if (chosen.method !== before) tell();
  draw();
  give();
}

box.addEventListener('toggle', draw);
frame.watch('value', receive);
receive();
