// Uneven: heads of a layer that hold different numbers of slots; what a record says of a layer is their mean.

/**
 * How many slots each plane held when the answer began: its anchors.
 * @param {Side} side
 * @returns {number[]}
 */
export function anchorsOfPlanes({ owner, layers, heads, tokens }) {
  return Array.from({ length: layers * heads }, (_, plane) => {
    let count = 0;
    for (let token = 0; token < tokens; token++) if (owner[plane * tokens + token] === token) count++;
    return count;
  });
}

/**
 * The fewest and the most slots that a head of a layer (0: of all) held when the answer began; null where all heads of
 * each layer held as many.
 * @param {Side} side
 * @param {number} layer
 * @returns {[number, number] | null}
 */
export function spanOfHeads(side, layer) {
  const held = side.anchors ??= anchorsOfPlanes(side);
  const ofLayers = side.prompt_slots.map((_, number) => held.slice(number * side.heads, (number + 1) * side.heads));
  if (!ofLayers.some((counts) => counts.some((count) => count !== counts[0]))) return null;
  const shown = layer ? ofLayers[layer - 1] : ofLayers.flat();
  return [Math.min(...shown), Math.max(...shown)];
}

/**
 * Slots alive after a step, the mean over the layers and heads shown, 0 for all; NaN where that is not known yet.
 * @param {Side} side
 * @param {number} step
 * @param {number} layer
 * @param {number} head
 */
export function slotsAlive(side, step, layer, head) {
  const slots = step ? side.slots[step - 1] : side.prompt_slots;
  if (!slots) return NaN;
  if (!layer) return slots.reduce((sum, value) => sum + value, 0) / slots.length;
  if (!head || head > side.heads || !spanOfHeads(side, layer)) return slots[layer - 1];
  // Where heads hold different numbers none gives anything up: each has as many more as the mean.
  const held = side.anchors ??= anchorsOfPlanes(side);
  return held[(layer - 1) * side.heads + head - 1] + slots[layer - 1] - side.prompt_slots[layer - 1];
}
