// Bytes: what each side holds at the shown step, as a bar under its picture, and what a word reads of it, its full part; while
// the telling goes on, how it came to it.

import { bytesAfter } from '../core/charts.js';
import { bytesText } from '../core/numbers.js';
import { bytesReadAt } from '../core/reading.js';
import { bytesOnTheWay, bytesSaid } from '../core/telling.js';
import { ofSide, root, setText } from './dom.js';
import { openSides, state, stepOn } from './state.js';

/**
 * When that is, where it is not the end of a complete run: beside it stands what was held then.
 * @param {Side} side
 * @param {number} [whole]
 */
function when(side, whole) {
  const step = stepOn(side);
  return whole !== undefined || !state.done || step >= side.steps ? '' : step ? ' after token ' + step : ' before the answer';
}

/**
 * @param {number} [whole] of a prompt of which nothing was given up, while it is told how it became less
 * @param {number} [way] how far it has
 */
export function drawBytes(whole, way = 0) {
  if (whole === undefined && root.classList.contains('tv-telling-now')) return;
  const held = openSides().map((side) => ({ side, bytes: whole === undefined ? bytesAfter(side, stepOn(side)) : bytesOnTheWay(side, whole, way) }));
  const most = whole ?? Math.max(...held.map(({ bytes }) => bytes));
  held.forEach(({ side, bytes }) => {
    const box = ofSide('.tv-bytes', side);
    const said = whole === undefined ? bytesText(bytes) : bytesSaid(side, whole, way);
    const read = whole === undefined ? bytesReadAt(side, stepOn(side)) : NaN;
    const part = Number.isFinite(read) ? ', ' + bytesText(read) + ' read per word' : '';
    setText(box.firstElementChild, Number.isFinite(bytes) ? said + ' of memory' + when(side, whole) + part : '');
    box.lastElementChild.style.setProperty('--tv-share', String(bytes / most || 0));
    box.lastElementChild.style.setProperty('--tv-read', String(Number.isFinite(read) ? read / bytes : 1));
  });
}
