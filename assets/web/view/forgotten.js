// Forgotten: how much of a side's attention went to its memory of what was dropped: of the word that is looked at in words,
// and of all of its answer as bars.

import { forgottenShares, forgottenText } from '../core/forgotten.js';
import { percentText } from '../core/numbers.js';
import { visiblePiece } from '../core/words.js';
import { ofSide, setClass, setText, tag } from './dom.js';
import { hoveredNumbers, openSides, state, stepOn } from './state.js';

export function drawForgotten() {
  openSides().forEach((side) => {
    const box = ofSide('.tv-forgot', side);
    box.hidden = !side.remembers;
    if (!side.remembers) return;
    const numbers = numbersNow(side);
    setText(box.querySelector('.tv-forgot-says'), forgottenText(side, state.layer, numbers));
    drawBars(box.querySelector('.tv-forgot-bars'), side, numbers ?? []);
  });
}

/**
 * The answer tokens that it is said of: those pointed at, or the one of the shown step; all of an answer at its end.
 * @param {Side} side
 */
function numbersNow(side) {
  const step = stepOn(side);
  const isWhole = !step || (state.done && step >= side.steps);
  return hoveredNumbers()?.filter((number) => number < side.known) ?? (isWhole ? null : [step - 1]);
}

/**
 * One bar an answer token, the highest as high as the box.
 * @param {any} box
 * @param {Side} side
 * @param {number[]} numbers
 */
function drawBars(box, side, numbers) {
  const shares = forgottenShares(side, state.layer);
  const key = state.layer + ':' + shares.join();
  if (box.key !== key) {
    box.key = key;
    const most = Math.max(0.01, ...shares.filter(Number.isFinite));
    box.replaceChildren(...shares.map((share, number) => barOf(side, number, share, most)));
    const said = Number.isFinite(shares[0]) ? ', at most ' + percentText(most) : '';
    box.setAttribute('aria-label', 'Share of attention on the memory of what was dropped, a bar a token' + said);
  }
  [...box.children].forEach((bar, number) => setClass(bar, 'tv-forgot-now', numbers.includes(number)));
}

/**
 * @param {Side} side
 * @param {number} number
 * @param {number} share
 * @param {number} most
 */
function barOf(side, number, share, most) {
  const bar = tag('i');
  bar.style.setProperty('--tv-share', String(Number.isFinite(share) ? share / most : 0));
  bar.title = '“' + visiblePiece(side.answer_pieces[number]) + '” ' + (Number.isFinite(share) ? percentText(share) : '–');
  return bar;
}
