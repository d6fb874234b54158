// Transcript: the turns of a conversation, in words.

import { bytesText, keptWords } from './numbers.js';

/**
 * Below an answer, in one line: the method, the share it keeps, the bytes that it held at the end, and what that saves.
 * @param {SaidSide} side
 * @param {SaidSide} first
 */
export function holdsText(side, first) {
  return [side.title, keptWords(side), ...bytesWords(side, first)].filter(Boolean).join(' · ');
}

/**
 * @param {SaidSide} side
 * @param {SaidSide} first
 */
function bytesWords({ bytes_held: bytes }, { bytes_held: ofFirst }) {
  if (bytes === null) return [];
  const saved = ofFirst ? Math.round((1 - bytes / ofFirst) * 100) : 0;
  return [bytesText(bytes), saved ? Math.abs(saved) + (saved > 0 ? ' % saved' : ' % more') : ''];
}

/**
 * How it was drawn, '' where the likeliest words were taken.
 * @param {SaidTurn} turn
 */
export function drawnText({ temperature, seed }) {
  return temperature ? 'drawn at temperature ' + temperature + ', seed ' + seed : '';
}

/**
 * A turn as it is copied: the question, and who answered what.
 * @param {SaidTurn} turn
 */
export function turnText({ question, sides }) {
  const answers = sides.map((side, number) => {
    const who = [side.title, keptWords(side)].filter(Boolean).join(', ');
    return 'AB'[number] + (who ? ' (' + who + ')' : '') + ': ' + side.answer;
  });
  return [question, ...answers].join('\n\n') + '\n';
}

/**
 * The turns with what a message says of the last one, whose run it belongs to; one more where it is not known yet.
 * @param {SaidTurn[]} turns
 * @param {Message} message
 * @param {boolean} isNew
 * @returns {SaidTurn[]}
 */
export function withAnswers(turns, { run, opening, sides }, isNew) {
  const known = isNew ? undefined : turns.at(-1);
  const blank = { title: '', keep: 1, is_compressed: false, bytes_held: null, reads_part: false, answer: '', finish: 'running' };
  const last = {
    run, changes: [], temperature: 0, seed: 0, ...known,
    question: known?.question || opening?.question || '',
    sides: sides.slice(0, 2).map(({ answer, finish, bytes_held: bytes }, number) => {
      const before = known?.sides[number] ?? blank;
      // Messages may come late: an answer only grows.
      return answer.length < before.answer.length ? before : { ...before, answer, finish, bytes_held: bytes.at(-1) ?? before.bytes_held };
    }),
  };
  return [...(known ? turns.slice(0, -1) : turns), last];
}
