// Handout: the eight pictures and sentences on one page, to be printed or saved as PDF.

import { planesOf, sharesOf } from '../core/holders.js';
import { imageSummary } from '../core/sentences.js';
import { fateOf, pieceOf } from '../core/tokens.js';
import { drawMemory } from '../view/charts.js';
import { svg, tag } from '../view/dom.js';
import { lineTexts } from './asks.js';
import { part, press } from './dom.js';
import { buildLine } from './line.js';
import { visit } from './progress.js';
import { sideNamed, smallPicture } from './sides.js';
import { lesson } from './state.js';
import { wordsOf } from './texts.js';

/** @type {Record<LessonSheet['picture'], (sheet: LessonSheet) => HTMLElement>} */
const SHEET_PICTURES = {
  patches: (sheet) => smallPicture(sideNamed(sheet.side), sheet),
  layers: (sheet) => {
    const side = sideNamed(sheet.side);
    const numbers = [...Array(side.layers).keys()].map((layer) => layer + 1);
    return tag('div', 'ls-sheet-layers', ...numbers.map((layer) => smallPicture(side, { ...sheet, layer })));
  },
  memory: (sheet) => {
    const room = { width: 320, height: 200, em: 14 };
    const chart = Object.assign(svg('svg', { class: 'ls-sheet-chart' }), { room });
    const sides = [sideNamed(lesson.value.names[0]), sideNamed(sheet.side)];
    const last = Math.max(...sides.map((side) => side.steps));
    drawMemory(chart, sides.map((side, i) => Object.assign(side, { letter: 'ab'[i] })), last, last);
    return tag('div', 'trace-view', chart);
  },
  growth: () => {
    /** @type {LateBox} */
    const box = tag('div', 'ls-sheet-line');
    const { ask } = /** @type {LessonStep & { ask: LineAsk }} */ (lesson.value.steps.find((step) => step.ask.kind === 'line'));
    // Drawn once it stands in the page, where it has a size.
    box.fill = () => buildLine(box, { ...ask, texts: lineTexts() }, () => {}).reveal(true);
    return box;
  },
  words: (sheet) => sheetWords(sideNamed(sheet.side), sheet.layer),
};

/**
 * The prompt's words as they are in a layer: kept, merged or dropped; the picture as one.
 * @param {Side} side
 * @param {number} layer
 */
function sheetWords(side, layer) {
  const [plane] = planesOf(side, layer, 1);
  const shares = sharesOf(side, [plane], 0);
  /** @type {HTMLElement[]} */
  const boxes = [];
  for (let token = 0; token < side.tokens; token++) {
    if (side.is_image[token]) {
      if (!side.is_image[token - 1]) boxes.push(tag('span', 'tv-token tv-image', imageSummary(side, shares)));
      continue;
    }
    const box = tag('span', 'tv-token', pieceOf(side, token));
    [box.dataset.fate] = fateOf(shares, token);
    boxes.push(box);
  }
  return tag('div', 'trace-view ls-sheet-words', ...boxes);
}

export function drawSheet() {
  const { value } = lesson;
  document.body.classList.remove('dark'); // paper is white
  const cards = value.steps.map(({ title, sheet }, i) => tag('section', 'ls-sheet-card',
    tag('h3', '', (i + 1) + ' · ' + title), SHEET_PICTURES[sheet.picture](sheet), tag('p', '', ...sheet.text.map((piece) => (typeof piece === 'string' ? piece : piece.text)))));
  const back = () => visit({ lesson: String(lesson.step) });
  const tools = tag('div', 'ls-tools', press('ls-main', wordsOf('print'), () => window.print()), press('ls-plain', '← ' + wordsOf('return'), back));
  const box = part('sheet');
  box.replaceChildren(tools, tag('h2', '', value.title), tag('p', 'ls-sheet-about', wordsOf('sheet_about')), tag('div', 'ls-sheet-cards', ...cards));
  box.hidden = false;
  box.querySelectorAll('.ls-sheet-line').forEach((/** @type {LateBox} */ line) => line.fill?.());
  document.body.classList.add('handout');
}
