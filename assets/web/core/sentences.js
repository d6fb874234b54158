// Sentences: what the view says of a token, of a step and of the whole.

import { DROPPED, EVICTED, holder, membersOf, movedAfter } from './holders.js';
import { isMarker, neverStored, pieceOf, tokenName, viewOf } from './tokens.js';
import { placeText } from './views.js';
import { visiblePiece } from './words.js';

/**
 * @param {number[]} patches
 * @param {Shares} shares
 */
function patchCounts(patches, shares) {
  const sum = (/** @type {keyof Shares} */ name) => patches.reduce((total, token) => total + shares[name][token], 0);
  const merged = sum('merged') + sum('intoText');
  const counts = { kept: sum('kept'), merged, dropped: sum('dropped'), evicted: sum('evicted') };
  return Object.entries(counts).map(([name, value]) => [String(Math.round(value * 10) / 10), name]);
}

/**
 * "256 image patches: 115 kept, 141 merged, 0 dropped"; of one view of several "tile 2, 64 patches: ...".
 * @param {Side} side
 * @param {Shares} shares
 * @param {string} [name]
 * @param {number[]} [patches]
 */
export function imageSummary(side, shares, name = '', patches = side.patches) {
  const all = (name ? name + ', ' : '') + patches.length + (name ? ' patches' : ' image patches');
  if (!side.chooses) return all;
  const counts = patchCounts(patches, shares).filter(([value, kind]) => kind !== 'evicted' || value !== '0');
  return all + ': ' + counts.map((count) => count.join(' ')).join(', ');
}

/**
 * "115 of 256 patches kept, 141 merged", "On average of all heads, 3 of 256 patches kept, 253 dropped"
 * @param {Side} side
 * @param {Shares} shares
 * @param {number[]} planes
 */
export function idleSentence(side, shares, planes) {
  const [isMean, unit] = [planes.length > 1, unitOf(side, planes)];
  const [[kept], ...others] = patchCounts(side.patches, shares);
  const rest = others.filter(([value]) => value !== '0').map((count) => ', ' + count.join(' '));
  return (isMean && rest.length ? 'On average of all ' + unit + ', ' : '') + kept + ' of ' + side.patches.length + ' patches kept' + rest.join('');
}

/**
 * A sentence about a token: where it is and who holds its key and value.
 * @param {Side} side
 * @param {number} token
 * @param {number[]} planes
 * @param {number} step
 * @param {Layout} layout
 */
export function sentence(side, token, planes, step, layout) {
  const name = tokenName(side, token, layout);
  if (token >= side.tokens) {
    if (token - side.tokens >= step) return name + ' · not written yet';
    if (neverStored(side, token - side.tokens)) return name + ' · ended the answer and was never stored';
  }
  return name + ' · ' + (planes.length > 1 ? meanSentence(side, token, planes, step) : fateSentence(side, token, planes[0], step, layout));
}

/**
 * @param {Side} side
 * @param {number} token
 * @param {number} plane
 * @param {number} step
 * @param {Layout} layout
 */
function fateSentence(side, token, plane, step, layout) {
  const at = holder(side, plane, token, step);
  if (at === DROPPED) return 'was dropped';
  const moved = movedAfter(side, plane, token, step);
  if (at === EVICTED) return 'evicted after answer token ' + moved + ' (“' + visiblePiece(side.answer_pieces[moved - 1] ?? '') + '”)';
  const others = membersOf(side, plane, token, step).filter((member) => member !== token);
  if (at === token) return 'keeps its own slot' + tookInText(side, token, others);
  const more = others.length - 1;
  return 'merged into the ' + holderName(side, at, layout) + (moved ? ' after answer token ' + moved : '')
    + (more > 0 ? ', with ' + more + (more === 1 ? ' other' : ' others') : '');
}

/**
 * @param {Side} side
 * @param {number} at
 * @param {Layout} layout
 */
