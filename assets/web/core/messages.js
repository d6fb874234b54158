// Messages: what they say of each side, put together.

import { noteMoves, startMoves } from './holders.js';

export const MESSAGE_VERSION = 9;

// What a message carries of every step.
const PER_STEP = /** @type {const} */ ([
  'answer_pieces', 'logprob', 'reference_logprob', 'divergence', 'seconds', 'bytes_held', 'bytes_read', 'bytes_allocated', 'limit_bytes',
  'slots', 'dropped', 'joined', 'forgotten',
]);

/**
 * @param {string} text
 * @param {any} Type
 */
export function decodeBase64(text, Type) {
  const letters = atob(text);
  const bytes = new Uint8Array(letters.length);
  for (let i = 0; i < letters.length; i++) bytes[i] = letters.charCodeAt(i);
  return new Type(bytes.buffer);
}

/**
 * @param {number} number
 * @returns {Side}
 */
export function newSide(number) {
  return /** @type {any} */ ({
    number, letter: 'ab'[number], title: 'Side ' + 'AB'[number], keep: 1, is_compressed: false, opened: false,
    answer: '', finish: 'running', steps: 0, milliseconds_per_token: null, sparsity: [], prompt_limit_bytes: null,
    ...Object.fromEntries(PER_STEP.map((name) => [name, []])),
    known: 0, // steps that have arrived without a gap
    looked: [], // per step the bytes of what its query looked at, the mean over layers
    layerLooked: new Map(), // the same per layer (from 1), where the server was asked
    reads_part: false, read: [], layerRead: new Map(), // likewise which of what is held it read, on sides that read a part
    unfolded: false,
  });
}

/**
 * Take what the opening says of one side.
 * @param {Side} side
 * @param {SideOpening} given
 */
export function openSide(side, given) {
  const tokens = given.pieces.length;
  Object.assign(side, given, {
    tokens, channels: readChannels(given.channels),
    place: decodeBase64(given.place, Int16Array), owner: decodeBase64(given.owner, Int16Array), score: decodeBase64(given.score, Float32Array),
    opened: true,
  });
  // Whether some token of the prompt holds no slot of its own.
  side.chooses = side.owner.some((owner, i) => owner !== i % tokens);
  side.merges = side.owner.some((owner, i) => owner >= 0 && owner !== i % tokens);
  side.is_image = given.pieces.map((_, token) => side.place[token * 4 + 3] >= 0);
  side.patches = side.is_image.flatMap((image, token) => (image ? [token] : []));
  side.patchOf = new Int32Array(tokens).fill(-1);
  side.patches.forEach((token, patch) => { side.patchOf[token] = patch; });
  startMoves(side);
  side.dropped.forEach((_, step) => noteMoves(side, step));
}

/**
 * The bits of a message, one number per channel.
 * @param {ChannelBits | null} given
 * @returns {Channels | null}
 */
function readChannels(given) {
  if (!given) return null;
  const [, heads, dim] = given.shape;
  const bytes = decodeBase64(given.bits, Uint8Array);
  const bitAt = (/** @type {number} */ i) => (bytes[i >> 3] >> (7 - i % 8)) & 1;
  return { heads, dim, bitAt };
}

/**
 * Older messages may come after newer ones, and some never: what is missing is null.
 * @param {Side} side
 * @param {SideSteps} given
 * @param {number} since
 */
export function takeSteps(side, given, since) {
  const { answer, finish, milliseconds_per_token, steps } = given;
  if (steps >= side.steps) Object.assign(side, { answer, finish, milliseconds_per_token, steps });
  const lists = /** @type {Record<string, any>} */ (side);
  for (const name of PER_STEP) while (lists[name].length < since) lists[name].push(null);
  given.answer_pieces.forEach((_, i) => {
    const step = since + i;
    for (const name of PER_STEP) lists[name][step] = given[name]?.[i] ?? null;
    side.looked[step] ??= decodeBase64(given.looked[i], Uint8Array);
    if (given.read[i]) side.read[step] ??= decodeBase64(given.read[i], Uint8Array);
    if (side.opened) noteMoves(side, step);
  });
  while (typeof side.answer_pieces[side.known] === 'string') side.known++;
}
