// Holders: in whose slot a token's key and value are, in which layer and head, after how many answer tokens.

export const DROPPED = -1;
export const EVICTED = -2;
const NEVER = 0xffff;

// ---- what was given up

/**
 * A row per plane (layer and head): after how many answer tokens each token gave up its slot, and the token whose slot
 * took it in, -1 where it was evicted. Only sides that merge while they answer have the second table.
 * @param {Side} side
 */
export function startMoves(side) {
  const { layers, heads, tokens } = side;
  Object.assign(side, {
    width: tokens, goneAt: new Uint16Array(layers * heads * tokens).fill(NEVER), into: null, tally: null, slotTable: null,
  });
}

/**
 * Room for the tokens of the answer, which come one by one.
 * @param {Side} side
 * @param {number} count
 */
function widen(side, count) {
  if (count <= side.width) return;
  const width = side.tokens + Math.max(64, 2 * (count - side.tokens));
  const wider = (/** @type {any} */ rows, /** @type {Uint16Array | Int16Array} */ table) => {
    for (let plane = 0; plane < side.layers * side.heads; plane++) {
      rows.set(table.subarray(plane * side.width, (plane + 1) * side.width), plane * width);
    }
    return rows;
  };
  const room = side.layers * side.heads * width;
  side.goneAt = wider(new Uint16Array(room).fill(NEVER), side.goneAt);
  side.into &&= wider(new Int16Array(room).fill(-1), side.into);
  Object.assign(side, { width, tally: null, slotTable: null });
}

/**
 * What a step of the answer moved. In a message `dropped` names every token that gave up its slot at that step: it was
 * evicted, or merged where `joined` names another token.
 * @param {Side} side
 * @param {number} step
 */
export function noteMoves(side, step) {
  widen(side, side.tokens + step + 1);
  // What was counted up to a later step lacks this one.
  if (side.tally && side.tally.step > step) side.tally = null;
  if (side.slotTable?.now && side.slotTable.now.step > step) side.slotTable = null;
  side.dropped[step]?.forEach((token, plane) => {
    if (token < 0) return;
    const at = plane * side.width + token;
    const into = side.joined[step]?.[plane] ?? -1;
    side.goneAt[at] = step + 1;
    if (into < 0) return;
    side.into ??= new Int16Array(side.goneAt.length).fill(-1);
    side.into[at] = into;
    side.merges = true;
  });
}

// ---- where a token is

/**
 * The planes that a choice of layer and head (0: all) stands for. A side whose heads share their slots has one head.
 * @param {Side} side
 * @param {number} layer
 * @param {number} head
 */
export function planesOf(side, layer, head) {
  const layers = layer ? [Math.min(layer, side.layers) - 1] : [...Array(side.layers).keys()];
  const heads = head && head <= side.heads ? [head - 1] : [...Array(side.heads).keys()];
  return layers.flatMap((l) => heads.map((h) => l * side.heads + h));
}

/**
 * The token in whose slot a token's key and value are after `step` answer tokens, or DROPPED, or EVICTED. A slot takes
 * what was merged into it along: from `a` to `b` after one token, with `b` to `c` after a later one.
 * @param {Side} side
 * @param {number} plane
 * @param {number} token
 * @param {number} step
 */
export function holder(side, plane, token, step) {
  const { tokens, width, goneAt, into } = side;
  let at = token < tokens ? side.owner[plane * tokens + token] : token;
  if (at < 0) return DROPPED;
  let since = 0;
  for (let gone = goneAt[plane * width + at]; gone <= step && gone > since; gone = goneAt[plane * width + at]) {
    at = into ? into[plane * width + at] : -1;
    if (at < 0) return EVICTED;
    since = gone;
  }
  return at;
}

/**
 * After how many answer tokens a token came to where it is after `step` of them; 0 where it has been there all along.
 * @param {Side} side
 * @param {number} plane
 * @param {number} token
 * @param {number} step
 */
export function movedAfter(side, plane, token, step) {
  const here = holder(side, plane, token, step);
  let first = 0;
  while (holder(side, plane, token, first) !== here) first++;
  return first;
}

/**
 * All tokens in the same slot, the anchor and the asked one included.
 * @param {Side} side
 * @param {number} plane
 * @param {number} token
 * @param {number} step
 */
export function membersOf(side, plane, token, step) {
  const at = holder(side, plane, token, step);
  if (at < 0) return [];
  const members = [];
  const written = side.tokens + Math.min(step, side.known);
  for (let other = 0; other < written; other++) if (holder(side, plane, other, step) === at) members.push(other);
  return members.length ? members : [token];
}

// ---- shares

const FATES = ['kept', 'merged', 'intoText', 'dropped', 'evicted'];

/**
 * The number of what became of a token that is at `at`; a patch that shares the slot of a word counts apart.
 * @param {Side} given
 * @param {number} token
 * @param {number} at
 */
function fateAt({ tokens, is_image, place }, token, at) {
  if (at === token) return 0;
  if (at < 0) return at === DROPPED ? 3 : 4;
  return token < tokens && is_image[token] && !(at < tokens && place[at * 4 + 1] >= 0) ? 2 : 1;
}

