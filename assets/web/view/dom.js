// Dom: the view's elements, and how new ones are made.

import { frame } from '../frame.js';

export const root = frame.element.querySelector('.trace-view');
export const find = (selector) => root.querySelector(selector);
export const both = (selector) => [...root.querySelectorAll(selector)];
export const ofSide = (selector, side) => find(selector + '[data-side="' + side.letter + '"]');

export function tag(name, className, ...content) {
  const node = document.createElement(name);
  if (className) node.className = className;
  node.append(...content);
  return node;
}

export function setText(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

export function setClass(node, name, isOn) {
  if (node.classList.contains(name) !== isOn) node.classList.toggle(name, isOn);
}

export const SVG = 'http://www.w3.org/2000/svg';

export function svg(name, attributes, text) {
  const node = document.createElementNS(SVG, name);
  Object.entries(attributes).forEach(([key, value]) => node.setAttribute(key, value));
  if (text !== undefined) node.textContent = text;
  return node;
}