function holderName(side, at, layout) {
  if (at < side.tokens && side.is_image[at]) return 'anchor at ' + placeText(layout, side.patchOf[at]);
  if (isMarker(side, at)) return tokenName(side, at, layout).replace(/^[A-Z]/, (letter) => letter.toLowerCase());
  return (at < side.tokens ? 'text' : 'answer') + ' token “' + pieceOf(side, at) + '”';
}

/**
 * " (anchor of 5 patches)" where a patch holds patches only, else ", took in 5 patches, 2 words and 1 answer token".
 * @param {Side} side
 * @param {number} token
 * @param {number[]} others
 */
function tookInText(side, token, others) {
  if (!others.length) return '';
  if ([token, ...others].every((each) => side.is_image[each])) return ' (anchor of ' + (others.length + 1) + ' patches)';
  const kinds = { patch: 0, marker: 0, word: 0, 'answer token': 0 };
  others.forEach((each) => {
    kinds[each >= side.tokens ? 'answer token' : side.is_image[each] ? 'patch' : viewOf(side, each) >= 0 ? 'marker' : 'word']++;
  });
  const counts = Object.entries(kinds).filter(([, count]) => count)
    .map(([kind, count]) => count + ' ' + (count === 1 ? kind : kind === 'patch' ? 'patches' : kind + 's'));
  return ', took in ' + [counts.slice(0, -1).join(', '), counts.at(-1)].filter(Boolean).join(' and ');
}

/**
 * What several planes are: heads of one layer, layers, or both.
 * @param {Side} side
 * @param {number[]} planes
 */
function unitOf(side, planes) {
  const layerOf = (/** @type {number} */ plane) => Math.floor(plane / side.heads);
  if (layerOf(planes[0]) === layerOf(planes[planes.length - 1])) return 'heads';
  return planes.length > side.layers ? 'layers and heads' : 'layers';
}

/**
 * @param {Side} side
 * @param {number} token
 * @param {number[]} planes
 * @param {number} step
 */
function meanSentence(side, token, planes, step) {
  const counts = { kept: 0, merged: 0, dropped: 0, evicted: 0 };
  for (const plane of planes) {
    const at = holder(side, plane, token, step);
    counts[at === token ? 'kept' : at === DROPPED ? 'dropped' : at === EVICTED ? 'evicted' : 'merged']++;
  }
  const unit = unitOf(side, planes);
  if (counts.kept === planes.length) return 'keeps its own slot in all ' + planes.length + ' ' + unit;
  const rest = Object.entries(counts).slice(1).filter(([, count]) => count).map(([kind, count]) => kind + ' in ' + count);
  return 'keeps its own slot in ' + counts.kept + ' of ' + planes.length + ' ' + unit + ', ' + rest.join(', ');
}

/**
 * What the view says of caches that were compressed before the question was read; '' where it was the other way round.
 * @param {{ asked_after: number }} side
 */
export function askedAfterText({ asked_after }) {
  if (!asked_after) return '';
  const words = asked_after === 1 ? 'its token, read afterwards, had no vote and holds a slot'
    : 'its ' + asked_after + ' tokens, read afterwards, had no vote and hold a slot each';
  return 'Compressed before the question: ' + words + ' beyond the share that is kept.';
}

// ---- what looked at what

/** @param {string[]} pieces */
function quoted(pieces) {
  return pieces.map((piece) => '“' + piece + '”').join(', ');
}

/**
 * " · looked at most by “dog” (token 5), “red” (9)"
 * @param {Side} side
 * @param {number[][]} top
 */
export function lookersText(side, top) {
  if (!top.length) return '';
  const names = top.map(([number], i) => '“' + visiblePiece(side.answer_pieces[number]) + '” (' + (i ? '' : 'token ') + (number + 1) + ')');
  return ' · looked at most by ' + names.join(', ');
}

/**
 * " · 34 % of its attention on the image, of the words most at “:”, “What”"
 * @param {Side} side
 * @param {Float32Array | number[]} gaze
 * @param {number[][]} top
 */