/**
 * Per token, those of the answer included, the share of the planes in which it is kept, merged into a patch or word (a
 * patch into a word: intoText), dropped, evicted. Counted on from the step that was asked for last.
 * @param {Side} side
 * @param {number[]} planes
 * @param {number} step
 * @returns {Shares}
 */
export function sharesOf(side, planes, step) {
  const key = planes[0] + ' ' + planes.length;
  if (side.tally?.key !== key) side.tally = { key, ...tallyAtFirst(side, planes) };
  const { tally } = side;
  while (tally.step < step) countMoves(side, tally, ++tally.step, 1);
  while (tally.step > step) countMoves(side, tally, tally.step--, -1);
  const written = side.tokens + Math.min(step, side.known);
  const shares = tally.counts.map((counts) => counts.subarray(0, written).map((count) => count / planes.length));
  return /** @type {any} */ (Object.fromEntries(FATES.map((name, fate) => [name, shares[fate]])));
}

/**
 * The tokens of a slot form a ring: each names the next one.
 * @param {Side} side
 * @param {number[]} planes
 */
function tallyAtFirst(side, planes) {
  const { tokens, width, owner } = side;
  const counts = FATES.map(() => new Float32Array(width));
  const next = new Int16Array(planes.length * width);
  counts[0].fill(planes.length, tokens);
  planes.forEach((plane, i) => {
    const ring = next.subarray(i * width, (i + 1) * width);
    for (let token = 0; token < width; token++) ring[token] = token;
    for (let token = 0; token < tokens; token++) {
      const at = owner[plane * tokens + token];
      counts[fateAt(side, token, at)][token]++;
      if (at >= 0) relink(ring, token, at);
    }
  });
  return { planes, counts, next, step: 0 };
}

/**
 * Two rings become one, and one that was two becomes two again.
 * @param {Int16Array} ring
 * @param {number} a
 * @param {number} b
 */
function relink(ring, a, b) {
  [ring[a], ring[b]] = [ring[b], ring[a]];
}

/**
 * What a step moved: all tokens of a slot that was given up. `sign` is -1 where the step is taken back.
 * @param {Side} side
 * @param {{ planes: number[], counts: Float32Array[], next: Int16Array }} given
 * @param {number} step
 * @param {number} sign
 */
function countMoves(side, { planes, counts, next }, step, sign) {
  const [gone, joined] = [side.dropped[step - 1], side.joined[step - 1]];
  for (let i = 0; gone && i < planes.length; i++) {
    const token = gone[planes[i]];
    if (token < 0) continue;
    const into = joined ? joined[planes[i]] : -1;
    const ring = next.subarray(i * side.width, (i + 1) * side.width);
    if (sign < 0 && into >= 0) relink(ring, token, into);
    let member = token;
    do {
      counts[fateAt(side, member, token)][member] -= sign;
      counts[fateAt(side, member, into < 0 ? EVICTED : into)][member] += sign;
      member = ring[member];
    } while (member !== token);
    if (sign > 0 && into >= 0) relink(ring, token, into);
  }
}

// ---- slots

/**
 * The slots in the planes of a layer (0: of all) after `step` answer tokens: per plane and token how many tokens its slot
 * stands for, and per token in how many planes it holds a slot. Brought on from the step that was asked for last.
 * @param {Side} side
 * @param {number} layer
 * @param {number} step
 * @returns {Slots}
 */
export function slotsAfter(side, layer, step) {
  if (side.slotTable?.layer !== layer) side.slotTable = { layer, first: slotsAtFirst(side, layer), now: null };
  const { first } = side.slotTable;
  let { now } = side.slotTable;
  if (!now || now.step > step) now = { ...first, sizes: first.sizes.slice(), heldIn: first.heldIn.slice() };
  while (now.step < step) bringOn(side, now);
  side.slotTable.now = now;
  return now;
}

/**
 * @param {Side} side
 * @param {number} layer
 * @returns {Slots}
 */
function slotsAtFirst(side, layer) {
  const { tokens, width, owner } = side;
  const where = planesOf(side, layer, 0);
  const sizes = new Uint16Array(where.length * width);
  const heldIn = new Uint16Array(width).fill(where.length, tokens);
  where.forEach((plane, i) => {
    for (let token = 0; token < tokens; token++) {
      const at = owner[plane * tokens + token];
      if (at >= 0) sizes[i * width + at]++;
      if (at === token) heldIn[token]++;
    }
    sizes.fill(1, i * width + tokens, (i + 1) * width);
  });
  return { where, width, sizes, heldIn, step: 0 };
}

/**
 * @param {Side} side
 * @param {Slots} slots
 */
function bringOn(side, slots) {
  const { where, width, sizes, heldIn } = slots;
  const [gone, joined] = [side.dropped[slots.step], side.joined[slots.step]];
  slots.step++;
  for (let i = 0; gone && i < where.length; i++) {
    const token = gone[where[i]];
    const into = joined ? joined[where[i]] : -1;
    if (token >= 0) heldIn[token]--;
    if (token >= 0 && into >= 0) sizes[i * width + into] += sizes[i * width + token];
  }
}
