// Rows: how their answers differ from the full cache's, what is said of them, and their order.

import { shortNumber } from '../core/numbers.js';
import { differing } from '../core/words.js';

/** @param {ComparedRow} row */
export function keptText(row) {
  if (row.number === 0) return '100 %';
  return row.keep === null ? 'its own choice' : shortNumber(row.keep * 100) + ' %';
}

/** @param {ComparedRow} row */
export function comparedText(row) {
  if (!row.differs) return '= same words as full';
  const words = (/** @type {number} */ count) => count + (count === 1 ? ' word' : ' words');
  const parts = [];
  if (row.own) parts.push(words(row.own) + (row.own === 1 ? ' differs' : ' differ'));
  if (row.missing > row.own) parts.push((row.own ? row.missing - row.own : words(row.missing)) + ' missing');
  return '≠ ' + parts.join(', ');
}

/**
 * Never 100 % of what is a little less.
 * @param {number | null} share
 */
export function percent(share) {
  if (share === null || !Number.isFinite(share)) return '–';
  const rounded = share < 0.1 ? Math.round(share * 1000) / 10 : Math.round(share * 100);
  return (share < 1 && rounded === 100 ? 99.9 : rounded) + ' %';
}

/** @param {number | null} kl */
export function klText(kl) {
  return kl === null ? '–' : kl > 0 && kl < 0.001 ? '< 0.001' : shortNumber(kl);
}

/**
 * A row with the words that its answer and the full cache's do not share.
 * @param {Row} row
 * @param {number} number
 * @param {Row} first
 * @returns {ComparedRow}
 */
export function compare(row, number, first) {
  const full = { answer: first.answer ?? '', finish: 'end' };
  const [missing, marks] = differing(full, { answer: row.answer, finish: 'end' });
  const count = (/** @type {boolean[]} */ list) => list.filter(Boolean).length;
  return { ...row, number, marks, own: count(marks), missing: count(missing), differs: count(marks) + count(missing) };
}

/**
 * The reference stays on top; rows without the figure go to the end, whatever the order.
 * @param {ComparedRow[]} rows
 * @param {Figure} figure
 * @param {boolean} isDown
 */
export function sorted(rows, figure, isDown) {
  const [first, ...others] = rows;
  others.sort((a, b) => {
    const [x, y] = [figure(a), figure(b)];
    if (x === null || y === null) return Number(x === null) - Number(y === null) || a.number - b.number;
    const order = typeof x === 'string' ? x.localeCompare(String(y)) : x - Number(y);
    return (isDown ? -order : order) || a.number - b.number;
  });
  return [first, ...others];
}

/**
 * How a method has saved, after the prompt: by holding fewer tokens, by holding each in fewer bytes, or both.
 * @param {Row} row
 */
export function waysText(row) {
  const tokens = percent(row.slots / row.prompt) + ' of the tokens';
  const each = row.bytes_prompt / row.slots / (row.bytes_full / row.prompt);
  return Math.abs(each - 1) < 0.005 ? tokens : tokens + ' × ' + percent(each) + ' of the bytes each';
}
