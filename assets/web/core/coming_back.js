// Coming back: what a tab keeps to find its way back after it was loaded anew, and what its address says of it.

// Parts of an address that say what is shown; others are how it is shown, or none of ours.
const OWN = /^(example|q|keep|compress|reuse|front|picture_tokens|without|layer|head|t|mode|level|[ab](\..*)?)$/;
const MOST_LETTERS = 200_000; // of a conversation that is kept as words
const CUT = 'What was said before is too long to be kept in this tab.';

/**
 * What an address asks to be shown, in one order however it was written.
 * @param {string} search
 */
export function ownPart(search) {
  const own = [...new URLSearchParams(search)].filter(([name]) => OWN.test(name));
  return String(new URLSearchParams(own.sort(([a], [b]) => (a < b ? -1 : 1))));
}

/**
 * The address with what is shown now, and all else as it was.
 * @param {string} search
 * @param {Record<string, string>} shown
 */
export function addressWith(search, shown) {
  const parts = [...new URLSearchParams(search)].filter(([name]) => !OWN.test(name));
  const text = String(new URLSearchParams([...Object.entries(shown), ...parts]));
  return text && '?' + text;
}

/**
 * Whether an address was opened by somebody: one that asks for something, and is not as the tab wrote it last.
 * @param {string} search
 * @param {string | null} written - its own part, null where the tab has written none
 */
export function isOpened(search, written) {
  const own = ownPart(search);
  return own !== '' && own !== written;
}

/**
 * Turns to be kept as words: of runs that nobody may hold any more, the latest as far as there is room.
 * @param {SaidTurn[]} turns
 * @param {number} [most] - letters
 * @returns {SaidTurn[]}
 */
export function keptWordsOf(turns, most = MOST_LETTERS) {
  let left = most;
  let first = turns.length;
  while (first > 0 && (left -= JSON.stringify(turns[first - 1]).length) >= 0) first--;
  const words = turns.slice(first).map((turn) => ({ ...turn, run: '' }));
  return first && words.length ? [{ ...words[0], changes: [CUT, ...words[0].changes] }, ...words.slice(1)] : words;
}

/**
 * The inputs with the question that has left its box, which the server gives back where it never came there.
 * @param {any} typed - the inputs, null where none are known
 * @param {any} asked - the question with all that it was asked with, null where none was
 * @returns {any}
 */
export function withAsked(typed, asked) {
  if (asked === null || typed?.question) return typed;
  return { ...asked, again: '', ...typed, question: asked.question, number: asked.number };
}
