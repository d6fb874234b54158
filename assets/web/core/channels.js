// Channels: which channels of its keys a side still holds, where it dropped some.

/**
 * Per head and channel whether it is held in a layer, or (layer 0) in which share of all layers.
 * @param {Side} given
 * @param {number} layer
 */
export function channelShares({ channels, layers }, layer) {
  const { heads, dim, bitAt } = /** @type {Channels} */ (channels);
  const shown = layer ? [layer - 1] : [...Array(layers).keys()];
  return Float32Array.from({ length: heads * dim }, (_, i) => shown.reduce((sum, at) => sum + bitAt(at * heads * dim + i), 0) / shown.length);
}

/**
 * "32 of 64 channels", the mean over heads, and over layers where all are shown.
 * @param {Side} side
 * @param {number} layer
 */
export function channelsText(side, layer) {
  const { heads, dim } = /** @type {Channels} */ (side.channels);
  const kept = channelShares(side, layer).reduce((sum, share) => sum + share, 0) / heads;
  return Math.round(10 * kept) / 10 + ' of ' + dim + ' channels';
}
