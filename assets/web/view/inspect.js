// Inspect: what the view shows, as numbers, computed for whoever asks from beside it.

import { presetName } from '../core/address.js';
import { trafficShares } from '../core/calculator.js';
import { channelShares } from '../core/channels.js';
import { hoverOf } from './hover.js';
import { heatNow } from './pictures.js';
import { headNow, hoveredNumbers, openSides, state } from './state.js';

/** @type {[keyof Shares, string][]} */
const FATE_LETTERS = [['kept', 'a'], ['merged', 'm'], ['intoText', 't'], ['dropped', 'd'], ['evicted', 'e']];

export function inspect() {
  const { run, done, step, layer, size, heat, fill, anchors, groups, opacity, locked, playing, differs, hover } = state;
  const numbers = hoveredNumbers();
  const pointed = openSides().filter((side) => side.scene).map((side) => hoverOf(side, numbers));
  const own = pointed.find(({ side }) => side.number === hover?.side);
  return {
    run, done, step, layer, head: headNow(), mode: presetName(state) || 'own', size, heat, fill, anchors, groups, opacity, locked, playing,
    firstDifference: differs, scale: openSides()[0]?.scene?.range ?? null,
    views: state.layout.views, patch: hover?.patch ?? null, token: own?.token ?? null,
    anchor: own && own.at >= 0 ? own.at : null, members: own && own.at >= 0 ? own.members : [],
    sides: state.sides.map((side) => ({
      tokens: side.steps, ...(side.scene ? shownOf(side) : {}), ...lookedAt(pointed.find((each) => each.side === side)),
    })),
  };
}

/**
 * Per patch one letter for what became of it where one plane is shown, the share of planes that keep it, its colours, and
 * what was looked at.
 * @param {Side} side
 */
function shownOf(side) {
  const { shares, patches, colours, means, at, heat, unread } = side.scene;
  const letterOf = (/** @type {number} */ token) => FATE_LETTERS.find(([name]) => shares[name][token] > 0.5)?.[1];
  return {
    fates: at ? patches.map(letterOf).join('') : '', shares: patches.map((token) => shares.kept[token]), colours, means,
    looked: heat && heatNow().kind === 'looked' ? [...heat] : null,
    unread: unread && [...unread], readLayers: [...side.layerRead.keys()],
    channels: side.channels ? [...channelShares(side, state.layer)] : null,
    traffic: state.shape ? trafficShares([side], state.shape, state.step)[0] : null,
  };
}

/**
 * The answer tokens that looked most at what is pointed at, and the words that one pointed at looked at most.
 * @param {ReturnType<typeof hoverOf> | undefined} pointed
 */
function lookedAt(pointed) {
  const numbersOf = (/** @type {number[][]} */ pairs) => pairs.map(([number]) => number);
  return pointed ? { lookers: numbersOf(pointed.lookers), seen: numbersOf(pointed.seen) } : {};
}
