// Layers: the numbers of a layer, and what is said of it.

import { channelsText } from './channels.js';
import { percentText, shortNumber } from './numbers.js';
import { spanOfHeads } from './uneven.js';

/**
 * @param {string} key
 * @param {number} now
 * @param {number} count
 * @returns {number | null}
 */
export function layerAfterKey(key, now, count) {
  const step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[key];
  if (step) return (now + step + count) % count;
  return { Home: 0, End: count - 1 }[key] ?? null;
}

// ---- the numbers of a layer; number 0 is the mean of all

/**
 * @param {Side} side
 * @param {number} number
 * @returns {LayerFigures}
 */
export function layerFigures(side, number) {
  const pick = (/** @type {number[]} */ values) => {
    const known = values.filter(Number.isFinite);
    return number ? values[number - 1] ?? NaN : known.reduce((sum, value) => sum + value, 0) / known.length;
  };
  return {
    side,
    slots: isUneven(side) ? pick(side.prompt_slots) : NaN,
    ofHeads: spanOfHeads(side, number),
    kept: pick(side.prompt_slots.map((slots) => slots / side.tokens)),
    overlap: side.chooses ? pick(anchorOverlaps(side)) : NaN,
    sparsity: pick(side.sparsity ?? []),
  };
}

/**
 * Whether layers hold different numbers of slots: then these are told, too.
 * @param {Side} given
 */
export const isUneven = ({ prompt_slots }) => prompt_slots.some((slots) => slots !== prompt_slots[0]);

/**
 * Per layer how alike its anchors and those of the layer before are: common to both / in either. Where heads choose for
 * themselves a token counts by the share of heads that keep it.
 * @param {Side} side
 * @returns {number[]}
 */
function anchorOverlaps(side) {
  side.overlaps ??= Array.from({ length: side.layers }, (_, layer) => {
    if (!layer) return NaN;
    const [before, now] = [layer - 1, layer].map((number) => anchorShares(side, number));
    let common = 0;
    let either = 0;
    now.forEach((share, token) => {
      common += Math.min(share, before[token]);
      either += Math.max(share, before[token]);
    });
    return common / either;
  });
  return side.overlaps;
}

/**
 * @param {Side} side
 * @param {number} layer
 */
function anchorShares(side, layer) {
  const shares = new Float64Array(side.tokens);
  for (let head = 0; head < side.heads; head++) {
    const start = (layer * side.heads + head) * side.tokens;
    for (let token = 0; token < side.tokens; token++) if (side.owner[start + token] === token) shares[token] += 1 / side.heads;
  }
  return shares;
}

/**
 * What is said of a layer, in parts, each with the mark that stands for it: words and legend are one.
 * @param {LayerFigures[]} figures
 * @param {number} number
 * @param {number} layers
 * @returns {{ text: string, mark?: string, side?: Side, term?: string }[]}
 */
export function layerWords(figures, number, layers) {
  const parts = /** @type {ReturnType<typeof layerWords>} */ ([{ text: number ? 'Layer ' + number + ' of ' + layers : 'Mean of ' + layers + ' layers' }]);
  const letter = (/** @type {Side} */ side) => side.letter.toUpperCase();
  figures.forEach(({ side, kept, slots, ofHeads }, i) => {
    const of = i === figures.length - 1 ? ' of ' + side.tokens + ' tokens' : '';
    const counts = [
      Number.isFinite(slots) ? shortNumber(slots) : '',
      ofHeads ? 'its heads ' + ofHeads[0] + ' to ' + ofHeads[1] : '',
    ].filter(Boolean).join(', ');
    parts.push({ mark: 'tv-bar-kept', side, term: 'keeps', text: letter(side) + ' keeps ' + percentText(kept) + of + (counts && ' (' + counts + ')') });
  });
  figures.filter(({ side }) => side.channels).forEach(({ side }) => {
    parts.push({ text: letter(side) + '’s keys hold ' + channelsText(side, number) });
  });
  figures.filter(({ overlap }) => Number.isFinite(overlap)).forEach(({ side, overlap }, _, compressed) => {
    const whose = compressed.length > 1 ? letter(side) + '’s anchors' : 'anchors';
    const before = number ? 'layer ' + (number - 1) + '’s' : 'the layer before';
    parts.push({ mark: 'tv-overlap', side, term: 'overlap', text: whose + ' overlap ' + percentText(overlap) + ' with ' + before });
  });
  const { side, sparsity } = figures[0];
  if (Number.isFinite(sparsity)) {
    parts.push({ mark: 'tv-sparse', side, term: 'sparsity', text: percentText(sparsity) + ' of attention weights next to nothing' });
  }
  return parts;
}
