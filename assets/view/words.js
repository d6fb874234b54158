// Words: how texts, tokens and numbers are written, and where two answers differ.

const UNITS = [['GiB', 2 ** 30], ['MiB', 2 ** 20], ['KiB', 2 ** 10], ['B', 1]];

// Half a MiB rather than 512 KiB: two sides are easier to compare in one unit.
function unitFor(bytes) {
  return UNITS.find(([, size]) => bytes >= size / 4) ?? UNITS.at(-1);
}

function bytesText(bytes) {
  const [name, size] = unitFor(bytes);
  return shortNumber(bytes / size) + ' ' + name;
}

// About three digits, whatever the size.
function shortNumber(value) {
  if (!Number.isFinite(value)) return '–';
  const size = Math.abs(value);
  if (size === 0) return '0';
  if (size < 0.001 || size >= 1e6) return value.toExponential(1);
  return value.toFixed(size >= 100 ? 0 : size >= 10 ? 1 : size >= 0.1 ? 2 : 3).replace(/\.0+$/, '');
}

// A token as it can be seen: blanks and line ends have a shape too.
function visiblePiece(piece) {
  if (piece === '') return '∅';
  if (/^ +$/.test(piece)) return '·'.repeat(piece.length);
  return piece.replace(/\r?\n/g, '⏎').replace(/\t/g, '⇥').replace(/^ /, '');
}

// Each item is a word and the blanks after it.
function splitWords(text) {
  return text.match(/\S+\s*|^\s+/gu) ?? [];
}

// Per word of two answers whether it differs from the other answer: two arrays of booleans.
function differing(first, second) {
  const words = [first, second].map((side) => {
    const list = splitWords(side.answer).map((word) => word.trim());
    // The last word of a running answer may still be half a word.
    return side.finish === 'running' ? list.slice(0, -1) : list;
  });
  const marks = longestCommon(words[0], words[1]);
  // What an answer has not reached yet does not differ.
  [[0, second], [1, first]].forEach(([own, other]) => {
    if (other.finish !== 'running') return;
    const reached = marks[1 - own].length - (marks[1 - own].lastIndexOf(false) + 1);
    const tail = marks[own].lastIndexOf(false) + 1;
    for (let i = tail + reached; i < marks[own].length; i++) marks[own][i] = false;
  });
  return marks;
}

// Longest common subsequence; true where a word is not part of it.
function longestCommon(a, b) {
  const marks = [new Array(a.length).fill(true), new Array(b.length).fill(true)];
  let start = 0;
  let endA = a.length;
  let endB = b.length;
  const same = (i, j) => { marks[0][i] = false; marks[1][j] = false; };
  while (start < Math.min(endA, endB) && a[start] === b[start]) same(start, start++);
  while (Math.min(endA, endB) > start && a[endA - 1] === b[endB - 1]) same(--endA, --endB);
  const rows = endA - start;
  const columns = endB - start;
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

// Where each piece stands in a text, [start, end) each; the same number twice for one that cannot be read in it.
// Pieces of half a letter read as something else: what lies between their neighbours is theirs.
function alignPieces(pieces, text) {
  const spans = [];
  let at = 0;
  let lost = [];
  pieces.forEach((piece, number) => {
    const bare = piece.trim();
    const found = bare ? text.indexOf(bare, at) : -1;
    const between = found < 0 ? '' : text.slice(at, found).trim();
    spans[number] = [at, at];
    if (found < 0 || between.length > 4 * lost.length) {
      if (bare) lost.push(number);
      return;
    }
    if (between) lost.forEach((before) => { spans[before] = [at, found]; });
    lost = [];
    at = found + bare.length;
    spans[number] = [found, at];
  });
  return spans;
}
