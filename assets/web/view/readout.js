// Readout: what happened at the step shown.

import { bytesAfter } from '../core/charts.js';
import { bytesText, shortNumber } from '../core/numbers.js';
import { givenUpText } from '../core/sentences.js';
import { slotsAlive } from '../core/uneven.js';
import { visiblePiece } from '../core/words.js';
import { ofSide, setText } from './dom.js';
import { headNow, lastStep, planes, state, stepOn } from './state.js';

// Per side what the shown step wrote, how many slots it left, its bytes, and what it gave up.
export function drawReadout() {
  const step = state.step;
  state.sides.forEach((side) => {
    const row = ofSide('.tv-moment', side);
    const cell = (/** @type {string} */ name, /** @type {string} */ text) => setText(row.querySelector('.tv-' + name), text);
    cell('wrote', !step ? 'prompt read' : step > side.known ? (side.finish === 'running' ? '–' : 'has ended') : '“' + visiblePiece(side.answer_pieces[step - 1]) + '”');
    cell('slots', slotsText(side));
    cell('held', side.opened ? bytesText(bytesAfter(side, stepOn(side))) : '–');
    const given = side.opened ? givenUpText(side, step, planes(side), state.layout) : '';
    setText(ofSide('.tv-gone', side), given);
  });
}

/**
 * Slots alive after the shown step, the mean over the shown layers and heads.
 * @param {Side} side
 */
function slotsText(side) {
  return shortNumber(slotsAlive(side, stepOn(side), state.layer, headNow()));
}

export function timeSummary() {
  const said = state.sides.map((side) => 'Side ' + side.letter.toUpperCase() + ' '
    + (state.step && state.step <= side.known ? '“' + visiblePiece(side.answer_pieces[state.step - 1]) + '”, ' : '')
    + slotsText(side) + ' slots');
  const isAtRest = state.step === lastStep() || (state.differs !== null && state.step === state.differs + 1);
  const ended = state.done && isAtRest ? [state.status, ...state.story.sentences].filter(Boolean) : [];
  return ended.map((text) => text.replace(/[^.]$/, '$&.') + ' ').join('') + 'After token ' + state.step + ' of ' + lastStep() + ': ' + said.join('; ');
}
