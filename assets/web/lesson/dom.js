// Dom: the lesson's elements.

import { frame } from '../frame.js';
import { tag } from '../view/dom.js';

export const lessonRoot = frame.element.querySelector('.ls-lesson');
export const part = (name) => lessonRoot.querySelector('.ls-' + name);

export function press(className, text, action) {
  const node = tag('button', className, text);
  node.type = 'button';
  node.addEventListener('click', action);
  return node;
}
