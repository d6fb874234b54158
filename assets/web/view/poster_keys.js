// Poster keys: the legend of the pictures, on the poster.

import { lightColour } from '../core/colours.js';
import { dots, hatching, ruling } from './patterns.js';

/**
 * The legend as the page shows it now, wrapped.
 * @param {PosterPen} pen
 * @param {any[]} keys
 * @param {number} x
 * @param {number} y
 * @param {number} right
 */
export function paintKeys(pen, keys, x, y, right) {
  const { context, colours } = pen;
  let left = x;
  keys.forEach((key) => {
    const ramp = key.querySelector('.tv-ramp');
    const text = ramp ? [...key.children].filter((part) => part !== ramp && part.offsetWidth).map((part) => part.textContent) : [key.textContent];
    const label = ramp ? text[0] + ' to ' + text.slice(1).join(', ') : text[0];
    context.font = '13px ' + pen.font;
    const width = ramp ? 76 : 14;
    const wide = width + 8 + context.measureText(label).width;
    if (left > x && left + wide > right) { left = x; y += 22; }
    const known = [...(ramp ?? key.querySelector('.tv-key')).classList].find((name) => name in POSTER_KEYS);
    POSTER_KEYS[known]?.(context, [left, y + 2, width, 14], colours);
    context.fillStyle = colours.muted;
    context.fillText(label, left + width + 8, y + 14);
    left += wide + 20;
  });
  return y + 22;
}

// What a key of the legend looks like, by its class; `box` is its place.
/** @type {Record<string, (context: CanvasRenderingContext2D, box: Box, colours: PosterPen['colours']) => void>} */
const POSTER_KEYS = {
  'tv-ramp': (context, [x, y, width, height]) => {
    for (let i = 0; i < width; i++) paintBlock(context, [x + i, y, 1.5, height], lightColour(i / width));
  },
  'tv-key-anchor': (context, box, colours) => frameBlock(context, box, colours.anchor, 2.5),
  'tv-key-dot': (context, [x, y], colours) => paintBlock(context, [x + 3, y + 3, 8, 8], colours.anchor),
  'tv-key-group': (context, [x, y, width, height], colours) => {
    paintBlock(context, [x, y, width / 2, height], colours['group-0']);
    paintBlock(context, [x + width / 2, y, width / 2, height], colours['group-1']);
  },
  'tv-key-mean': (context, [x, y, width, height]) => {
    paintBlock(context, [x, y, width / 2, height], '#8a7a5c');
    paintBlock(context, [x + width / 2, y, width / 2, height], '#5c7a8a');
  },
  'tv-key-border': (context, [x, y, width, height], colours) => paintBlock(context, [x + width / 2, y, 1.5, height], colours.text),
  'tv-key-gone': (context, box, colours) => {
    paintBlock(context, box, colours.blank, hatching(context, 1, colours.hatch, 'transparent'));
    frameBlock(context, box, colours.line, 1);
  },
  'tv-key-unread': (context, box, colours) => {
    paintBlock(context, box, colours.blank, hatching(context, 1, colours.hatch, 'transparent', true));
    frameBlock(context, box, colours.line, 1);
  },
  'tv-key-text': (context, box, colours) => {
    paintBlock(context, box, colours.blank, dots(context, 1, colours.merged));
    frameBlock(context, box, colours.line, 1);
  },
  'tv-key-reused': (context, box, colours) => {
    paintBlock(context, box, '#6b6b74', ruling(context, 1));
    frameBlock(context, box, colours.line, 1);
  },
  'tv-key-merged': (context, box, colours) => paintBlock(context, box, colours.veil),
};

/**
 * @param {CanvasRenderingContext2D} context
 * @param {Box} box
 * @param {...(string | CanvasPattern)} fills
 */
function paintBlock(context, box, ...fills) {
  fills.forEach((style) => {
    context.fillStyle = style;
    context.fillRect(...box);
  });
}

/**
 * @param {CanvasRenderingContext2D} context
 * @param {Box} box
 * @param {string} colour
 * @param {number} line
 */
function frameBlock(context, [x, y, width, height], colour, line) {
  Object.assign(context, { strokeStyle: colour, lineWidth: line });
  context.strokeRect(x + line / 2, y + line / 2, width - line, height - line);
}
