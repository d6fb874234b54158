// Dom: the lesson's elements.

import { frame } from '../frame.js';
import { tag } from '../view/dom.js';

/** @type {HTMLElement} */
export const lessonRoot = frame.element.querySelector('.ls-lesson');
/** @type {(name: string) => any} */
export const part = (name) => lessonRoot.querySelector('.ls-' + name);

/**
 * @param {string} className
 * @param {string} text
 * @param {(event: MouseEvent) => void} action
 */
export function press(className, text, action) {
  const node = tag('button', className, text);
  node.type = 'button';
  node.addEventListener('click', action);
  return node;
}
