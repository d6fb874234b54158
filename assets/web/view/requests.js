// Requests: what the server still has and no message carried. A page without a server does without.

import { decodeBase64 } from '../core/messages.js';
import { frame } from '../frame.js';
import { redraw, state } from './state.js';

/** @param {string} name */
export const canAsk = (name) => typeof frame.server?.[name] === 'function';

/**
 * @param {string} name
 * @param {...unknown} values
 * @returns {Promise<any>}
 */
export async function askServer(name, ...values) {
  try {
    const text = await frame.server?.[name](...values);
    return text ? JSON.parse(text) : null;
  } catch {
    return null; // The last message heals what this would have.
  }
}

// What the answer looked at, and read, in the chosen layer, as far as it is not here yet.
export async function fetchLayer() {
  const { run, layer } = state;
  const lengthOf = (/** @type {Side} */ side) => side.layerLooked.get(layer)?.length ?? 0;
  const lacking = state.sides.filter((side) => side.opened && lengthOf(side) < side.known);
  if (!layer || !lacking.length || state.fetching || state.noLayers || !canAsk('fetch_layer')) return;
  const since = Math.min(...lacking.map(lengthOf));
  state.fetching = true;
  const given = await askServer('fetch_layer', run, layer - 1, since);
  state.fetching = false;
  if (run !== state.run) return;
  state.noLayers = !given;
  if (given) takeLayerRows(layer, given, since);
}

/**
 * @param {number} layer
 * @param {LayerLooked} given
 * @param {number} since
 */
function takeLayerRows(layer, given, since) {
  state.sides.forEach((side, number) => {
    keepRows(side.layerLooked, layer, given.sides[number], since);
    if (side.reads_part) keepRows(side.layerRead, layer, given.read[number], since);
  });
  redraw('heat');
}

/**
 * @param {Map<number, Uint8Array[]>} known
 * @param {number} layer
 * @param {string[] | undefined} texts
 * @param {number} since
 */
function keepRows(known, layer, texts, since) {
  const rows = known.get(layer) ?? [];
  texts?.forEach((text, i) => { rows[since + i] ??= decodeBase64(text, Uint8Array); });
  known.delete(layer);
  known.set(layer, rows);
  // A run of many steps and layers would fill the tab: the layers looked at last stay.
  if (known.size > 6) known.delete([...known.keys()][0]);
}
