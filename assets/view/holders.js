// Holders: in whose slot a token's key and value are, in which layer and head, after how many answer tokens.

const DROPPED = -1;
const EVICTED = -2;
const NEVER = 0xffff;

// ---- what was given up

// A row per plane (layer and head): after how many answer tokens each token gave up its slot, and the token whose slot
// took it in, -1 where it was evicted. Only sides that merge while they answer have the second table.
function startMoves(side) {
  const { layers, heads, tokens } = side;
  Object.assign(side, {
    width: tokens, goneAt: new Uint16Array(layers * heads * tokens).fill(NEVER), into: null, goneAnswers: new Set(), slotsNow: null,
  });
}

// Room for the tokens of the answer, which come one by one.
function widen(side, count) {
  if (count <= side.width) return;
  const width = side.tokens + Math.max(64, 2 * (count - side.tokens));
  const wider = (table, empty) => {
    const rows = new table.constructor(side.layers * side.heads * width).fill(empty);
    for (let plane = 0; plane < side.layers * side.heads; plane++) {
      rows.set(table.subarray(plane * side.width, (plane + 1) * side.width), plane * width);
    }
    return rows;
  };
  side.goneAt = wider(side.goneAt, NEVER);
  side.into &&= wider(side.into, -1);
  side.width = width;
}

function noteMoves(side, step) {
  widen(side, side.tokens + step + 1);
  side.slotsNow = null;
  side.dropped[step]?.forEach((token, plane) => {
    if (token < 0) return;
    const at = plane * side.width + token;
    const into = side.joined[step]?.[plane] ?? -1;
    side.goneAt[at] = step + 1;
    if (token >= side.tokens) side.goneAnswers.add(token);
    if (into < 0) return;
    side.into ??= new Int16Array(side.goneAt.length).fill(-1);
    side.into[at] = into;
    side.merges = true;
  });
}

// ---- where a token is

// The planes that a choice of layer and head (0: all) stands for. A side whose heads share their slots has one head.
function planesOf(side, layer, head) {
  const layers = layer ? [Math.min(layer, side.layers) - 1] : [...Array(side.layers).keys()];
  const heads = head && head <= side.heads ? [head - 1] : [...Array(side.heads).keys()];
  return layers.flatMap((l) => heads.map((h) => l * side.heads + h));
}

// The token in whose slot a token's key and value are after `step` answer tokens, or DROPPED, or EVICTED. A slot takes
// what was merged into it along: from `a` to `b` after one token, with `b` to `c` after a later one.
function holder(side, plane, token, step) {
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

// After how many answer tokens a token came to where it is after `step` of them; 0 where it has been there all along.
function movedAfter(side, plane, token, step) {
  const here = holder(side, plane, token, step);
  let first = 0;
  while (holder(side, plane, token, first) !== here) first++;
  return first;
}

// All tokens in the same slot, the anchor and the asked one included.
function membersOf(side, plane, token, step) {
  const at = holder(side, plane, token, step);
  if (at < 0) return [];
  const members = [];
  const written = side.tokens + Math.min(step, side.known);
  for (let other = 0; other < written; other++) if (holder(side, plane, other, step) === at) members.push(other);
  return members.length ? members : [token];
}

const FATES = ['kept', 'merged', 'intoText', 'dropped', 'evicted'];

// Per token, those of the answer included, the share of the planes in which it is kept, merged into a patch or word (a
// patch into a word: intoText), dropped, evicted.
function sharesOf(side, planes, step) {
  const { tokens, width, owner, goneAt, isImage, goneAnswers } = side;
  const written = tokens + Math.min(step, side.known);
  const counts = FATES.map(() => new Float32Array(written));
  const [kept, merged, intoText, dropped, evicted] = counts;
  const count = (token, at) => {
    if (at === token) kept[token]++;
    else if (at === DROPPED) dropped[token]++;
    else if (at === EVICTED) evicted[token]++;
    else if (isImage[token] && !isImage[at]) intoText[token]++;
    else merged[token]++;
  };
  for (const plane of planes) {
    for (let token = 0; token < tokens; token++) {
      const at = owner[plane * tokens + token];
      // Most slots stand: what is in them need not be followed.
      const stands = at < 0 || goneAt[plane * width + at] > step;
      count(token, stands ? at : holder(side, plane, token, step));
    }
  }
  kept.fill(planes.length, tokens);
  for (const token of goneAnswers) {
    if (token >= written) continue;
    kept[token] = 0;
    for (const plane of planes) count(token, holder(side, plane, token, step));
  }
  return Object.fromEntries(FATES.map((name, i) => [name, counts[i].map((value) => value / planes.length)]));
}

// ---- slots

// The slots in the planes of a layer (0: of all) after `step` answer tokens: per plane and token how many tokens its slot
// stands for, and per token in how many planes it holds a slot. Kept as it is and brought on by the next steps.
function slotsAfter(side, layer, step) {
  const known = side.slotsNow;
  const now = known?.layer === layer && known.step <= step ? known : slotsAtFirst(side, layer);
  while (now.step < step) bringOn(side, now);
  side.slotsNow = now;
  return now;
}

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
  return { layer, where, width, sizes, heldIn, step: 0 };
}

function bringOn(side, now) {
  const { where, width, sizes, heldIn } = now;
  const [gone, joined] = [side.dropped[now.step], side.joined[now.step]];
  now.step++;
  for (let i = 0; gone && i < where.length; i++) {
    const token = gone[where[i]];
    const into = joined ? joined[where[i]] : -1;
    if (token >= 0) heldIn[token]--;
    if (token >= 0 && into >= 0) sizes[i * width + into] += sizes[i * width + token];
  }
}
