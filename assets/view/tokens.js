// Tokens: what became of each of them in which layer and head, after how many answer tokens.

const DROPPED = -1;
const EVICTED = -2;

// What a message carries of every step.
const PER_STEP = ['pieces', 'logprob', 'reference', 'divergence', 'ms', 'bytes', 'allocated', 'limit', 'slots', 'dropped'];

function decodeBase64(text, Type) {
  const letters = atob(text);
  const bytes = new Uint8Array(letters.length);
  for (let i = 0; i < letters.length; i++) bytes[i] = letters.charCodeAt(i);
  return new Type(bytes.buffer);
}

function newSide(number) {
  return {
    number, letter: 'ab'[number], title: 'Side ' + 'AB'[number], kept: '', opened: false, history: [],
    answer: '', finish: 'running', steps: 0, msPerToken: null, sparsity: [], promptLimit: null,
    ...Object.fromEntries(PER_STEP.map((name) => [name, []])),
    known: 0, // steps that have arrived without a gap
    looked: [], // per step the bytes of what its query looked at, the mean over layers
    layerLooked: new Map(), // the same per layer (from 1), where the server was asked
    spread: null, unfolded: false,
  };
}

// Take what the opening says of one side.
function openSide(side, given) {
  const [layers, heads, tokens] = given.shape;
  Object.assign(side, {
    title: given.title, kept: given.kept, model: given.model, policy: given.policy, options: given.options,
    history: given.history, promptPieces: given.pieces,
    promptSlots: given.promptSlots, promptBytes: given.promptBytes, promptLimit: given.promptLimit, sparsity: given.sparsity,
    prefillSeconds: given.prefillSeconds, compressSeconds: given.compressSeconds,
    isImage: given.isImage, isPrompt: given.isPrompt, layers, heads, tokens,
    owner: decodeBase64(given.owner, Int16Array), score: decodeBase64(given.score, Float32Array),
    // Per plane (layer and head) and token: the step after which its own slot was evicted, 0 never.
    evictedAt: new Int32Array(layers * heads * tokens),
    // Per answer token: [plane, step] of every eviction of it.
    evictedAnswers: [],
    opened: true,
  });
  side.merges = side.owner.some((owner, i) => owner >= 0 && owner !== i % tokens);
  side.patches = given.isImage.flatMap((image, token) => (image ? [token] : []));
  side.patchOf = new Int32Array(tokens).fill(-1);
  side.patches.forEach((token, patch) => { side.patchOf[token] = patch; });
  side.dropped.forEach((gone, step) => noteEvictions(side, gone, step));
}

// Older messages may come after newer ones, and some never: what is missing is null.
function takeSteps(side, given, since) {
  if (given.steps >= side.steps) {
    for (const name of ['answer', 'finish', 'msPerToken', 'steps']) side[name] = given[name];
  }
  for (const name of PER_STEP) while (side[name].length < since) side[name].push(null);
  given.pieces.forEach((piece, i) => {
    const step = since + i;
    for (const name of PER_STEP) side[name][step] = given[name][i];
    side.looked[step] ??= decodeBase64(given.looked[i], Uint8Array);
    if (side.opened) noteEvictions(side, given.dropped[i], step);
  });
  while (typeof side.pieces[side.known] === 'string') side.known++;
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
  const { tokens, owner, evictedAt, isImage } = side;
  const shares = {};
  for (const name of ['kept', 'merged', 'intoText', 'dropped', 'evicted']) shares[name] = new Float32Array(tokens);
  const { kept, merged, intoText, dropped, evicted } = shares;
  const part = 1 / planes.length;
  for (const plane of planes) {
    const first = plane * tokens;
    for (let token = 0; token < tokens; token++) {
      const at = owner[first + token];
      const gone = at < 0 ? 0 : evictedAt[first + at];
      if (at < 0) dropped[token] += part;
      else if (gone && gone <= step) evicted[token] += part;
      else if (at === token) kept[token] += part;
      else if (isImage[token] && !isImage[at]) intoText[token] += part;
      else merged[token] += part;
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
