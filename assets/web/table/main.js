// Table: of the Compare tab. Every value is the whole table; texts go in as text, never as markup.

import { bytesText } from '../core/numbers.js';
import { splitWords } from '../core/words.js';
import { frame } from '../frame.js';
import { remember } from '../tab/memory.js';
import { compare, comparedText, keptText, klText, percent, sorted, waysText } from './rows.js';

const MOST_QUESTION = 15_000; // of a question that the server is told
const box = frame.element.querySelector('.compare');
/** @type {(name: string) => any} */
const part = (name) => box.querySelector('.cp-' + name);
/** @type {Comparison} */
let shown; // nothing is drawn before it has come
/** @type {ComparedRow[]} */
let compared = []; // the rows of `shown`, with how their answers differ from the full cache's
/** @type {Map<number, HTMLElement>} */
let drawn = new Map(); // row number -> its node
/** @type {{ key: string | null, down: boolean }} */
let sorting = { key: null, down: false };

/**
 * Columns that judge have no figure of a method that holds more than its share: it is shown, and not compared.
 * @type {{ key: string, label: string, hint?: string, of?: Figure, judges?: boolean, fill: (cell: HTMLElement, row: ComparedRow) => void }[]}
 */
const COLUMNS = [
  { key: 'title', label: 'Method', hint: 'Sort by name', of: (row) => row.title, fill: methodCell },
  { key: 'keep', label: 'Kept', hint: 'Share of the cache the method was given', of: (row) => row.keep, fill: keptCell },
  { key: 'answer', label: 'Answer', hint: 'Sort by the number of words that differ', of: (row) => row.differs, judges: true, fill: answerCell },
  { key: 'bytes_peak', label: 'Peak memory', hint: 'Keys and values held at the most, and the share of the full cache’s. Below, the two ways to save: fewer tokens, and fewer bytes for each', of: (row) => row.bytes_peak, fill: memoryCell },
  { key: 'ms_per_token', label: 'ms/token', hint: 'Median time of a token', of: (row) => row.ms_per_token, fill: timeCell },
  { key: 'agreement', label: 'Agreement', hint: 'Tokens that are the likeliest here too', of: (row) => row.agreement, judges: true, fill: agreementCell },
  { key: 'kl', label: 'KL', hint: 'Divergence from the full cache, in nats', of: (row) => row.kl, judges: true, fill: klCell },
  { key: 'open', label: '', fill: openCell },
];

/**
 * @template {keyof HTMLElementTagNameMap} Name
 * @param {Name} name
 * @param {string} className
 * @param {string} [text]
 * @returns {HTMLElementTagNameMap[Name]}
 */
function node(name, className, text = '') {
  const made = document.createElement(name);
  if (className) made.className = className;
  made.textContent = text;
  return made;
}

/**
 * @param {HTMLElement} cell
 * @param {ComparedRow} row
 */
function methodCell(cell, row) {
  cell.append(node('b', '', row.title));
  if (row.number === 0) cell.append(node('small', '', 'the reference'));
  if (row.settings) cell.append(node('small', '', row.settings));
}

/**
 * @param {HTMLElement} cell
 * @param {ComparedRow} row
 */
function keptCell(cell, row) {
  cell.append(keptText(row));
}

/**
 * The words, those that the full cache's answer does not have marked, and how many differ in words.
 * @param {HTMLElement} cell
 * @param {ComparedRow} row
 */
function answerCell(cell, row) {
  const text = node('p', 'cp-words');
  text.dir = 'auto';
  splitWords(row.answer).forEach((word, i) => {
    const bare = word.trimEnd();
    const made = row.marks[i] ? node('mark', 'cp-differs', bare) : document.createTextNode(bare);
    if (made instanceof Element) made.setAttribute('aria-description', 'differs');
    text.append(made, word.slice(bare.length));
  });
  if (!row.answer) text.append(node('i', '', 'nothing'));
  cell.append(text);
  if (row.number > 0) cell.append(node('small', row.differs ? 'cp-other' : 'cp-same', comparedText(row)));
}

/**
 * @param {HTMLElement} cell
 * @param {string} text
 * @param {number | null} share
 */
function bar(cell, text, share) {
  cell.append(text);
  if (share === null || !Number.isFinite(share)) return;
  const line = node('span', 'cp-bar');
  line.style.setProperty('--share', String(Math.max(0, Math.min(1, share))));
  cell.append(line);
}

/**
 * @param {HTMLElement} cell
 * @param {ComparedRow} row
 */
function memoryCell(cell, row) {
  const full = shown.rows[0].bytes_peak;
  const share = row.bytes_peak / full;
  bar(cell, bytesText(row.bytes_peak) + (row.number > 0 ? ' · ' + percent(share) : ''), share);
  if (row.number > 0) cell.append(node('small', '', waysText(row)));
  if (row.beyond_share) cell.append(node('small', 'cp-beyond', '! Not compared: ' + row.beyond_share));
}

/**
 * @param {HTMLElement} cell
 * @param {ComparedRow} row
 */
function timeCell(cell, row) {
  cell.append(row.ms_per_token === null ? '–' : row.ms_per_token.toFixed(1));
}

/**
 * @param {HTMLElement} cell
 * @param {ComparedRow} row
 */
