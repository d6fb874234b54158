// Made: sides of a run by hand and at random, as messages carry them, for the tests.

import { newSide, openSide, takeSteps } from '../../assets/web/core/messages.js';

// Numbers from 0 to 1 that are the same every time.
export function randomly(seed) {
  let now = seed + 1;
  return () => {
    now = (now * 48271) % 2147483647;
    return now / 2147483647;
  };
}

export const encoded = (values) => Buffer.from(values.buffer, values.byteOffset, values.byteLength).toString('base64');

export const IMAGE = [2, 11]; // the tokens of the 3 x 3 patches: 2 words before them, 3 after
export const TOKENS = 14;

export const VIEWS = [{ rows: 3, columns: 3, box: [0, 0, 1, 1], picture: 0 }];

// Two words, the cells of views one by one, words.
function placesOf(views) {
  const places = new Int16Array(4 * TOKENS).fill(-1);
  const cells = views.flatMap(({ rows, columns, picture }, view) => (
    Array.from({ length: rows * columns }, (_, cell) => [picture, view, Math.floor(cell / columns), cell % columns])
  ));
  places.set(cells.flat(), 4 * IMAGE[0]);
  return places;
}

// What a message opens a side with; `owner` per plane and token.
export function openingOf(owner, { layers = 2, heads = 1, ...more } = {}) {
  const score = Float32Array.from({ length: layers * TOKENS }, (_, i) => (i % TOKENS) / 10 + Math.floor(i / TOKENS));
  return {
    title: 'Made', keep: 0.4, is_compressed: true, model: 'by hand', policy: 'made', options: {},
    pieces: Array.from({ length: TOKENS }, (_, token) => (token >= IMAGE[0] && token < IMAGE[1] ? '' : ' w' + token)),
    place: encoded(placesOf(VIEWS)), is_prompt: Array(TOKENS).fill(true), layers, heads,
    owner: encoded(Int16Array.from(owner)), score: encoded(score),
    prompt_slots: Array(layers).fill(TOKENS), prompt_bytes: 2048, prompt_limit_bytes: 4096, sparsity: Array(layers).fill(0.5),
    prefill_seconds: 0.1, compress_seconds: 0.02, channels: null, unseen: '', asked_after: 0, reads_part: false, ...more,
  };
}

// What a message says of `steps` steps; `dropped` and `joined` per step and plane.
export function stepsOf(dropped, joined, looked, more = {}) {
  const steps = dropped.length;
  const each = (value) => Array.from({ length: steps }, (_, step) => (typeof value === 'function' ? value(step) : value));
  return {
    answer: each((step) => 'a' + step).join(' '), finish: 'limit', steps, milliseconds_per_token: 1,
    answer_pieces: each((step) => (step ? ' a' : 'a') + step), logprob: each(-0.5), reference_logprob: each(-0.6), divergence: each(0.1),
    seconds: each(0.001), bytes_held: each((step) => 2048 + 64 * step), bytes_read: each((step) => 2048 + 64 * step), bytes_allocated: each(8192),
    limit_bytes: each(4096), slots: each([1, 1]), read: [],
    dropped, joined, looked: looked.map((row) => encoded(Uint8Array.from(row))), ...more,
  };
}

// A side that drops or merges tokens of the prompt, and evicts or merges while it answers.
export function randomSide(seed, { layers = 2, heads = 2, steps = 8, merges = true } = {}) {
  const next = randomly(seed);
  const below = (count) => Math.floor(next() * count);
  const planes = layers * heads;
  const owner = [];
  const held = [];
  for (let plane = 0; plane < planes; plane++) {
    const anchors = [...Array(TOKENS).keys()].filter((token) => token < 1 || next() < 0.6);
    held.push([...anchors]);
    for (let token = 0; token < TOKENS; token++) {
      owner.push(anchors.includes(token) ? token : merges ? anchors[below(anchors.length)] : -1);
    }
  }
  const [dropped, joined, looked] = [[], [], []];
  for (let step = 0; step < steps; step++) {
    looked.push(Array.from({ length: TOKENS + step }, () => below(256)));
    held.forEach((tokens) => tokens.push(TOKENS + step));
    const given = held.map((tokens) => (tokens.length > 2 && next() < 0.8 ? tokens.splice(below(tokens.length), 1)[0] : -1));
    dropped.push(given);
    joined.push(given.map((token, plane) => (token >= 0 && merges && next() < 0.7 ? held[plane][below(held[plane].length)] : -1)));
  }
  const side = newSide(1);
  openSide(side, openingOf(owner, { layers, heads }));
  takeSteps(side, stepsOf(dropped, joined, looked), 0);
  return side;
}

// By the book: per plane the owner of every token after `step` steps, followed one move at a time; -1 is dropped, -2 evicted.
export function ownersAfter(side, step) {
  const width = side.tokens + side.known;
  const planes = Array.from({ length: side.layers * side.heads }, (_, plane) => (
    Array.from({ length: width }, (_, token) => (token < side.tokens ? side.owner[plane * side.tokens + token] : token))
  ));
  for (let at = 0; at < step; at++) {
    planes.forEach((owners, plane) => {
      const gone = side.dropped[at][plane];
      const into = side.joined[at][plane];
      owners.forEach((owner, token) => { if (gone >= 0 && owner === gone) owners[token] = into >= 0 ? into : -2; });
    });
  }
  return planes;
}