export function lookedText(side, gaze, top) {
  let onImage = 0;
  for (const weight of gaze) onImage += weight;
  if (Number.isNaN(onImage)) return '';
  const words = top.length ? ', of the words most at ' + quoted(top.slice(0, 3).map(([token]) => pieceOf(side, token))) : '';
  return ' · ' + Math.round(onImage * 100) + ' % of its attention on the image' + words;
}

// ---- what a step did

/**
 * "1–4, 7"
 * @param {number[]} numbers
 */
export function rangesText(numbers) {
  const parts = /** @type {number[][]} */ ([]);
  numbers.forEach((number) => {
    const last = parts.at(-1);
    if (last && number === last[1] + 1) last[1] = number;
    else if (!last || number !== last[1]) parts.push([number, number]);
  });
  return parts.map(([from, to]) => (from === to ? from : from + '–' + to)).join(', ');
}

/**
 * What a side gave up after an answer token, of the shown planes: [{token, into, planes}, ...], what most planes have in
 * common first; `into` is the token whose slot took it in, -1 where it was evicted.
 * @param {Side} side
 * @param {number} step
 * @param {number[]} planes
 * @returns {GivenUp[]}
 */
function givenUpAt(side, step, planes) {
  const found = new Map();
  planes.forEach((plane) => {
    const token = side.dropped[step - 1]?.[plane] ?? -1;
    const into = side.joined[step - 1]?.[plane] ?? -1;
    if (token < 0) return;
    const key = token + '>' + into;
    if (!found.has(key)) found.set(key, { token, into, planes: [] });
    found.get(key).planes.push(plane);
  });
  return [...found.values()].sort((a, b) => b.planes.length - a.planes.length || a.token - b.token);
}

/**
 * "evicts patch row 3, column 4 (layers 1–4, 7); “the” (layer 2) and 3 more", "merges “a” into “dog” (layer 1)": as much
 * as two lines hold.
 * @param {Side} side
 * @param {number} step
 * @param {number[]} planes
 * @param {Layout} layout
 */
export function givenUpText(side, step, planes, layout) {
  const given = givenUpAt(side, step, planes);
  const parts = /** @type {[string, GivenUp[], number][]} */ ([
    ['merges ', given.filter(({ into }) => into >= 0), 1], ['evicts ', given.filter(({ into }) => into < 0), 2],
  ]);
  const said = parts.filter(([, list]) => list.length).map(([verb, list, most]) => {
    const shown = list.slice(0, most).map((each) => movedText(side, each, planes, layout));
    return verb + shown.join('; ') + (list.length > most ? ' and ' + (list.length - most) + ' more' : '');
  });
  return said.join('; ') || 'gives up nothing';
}

/**
 * @param {Side} side
 * @param {GivenUp} given
 * @param {number[]} shown
 * @param {Layout} layout
 */
function movedText(side, { token, into, planes }, shown, layout) {
  const name = (/** @type {number} */ each) => (viewOf(side, each) >= 0
    ? tokenName(side, each, layout).replace(/^[A-Z]/, (letter) => letter.toLowerCase()) : '“' + pieceOf(side, each) + '”');
  return name(token) + (into < 0 ? '' : ' into ' + name(into)) + planesText(side, planes, shown);
}

/**
 * " (layers 1–4, 7)", of one layer " (heads 1, 3)"; nothing where there is no choice.
 * @param {Side} side
 * @param {number[]} planes
 * @param {number[]} shown
 */
function planesText(side, planes, shown) {
  const layerOf = (/** @type {number} */ plane) => Math.floor(plane / side.heads) + 1;
  const oneLayer = layerOf(shown[0]) === layerOf(shown[shown.length - 1]);
  if (shown.length < 2) return '';
  const ranges = rangesText(planes.map(oneLayer ? (plane) => plane % side.heads + 1 : layerOf));
  return ' (' + (oneLayer ? 'head' : 'layer') + (/\D/.test(ranges) ? 's ' : ' ') + ranges + ')';
}
