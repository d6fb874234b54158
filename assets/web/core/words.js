// Words: how texts and tokens are written, and where two answers differ.

/**
 * A token as it can be seen: blanks and line ends have a shape too.
 * @param {string} piece
 */
export function visiblePiece(piece) {
  if (piece === '') return '∅';
  if (/^ +$/.test(piece)) return '·'.repeat(piece.length);
  return piece.replace(/\r?\n/g, '⏎').replace(/\t/g, '⇥').replace(/^ /, '');
}

/**
 * Each item is a word and the blanks after it.
 * @param {string} text
 */
export function splitWords(text) {
  return text.match(/\S+\s*|^\s+/gu) ?? [];
}

/**
 * Per word of two answers whether it differs from the other answer: two arrays of booleans.
 * @param {{ answer: string, finish: string }} first
 * @param {{ answer: string, finish: string }} second
 */
export function differing(first, second) {
  const words = [first, second].map((side) => {
    const list = splitWords(side.answer).map((word) => word.trim());
    // The last word of a running answer may still be half a word.
    return side.finish === 'running' ? list.slice(0, -1) : list;
  });
  const marks = longestCommon(words[0], words[1]);
  // What an answer has not reached yet does not differ.
  [second, first].forEach((other, own) => {
    if (other.finish !== 'running') return;
    const reached = marks[1 - own].length - (marks[1 - own].lastIndexOf(false) + 1);
    const tail = marks[own].lastIndexOf(false) + 1;
    for (let i = tail + reached; i < marks[own].length; i++) marks[own][i] = false;
  });
  return marks;
}

// Pairs of words that are compared, a tenth of a second's work: beyond them, all between what begins and what ends alike
// counts as different. Answers of this program are shorter; a file that was dropped may hold whole books.
const MOST_PAIRS = 2_000_000;

/**
 * Longest common subsequence; true where a word is not part of it.
 * @param {string[]} a
 * @param {string[]} b
 */
function longestCommon(a, b) {
  const marks = [new Array(a.length).fill(true), new Array(b.length).fill(true)];
  let start = 0;
  let endA = a.length;
  let endB = b.length;
  const same = (/** @type {number} */ i, /** @type {number} */ j) => { marks[0][i] = false; marks[1][j] = false; };
  while (start < Math.min(endA, endB) && a[start] === b[start]) same(start, start++);
  while (Math.min(endA, endB) > start && a[endA - 1] === b[endB - 1]) same(--endA, --endB);
  const rows = endA - start;
  const columns = endB - start;
  if (rows * columns > MOST_PAIRS) return marks;
  const length = Array.from({ length: rows + 1 }, () => new Uint16Array(columns + 1));
  for (let i = rows - 1; i >= 0; i--) {
    for (let j = columns - 1; j >= 0; j--) {
      length[i][j] = a[start + i] === b[start + j]
        ? length[i + 1][j + 1] + 1
        : Math.max(length[i + 1][j], length[i][j + 1]);
    }
  }
  for (let i = 0, j = 0; i < rows && j < columns;) {
    if (a[start + i] === b[start + j]) same(start + i++, start + j++);
    else if (length[i + 1][j] >= length[i][j + 1]) i++;
    else j++;
  }
  return marks;
}
