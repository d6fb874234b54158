// Channels of the keys as a picture, one row per head.

import { channelShares, channelsText } from '../core/channels.js';
import { hexParts } from '../core/colours.js';
import { layOut } from '../core/views.js';
import { ofSide, setText } from './dom.js';
import { ink } from './ink.js';
import { paintCells, paintPattern } from './paint_cells.js';
import { hatching } from './patterns.js';
import { layerName, state } from './state.js';

/** @param {Side} side */
export function drawChannels(side) {
  if (!side.channels) return;
  const box = ofSide('.tv-thin', side);
  const { heads, dim } = side.channels;
  const canvas = box.querySelector('canvas');
  const shares = channelShares(side, state.layer);
  const says = 'Keys hold ' + channelsText(side, state.layer) + ' per head, ' + layerName() + '; values are whole.';
  setText(box.querySelector('.tv-thin-says'), says);
  canvas.setAttribute('aria-label', 'Channels of the keys, ' + side.title + ', a row per head. ' + says);
  if (canvas.width) paintChannels(canvas, { layout: layOut([{ rows: heads, columns: dim, box: [0, 0, 1, 1], picture: 0 }]), patches: shares });
}

/**
 * A channel that is held is lit as an anchor is, one that is not is hatched as a dropped patch is.
 * @param {FineCanvas} canvas
 * @param {Cells} scene
 */
function paintChannels(canvas, scene) {
  const context = /** @type {CanvasRenderingContext2D} */ (canvas.getContext('2d'));
  const { blank, hatch, anchor } = ink();
  context.globalAlpha = 1;
  context.fillStyle = 'rgb(' + blank.join(',') + ')';
  context.fillRect(0, 0, canvas.width, canvas.height);
  const share = (/** @type {number} */ cell) => scene.patches[cell];
  paintPattern(context, scene, hatching(context, canvas.ratio, hatch, 'transparent'), (cell) => 1 - share(cell));
  context.globalAlpha = 1;
  paintCells(context, scene, () => hexParts(anchor), share);
  context.fillStyle = 'rgb(' + blank.join(',') + ')';
  const [{ rows }] = scene.layout.views;
  for (let row = 1; row < rows; row++) {
    context.fillRect(0, Math.round(row * canvas.height / rows) - canvas.ratio / 2, canvas.width, canvas.ratio);
  }
}

/**
 * Rows high enough to be told apart, of which many still are a small picture.
 * @param {FineCanvas} canvas
 * @param {Side} side
 * @param {number} ratio
 */
export function fitChannels(canvas, side, ratio) {
  const { heads } = /** @type {Channels} */ (side.channels);
  const row = heads > 8 ? 5 : 12;
  canvas.style.height = row * heads + 'px';
  const [width, height] = [canvas.clientWidth, row * heads].map((size) => Math.round(size * ratio));
  canvas.ratio = ratio;
  if (canvas.width !== width || canvas.height !== height) Object.assign(canvas, { width, height });
}
