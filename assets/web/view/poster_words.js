// Poster words: text on the poster, wrapped, its differing words marked.

import { splitWords } from '../core/words.js';

/** @param {PosterWord[]} words */
export function paragraphs(words) {
  const list = /** @type {PosterWord[][]} */ ([[]]);
  words.forEach((word) => {
    list.at(-1)?.push(word);
    if (/\n/.test(word.text)) list.push([]);
  });
  return list;
}

/**
 * Paragraphs of words, wrapped, at most `most` lines; returns where the next thing may begin.
 * @param {PosterPen} pen
 * @param {PosterWord[][]} list
 * @param {number} x
 * @param {number} y
 * @param {number} width
 * @param {number} height
 * @param {string} style
 * @param {string} colour
 * @param {number} most
 */
export function paintLines({ context, font, colours }, list, x, y, width, height, style, colour, most) {
  const [size, weight] = style.split(' ').reverse();
  context.font = (weight ?? 'normal') + ' ' + size + 'px ' + font;
  const measure = (/** @type {string} */ text) => context.measureText(text).width;
  const lines = list.flatMap((words) => wrapWords(words, width, measure));
  lines.slice(0, most).forEach((line, number) => {
    const base = y + (number + 1) * height - height * 0.28;
    markWords(context, line, x, base, Number(size), measure, colours);
    context.fillStyle = colour;
    const text = line.map((word) => word.text).join('').trimEnd();
    context.fillText(text + (number === most - 1 && lines.length > most ? ' …' : ''), x, base);
  });
  return y + Math.min(lines.length, most) * height;
}

/**
 * @param {PosterWord[]} words
 * @param {number} width
 * @param {(text: string) => number} measure
 */
function wrapWords(words, width, measure) {
  const lines = /** @type {PosterWord[][]} */ ([[]]);
  let used = 0;
  const pieces = words.flatMap((word) => splitWords(word.text).flatMap((text) => fitPieces(text, width, measure)).map((text) => ({ ...word, text })));
  pieces.forEach((piece) => {
    const bare = measure(piece.text.trimEnd());
    if (used && used + bare > width) { lines.push([]); used = 0; }
    lines.at(-1)?.push({ ...piece, text: piece.text.replace(/\s+/g, ' ') });
    used += measure(piece.text.replace(/\s+/g, ' '));
  });
  return lines;
}

/**
 * A word that is wider than the line is broken where it has to.
 * @param {string} text
 * @param {number} width
 * @param {(text: string) => number} measure
 */
function fitPieces(text, width, measure) {
  if (measure(text) <= width) return [text];
  const pieces = [''];
  for (const letter of text) {
    if (measure(pieces.at(-1) + letter) > width) pieces.push('');
    pieces[pieces.length - 1] += letter;
  }
  return pieces;
}

/**
 * Words that differ, as long as the text runs from left to right: elsewhere a word's place is not the sum of those before.
 * @param {CanvasRenderingContext2D} context
 * @param {PosterWord[]} line
 * @param {number} x
 * @param {number} base
 * @param {number} size
 * @param {(text: string) => number} measure
 * @param {Record<string, string>} colours
 */
function markWords(context, line, x, base, size, measure, colours) {
  const text = line.map((word) => word.text).join('');
  if (/[\u0590-\u08ff\u202a-\u202e\u2066-\u2069\ufb1d-\ufefc]/.test(text)) return;
  line.forEach((word, i) => {
    if (!word.differs) return;
    const left = measure(line.slice(0, i).map((before) => before.text).join(''));
    context.fillStyle = colours.mark;
    context.fillRect(x + left - 2, base - size, measure(word.text.trimEnd()) + 4, size * 1.3);
  });
}
