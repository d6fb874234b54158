// Dom: the view's elements, and how new ones are made.

import { frame } from '../frame.js';

/** @type {HTMLElement} */
export const root = frame.element.querySelector('.trace-view');
// What is found is anything: which element a selector finds, the markup says and no type.
/** @type {(selector: string) => any} */
export const find = (selector) => root.querySelector(selector);
/** @type {(selector: string) => any[]} */
export const both = (selector) => [...root.querySelectorAll(selector)];
/** @type {(selector: string, side: Side) => any} */
export const ofSide = (selector, side) => find(selector + '[data-side="' + side.letter + '"]');

/**
 * @template {keyof HTMLElementTagNameMap} Name
 * @param {Name} name
 * @param {string} [className]
 * @param {...(string | Node)} content
 * @returns {HTMLElementTagNameMap[Name]}
 */
export function tag(name, className, ...content) {
  const node = document.createElement(name);
  if (className) node.className = className;
  node.append(...content);
  return node;
}

/**
 * @param {Element} node
 * @param {string} text
 */
export function setText(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

/**
 * @param {Element} node
 * @param {string} name
 * @param {boolean} isOn
 */
export function setClass(node, name, isOn) {
  if (node.classList.contains(name) !== isOn) node.classList.toggle(name, isOn);
}

// Whether somebody has asked for nothing to move.
export const isStill = () => window.matchMedia('(prefers-reduced-motion: reduce)').matches;

export const SVG = 'http://www.w3.org/2000/svg';

/**
 * @template {keyof SVGElementTagNameMap} Name
 * @param {Name} name
 * @param {Record<string, string | number>} attributes
 * @param {string} [text]
 * @returns {SVGElementTagNameMap[Name]}
 */
export function svg(name, attributes, text) {
  const node = document.createElementNS(SVG, name);
  Object.entries(attributes).forEach(([key, value]) => node.setAttribute(key, String(value)));
  if (text !== undefined) node.textContent = text;
  return node;
}
