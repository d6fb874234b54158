// Pictures: those that are asked about together, in their order. Dragged, or moved with buttons and keys.

import { moved } from '../core/order.js';
import { frame } from '../frame.js';

const list = frame.element.querySelector('.pt-list');
const says = frame.element.querySelector('.pt-says');
const MOST = Number(frame.element.querySelector('.pictures').dataset.most);
/** @type {string[]} */
let paths = [];
let dragged = -1;

/** @param {string} path */
function addressOf(path) {
  return new URL('gradio_api/file=' + path.split('/').map(encodeURIComponent).join('/'), location.origin + location.pathname).href;
}

/**
 * @param {string[]} changed
 * @param {number} [focus] - the picture that the keyboard is on from now on
 */
function change(changed, focus) {
  if (changed === paths) return;
  frame.props.value = JSON.stringify(changed);
  draw();
  if (focus !== undefined) list.children[Math.min(focus, paths.length - 1)]?.focus();
  frame.trigger('changed', {});
}

/**
 * @param {string} text
 * @param {string} label
 * @param {boolean} isOff
 * @param {() => void} action
 */
function press(text, label, isOff, action) {
  const button = Object.assign(document.createElement('button'), { type: 'button', textContent: text, disabled: isOff, onclick: action });
  button.setAttribute('aria-label', label);
  return button;
}

/**
 * @param {string} path
 * @param {number} at
 */
function item(path, at) {
  const box = Object.assign(document.createElement('li'), { tabIndex: 0, draggable: true });
  const name = 'Picture ' + (at + 1) + ' of ' + paths.length;
  box.setAttribute('aria-label', name + '. Arrow keys move it, Delete leaves it out.');
  const image = Object.assign(document.createElement('img'), { src: addressOf(path), alt: '', draggable: false });
  const number = Object.assign(document.createElement('b'), { textContent: String(at + 1) });
  const bar = document.createElement('span');
  bar.append(
    press('‹', name + ': earlier', at === 0, () => change(moved(paths, at, at - 1), at - 1)),
    press('×', name + ': leave out', false, () => change(paths.filter((_, other) => other !== at), at)),
    press('›', name + ': later', at === paths.length - 1, () => change(moved(paths, at, at + 1), at + 1)),
  );
  box.append(number, image, bar);
  box.addEventListener('keydown', (event) => onKey(event, at));
  box.addEventListener('dragstart', (event) => {
    dragged = at;
    event.dataTransfer?.setData('text/plain', name);
  });
  box.addEventListener('dragover', (event) => { if (dragged >= 0) event.preventDefault(); });
  box.addEventListener('drop', (event) => {
    if (dragged < 0) return;
    event.preventDefault();
    change(moved(paths, dragged, at), at);
    dragged = -1;
  });
  box.addEventListener('dragend', () => { dragged = -1; });
  return box;
}

/**
 * @param {KeyboardEvent} event
 * @param {number} at
 */
function onKey(event, at) {
  if (event.target !== event.currentTarget) return;
  const by = { ArrowLeft: -1, ArrowUp: -1, ArrowRight: 1, ArrowDown: 1 }[event.key];
  if (by) change(moved(paths, at, at + by), at + by);
  else if (event.key === 'Delete' || event.key === 'Backspace') change(paths.filter((_, other) => other !== at), at);
  else return;
  event.preventDefault();
}

function draw() {
  paths = frame.props.value ? JSON.parse(frame.props.value) : [];
  list.replaceChildren(...paths.map(item));
  list.hidden = !paths.length;
  says.textContent = !paths.length ? '' : 'Asked about: ' + (paths.length === 1 ? 'this picture' : 'these ' + paths.length + ' pictures, in this order')
    + (paths.length < MOST ? '. Whatever picture comes above is added.' : '. There is room for no more.');
}

frame.watch('value', draw);
draw();
