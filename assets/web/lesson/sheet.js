// Sheet: a canvas over the patches of another one.

import { cellsOf } from '../core/views.js';
import { tag } from '../view/dom.js';
import { state } from '../view/state.js';

/**
 * A canvas over another one, of its place and size, that lets every event through. `paint` is called at each fitting.
 * @param {HTMLCanvasElement} canvas
 * @param {(sheet: FineCanvas) => void} paint
 */
export function layOver(canvas, paint) {
  const sheet = /** @type {FineCanvas} */ (tag('canvas', 'ls-over'));
  const parent = /** @type {HTMLElement} */ (canvas.parentElement);
  sheet.setAttribute('aria-hidden', 'true');
  // What is above the canvas may grow: the sheet is placed within the parent, not the page.
  parent.classList.add('ls-under');
  canvas.after(sheet);
  const fit = () => {
    const [box, around] = [canvas.getBoundingClientRect(), parent.getBoundingClientRect()];
    const [left, top] = [box.left - around.left - parent.clientLeft, box.top - around.top - parent.clientTop];
    Object.assign(sheet.style, { left: left + 'px', top: top + 'px', width: box.width + 'px', height: box.height + 'px' });
    Object.assign(sheet, { width: canvas.width, height: canvas.height, ratio: canvas.width / box.width });
    if (box.width && sheet.width && sheet.height) paint(sheet);
  };
  const watcher = new ResizeObserver(fit);
  [canvas, parent].forEach((each) => watcher.observe(each));
  fit();
  return {
    sheet,
    lift() {
      watcher.disconnect();
      sheet.remove();
      if (!parent.querySelector(':scope > .ls-over')) parent.classList.remove('ls-under');
    },
  };
}

/**
 * Per patch of the grid [x, y, width, height] on a sheet.
 * @param {FineCanvas} sheet
 * @returns {(patch: number) => CellBox}
 */
export function patchesOn(sheet) {
  return cellsOf(sheet, state.layout);
}
