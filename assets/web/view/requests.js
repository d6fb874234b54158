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

// What the answer looked at in the chosen layer, as far as it is not here yet.
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
    const rows = side.layerLooked.get(layer) ?? [];
    given.sides[number]?.forEach((text, i) => { rows[since + i] ??= decodeBase64(text, Uint8Array); });
    side.layerLooked.delete(layer);
    side.layerLooked.set(layer, rows);
    // A run of many steps and layers would fill the tab: the layers looked at last stay.
    if (side.layerLooked.size > 6) side.layerLooked.delete([...side.layerLooked.keys()][0]);
  });
  redraw('heat');
}
