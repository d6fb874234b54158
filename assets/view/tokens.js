// Tokens: what became of each of them in which layer and head, after how many answer tokens.

const DROPPED = -1;
const EVICTED = -2;

function decodeBase64(text, Type) {
  return new Type(Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0)).buffer);
}

function newSide(number) {
  return {
    number, letter: 'ab'[number], title: 'Side ' + 'AB'[number], kept: '', opened: false, history: [],
    answer: '', finish: 'running', steps: 0, msPerToken: null,
    pieces: [], logprob: [], ms: [], bytes: [], allocated: [], slots: [], dropped: [],
  };
}

// Take what the opening says of one side.
function openSide(side, given) {
  const [layers, heads, tokens] = given.shape;
  Object.assign(side, {
    title: given.title, kept: given.kept, history: given.history, promptPieces: given.pieces,
    promptSlots: given.promptSlots, promptBytes: given.promptBytes,
    prefillSeconds: given.prefillSeconds, compressSeconds: given.compressSeconds,
    isImage: given.isImage, isPrompt: given.isPrompt, layers, heads, tokens,
    owner: decodeBase64(given.owner, Int16Array), score: decodeBase64(given.score, Float32Array),
    // Per plane (layer and head) and token: the step after which its own slot was evicted, 0 never.
    evictedAt: new Int32Array(layers * heads * tokens),
    // Per answer token: [plane, step] of every eviction of it.
    evictedAnswers: [],
    opened: true,
  });
  side.patches = given.isImage.flatMap((image, token) => (image ? [token] : []));
  side.patchOf = new Int32Array(tokens).fill(-1);
  side.patches.forEach((token, patch) => { side.patchOf[token] = patch; });
  side.dropped.forEach((gone, step) => noteEvictions(side, gone, step));
}

function takeSteps(side, given, since) {
  side.answer = given.answer;
  side.finish = given.finish;
  side.msPerToken = given.msPerToken;
  given.pieces.forEach((piece, i) => {
    const step = since + i;
    for (const name of ['pieces', 'logprob', 'ms', 'bytes', 'allocated', 'slots', 'dropped']) {
      side[name][step] = given[name][i];
    }
    if (side.opened) noteEvictions(side, given.dropped[i], step);
  });
  side.steps = given.steps;
}

function noteEvictions(side, gone, step) {
  gone?.forEach((perHead, layer) => perHead.forEach((token, head) => {
    const plane = layer * side.heads + head;
    if (token < 0) return;
    if (token < side.tokens) side.evictedAt[plane * side.tokens + token] = step + 1;
    else {
      const list = (side.evictedAnswers[token - side.tokens] ??= []);
      if (!list.some(([known]) => known === plane)) list.push([plane, step + 1]);
    }
  }));
}

// The planes that a choice of layer and head (0: all) stands for.
function planesOf(side, layer, head) {
  const layers = layer ? [Math.min(layer, side.layers) - 1] : [...Array(side.layers).keys()];
  const heads = head ? [Math.min(head, side.heads) - 1] : [...Array(side.heads).keys()];
  return layers.flatMap((l) => heads.map((h) => l * side.heads + h));
}

// The token in whose slot a token's key and value are after `step` answer tokens, or DROPPED, or EVICTED.
function holder(side, plane, token, step) {
  if (token >= side.tokens) {
    const gone = side.evictedAnswers[token - side.tokens]?.some(([where, at]) => where === plane && at <= step);
    return gone ? EVICTED : token;
  }
  const owner = side.owner[plane * side.tokens + token];
  if (owner < 0) return DROPPED;
  const at = side.evictedAt[plane * side.tokens + owner];
  return at && at <= step ? EVICTED : owner;
}

// The step after which a token was evicted in a plane.
function evictionStep(side, plane, token) {
  if (token >= side.tokens) return side.evictedAnswers[token - side.tokens].find(([where]) => where === plane)[1];
  return side.evictedAt[plane * side.tokens + side.owner[plane * side.tokens + token]];
}

// Per token the share of the planes in which it is kept, merged into a patch or word, dropped.
function sharesOf(side, planes, step) {
  const shares = {};
  for (const name of ['kept', 'merged', 'intoText', 'dropped', 'evicted']) shares[name] = new Float32Array(side.tokens);
  const part = 1 / planes.length;
  for (const plane of planes) {
    for (let token = 0; token < side.tokens; token++) {
      const at = holder(side, plane, token, step);
      if (at === token) shares.kept[token] += part;
      else if (at === DROPPED) shares.dropped[token] += part;
      else if (at === EVICTED) shares.evicted[token] += part;
      else if (side.isImage[token] && !side.isImage[at]) shares.intoText[token] += part;
      else shares.merged[token] += part;
    }
  }
  return shares;
}

// All tokens in the same slot, the anchor and the asked one included.
function membersOf(side, plane, token, step) {
  const at = holder(side, plane, token, step);
  if (at < 0) return [];
  const members = [];
  for (let other = 0; other < side.tokens; other++) if (holder(side, plane, other, step) === at) members.push(other);
  return members.length ? members : [token];
}

// Attention received per patch: of a layer, or the mean of all; NaN where no layer has a number.
function patchScores(side, layer) {
  return Float32Array.from(side.patches, (token) => {
    let sum = 0;
    let count = 0;
    const layers = layer ? [layer - 1] : [...Array(side.layers).keys()];
    for (const l of layers) {
      const value = side.score[l * side.tokens + token];
      if (!Number.isNaN(value)) { sum += value; count++; }
    }
    return count ? sum / count : NaN;
  });
}

// Lowest and highest score over both sides; the 99th percentile for the highest if sinks are hidden.
function scoreRange(scores, hideSinks) {
  const all = scores.flatMap((side) => [...side]).filter((value) => !Number.isNaN(value)).sort((a, b) => a - b);
  if (!all.length) return [NaN, NaN];
  const at = 0.99 * (all.length - 1);
  const below = Math.floor(at);
  const percentile = all[below] + (at - below) * (all[Math.min(below + 1, all.length - 1)] - all[below]);
  return [all[0], hideSinks ? percentile : all.at(-1)];
}

// A colour number per patch such that neighbouring groups differ; -1 for patches that share a slot with no other.
function groupColours(side, plane, step, columns, palette) {
  const at = side.patches.map((token) => holder(side, plane, token, step));
  const size = new Map();
  at.forEach((owner) => size.set(owner, (size.get(owner) ?? 0) + 1));
  const isGroup = (owner) => owner >= 0 && side.isImage[owner] && size.get(owner) > 1;
  const near = new Map();
  at.forEach((owner) => { if (isGroup(owner)) near.set(owner, new Set()); });
  const touch = (p, q) => {
    if (at[p] === at[q] || !near.has(at[p]) || !near.has(at[q])) return;
    near.get(at[p]).add(at[q]);
    near.get(at[q]).add(at[p]);
  };
  at.forEach((_, patch) => {
    if ((patch + 1) % columns) touch(patch, patch + 1);
    if (patch + columns < at.length) touch(patch, patch + columns);
  });
  const colour = new Map();
  const byDegree = [...near.keys()].sort((a, b) => near.get(b).size - near.get(a).size || a - b);
  for (const owner of byDegree) {
    const taken = new Set([...near.get(owner)].map((other) => colour.get(other)));
    const free = [...Array(palette).keys()].find((number) => !taken.has(number));
    colour.set(owner, free ?? 0);
  }
  return at.map((owner) => colour.get(owner) ?? -1);
}