function agreementCell(cell, row) {
  bar(cell, percent(row.agreement), row.agreement);
}

/**
 * @param {HTMLElement} cell
 * @param {ComparedRow} row
 */
function klCell(cell, row) {
  cell.append(klText(row.kl));
}

/**
 * @param {HTMLElement} cell
 * @param {ComparedRow} row
 */
function openCell(cell, row) {
  if (row.number === 0) return;
  const button = node('button', 'cp-look', 'Look inside');
  button.type = 'button';
  button.title = shown.running ? 'Once the table is filled or stopped' : 'Ask both in the live view: A the full cache, B this';
  button.setAttribute('aria-label', 'Look inside ' + row.title + ', ' + keptText(row) + ': ask both in the live view');
  button.disabled = shown.running;
  button.addEventListener('click', () => frame.trigger('pick', { row: row.number }));
  cell.append(button);
}

/** @param {ComparedRow} row */
function rowNode(row) {
  const made = node('tr', row.refused ? 'cp-refused' : row.number === 0 ? 'cp-full' : '');
  made.dataset.row = String(row.number);
  const cells = row.refused ? COLUMNS.slice(0, 2) : COLUMNS;
  for (const column of cells) {
    const cell = node(column.key === 'title' ? 'th' : 'td', 'cp-' + column.key);
    if (column.key === 'title') cell.scope = 'row';
    cell.dataset.label = column.label;
    column.fill(cell, row);
    made.append(cell);
  }
  if (row.refused) {
    const cell = node('td', 'cp-reason', 'Not measured: ' + row.refused);
    cell.colSpan = COLUMNS.length - 2;
    made.append(cell);
  }
  return made;
}

function inOrder() {
  const column = COLUMNS.find(({ key }) => key === sorting.key);
  return column ? sorted(compared, (row) => figureOf(row, column), sorting.down) : compared;
}

/**
 * A row that was not measured has its name and its budget only.
 * @param {ComparedRow} row
 * @param {{ key: string, of?: Figure, judges?: boolean }} column
 */
function figureOf(row, { key, of, judges }) {
  const isWithout = row.refused ? key !== 'title' && key !== 'keep' : judges && row.beyond_share;
  return isWithout ? null : of?.(row) ?? null;
}

function drawHeader() {
  const cells = COLUMNS.map(({ key, label, hint, of }) => {
    const cell = node('th', 'cp-' + key);
    cell.scope = 'col';
    if (!of) return cell;
    const isSorted = sorting.key === key;
    const button = node('button', 'cp-sort', label + (isSorted ? (sorting.down ? ' ↓' : ' ↑') : ''));
    button.type = 'button';
    button.title = hint + ' · click to sort';
    button.dataset.sort = key;
    button.addEventListener('click', () => sortBy(key));
    cell.setAttribute('aria-sort', isSorted ? (sorting.down ? 'descending' : 'ascending') : 'none');
    cell.append(button);
    return cell;
  });
  box.querySelector('thead tr').replaceChildren(...cells);
}

/**
 * Up, down, and as measured again.
 * @param {string} key
 */
function sortBy(key) {
  const same = sorting.key === key;
  sorting = same && sorting.down ? { key: null, down: false } : { key, down: same };
  drawHeader();
  drawRows();
  box.querySelector('[data-sort="' + key + '"]').focus();
}

function draw() {
  const { rows, total, running } = shown;
  for (const [name, isShown] of /** @type {[string, boolean | number][]} */ ([
    ['head', true], ['empty', false], ['table', rows.length], ['legend', rows.length],
  ])) {
    part(name).hidden = !isShown;
  }
  part('picture').src = shown.picture;
  part('picture').hidden = !shown.picture;
  part('question').textContent = shown.question;
  if (part('status').textContent !== shown.status) part('status').textContent = shown.status;
  part('progress').hidden = !running;
  part('progress').value = rows.length / total;
  part('save').hidden = !shown.csv || !rows.length;
  drawRows();
  Object.assign(box.dataset, { rows: rows.length, running, name: shown.name });
}

// What stands is left standing: somebody may be reading it, or have a button of it in focus.
function drawRows() {
  const body = box.querySelector('tbody');
  inOrder().forEach((row, place) => {
    if (!drawn.has(row.number)) drawn.set(row.number, rowNode(row));
    const made = drawn.get(row.number);
    if (body.children[place] !== made) body.insertBefore(made, body.children[place] ?? null);
  });
  while (body.children.length > compared.length) body.lastChild.remove();
}

function save() {
  const link = document.createElement('a');
  link.href = URL.createObjectURL(new Blob([shown.csv], { type: 'text/csv' }));
  link.download = 'comparison-' + shown.name.slice(0, 8) + '.csv';
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60000);
}

function receive() {
  if (!frame.props.value) return;
  const before = shown;
  shown = JSON.parse(frame.props.value);
  const isSame = before?.name === shown.name;
  if (!isSame) compared = [];
  if (!isSame || before.running !== shown.running) drawn = new Map();
  compared.push(...shown.rows.slice(compared.length).map((row, i) => compare(row, compared.length + i, shown.rows[0])));
  draw();
  remember('table', shown.question.slice(0, MOST_QUESTION)); // what a tab that is loaded anew asks the server for
}

part('save').addEventListener('click', save);
frame.watch('value', receive);
drawHeader();
receive();
