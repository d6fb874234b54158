// Gaze: what the query of an answer token looked at, and the numbers behind the heat.

// A byte stands for the root of a weight.
const WEIGHTS = Float32Array.from({ length: 256 }, (_, byte) => (byte / 255) ** 2);
const TOP_ANSWER = 3;
const TOP_PROMPT = 5;

// The layer (from 1) whose gaze can be shown: the asked one where the server gave it, else 0, the mean of all.
function layerSeen(side, numbers, layer) {
  const rows = side.layerLooked.get(layer);
  return rows && numbers.every((number) => rows[number] || !side.looked[number]) ? layer : 0;
}

function lookedRow(side, number, layer) {
  return (layer ? side.layerLooked.get(layer) : side.looked)[number];
}

// Weights on every token before the answer: the mean over the asked answer tokens, null if none of them is there.
function meanLooked(side, numbers, layer) {
  const rows = numbers.map((number) => lookedRow(side, number, layer)).filter(Boolean);
  if (!rows.length) return null;
  const mean = new Float32Array(side.tokens);
  for (const row of rows) {
    for (let token = 0; token < side.tokens; token++) mean[token] += WEIGHTS[row[token]] / rows.length;
  }
  return mean;
}

// How a slot's weight is shared out evenly among the tokens merged into it: a factor per plane and token.
// Where the weight is a mean over layers, every layer in which the token holds a slot counts alike.
function spreadOf(side, layer) {
  if (side.spread?.layer === layer) return side.spread;
  const { tokens, owner } = side;
  const where = planesOf(side, layer, 0);
  const keptIn = new Int32Array(tokens);
  const sizes = new Int32Array(where.length * tokens);
  const factor = new Float32Array(where.length * tokens);
  where.forEach((plane, i) => {
    for (let token = 0; token < tokens; token++) {
      const at = owner[plane * tokens + token];
      if (at >= 0) sizes[i * tokens + at]++;
      if (at === token) keptIn[token]++;
    }
  });
  where.forEach((plane, i) => {
    for (let token = 0; token < tokens; token++) {
      const at = owner[plane * tokens + token];
      if (at >= 0) factor[i * tokens + token] = 1 / (keptIn[at] * sizes[i * tokens + at]);
    }
  });
  side.spread = { layer, where, factor };
  return side.spread;
}

// The share of the weights that falls on a token; `weightOf` gives the weight of a slot.
function shareOfWeight(side, token, layer, weightOf) {
  if (!side.merges) return weightOf(token);
  const { where, factor } = spreadOf(side, layer);
  let sum = 0;
  for (let i = 0; i < where.length; i++) {
    const at = side.owner[where[i] * side.tokens + token];
    if (at >= 0) sum += factor[i * side.tokens + token] * weightOf(at);
  }
  return sum;
}

// Per patch what those answer tokens looked at; NaN where that is not known.
function patchGaze(side, numbers, asked) {
  const layer = layerSeen(side, numbers, asked);
  const mean = meanLooked(side, numbers, layer);
  if (!mean) return new Float32Array(side.patches.length).fill(NaN);
  return Float32Array.from(side.patches, (token) => shareOfWeight(side, token, layer, (at) => mean[at]));
}

function largest(pairs, count) {
  return pairs.filter(([, weight]) => weight > 0).sort((a, b) => b[1] - a[1] || a[0] - b[0]).slice(0, count);
}

// The answer tokens, numbered from 0, that looked most at a token of the prompt: [[number, weight], ...].
function topAnswer(side, token, asked) {
  const numbers = [...Array(side.known).keys()];
  const layer = layerSeen(side, numbers, asked);
  const pairs = numbers.map((number) => {
    const row = lookedRow(side, number, layer);
    return [number, shareOfWeight(side, token, layer, (at) => WEIGHTS[row[at]])];
  });
  return largest(pairs, TOP_ANSWER);
}

// The words before the answer that those answer tokens looked at most: [[token, weight], ...].
function topPrompt(side, numbers, asked) {
  const layer = layerSeen(side, numbers, asked);
  const mean = meanLooked(side, numbers, layer);
  if (!mean) return [];
  const pairs = [];
  for (let token = 0; token < side.tokens; token++) {
    if (!side.isImage[token]) pairs.push([token, shareOfWeight(side, token, layer, (at) => mean[at])]);
  }
  return largest(pairs, TOP_PROMPT);
}

// Attention received per patch: of a layer, or the mean of all; NaN where no layer has a number.
function patchScores(side, layer) {
  const first = layer ? layer - 1 : 0;
  const end = layer || side.layers;
  return Float32Array.from(side.patches, (token) => {
    let sum = 0;
    let count = 0;
    for (let l = first; l < end; l++) {
      const value = side.score[l * side.tokens + token];
      if (!Number.isNaN(value)) { sum += value; count++; }
    }
    return count ? sum / count : NaN;
  });
}

// Lowest and highest number over both sides; the 99th percentile for the highest if sinks are hidden.
function heatRange(heats, hideSinks) {
  const all = Float32Array.from(heats.flatMap((heat) => [...heat.filter((value) => !Number.isNaN(value))])).sort();
  if (!all.length) return [NaN, NaN];
  const at = 0.99 * (all.length - 1);
  const below = Math.floor(at);
  const percentile = all[below] + (at - below) * (all[Math.min(below + 1, all.length - 1)] - all[below]);
  return [all[0], hideSinks ? percentile : all.at(-1)];
}
