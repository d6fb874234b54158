// Transcript: a conversation's turns, one below the other. One of them is looked at: its answers are those whose words
// can be pointed at, and its pictures and time stand below. The others are text.

import { answerWords } from '../core/answers.js';
import { drawnText, holdsText, turnText } from '../core/transcript.js';
import { differing } from '../core/words.js';
import { frame } from '../frame.js';
import { find, root, setText, tag } from './dom.js';
import { canAsk } from './requests.js';
import { state } from './state.js';

const linked = find('.tv-linked');
/** @type {TurnNode[]} */
const turnNodes = [];

/** The number of the turn that is looked at; a run that knows no other name is the last one's. */
export const turnShown = () => {
  const number = state.turns.findIndex((turn) => turn.run && turn.run === state.run);
  return number < 0 && state.run !== null && state.run === state.live ? state.turns.length - 1 : number;
};

export function drawTranscript() {
  const shown = turnShown();
  state.turns.forEach((turn, number) => {
    const key = JSON.stringify({ ...turn, sides: [] });
    if (turnNodes[number]?.key === key) return;
    const node = Object.assign(turnNode(turn), { key });
    if (turnNodes[number]) turnNodes[number].replaceWith(keepLinked(turnNodes[number], node));
    else find('.tv-turns').append(node);
    turnNodes[number] = node;
  });
  turnNodes.splice(state.turns.length).forEach((node) => keepLinked(node, find('.tv-talk')) && node.remove());
  turnNodes.forEach((node, number) => fillTurn(node, state.turns[number], number === shown));
  if (shown < 0) find('.tv-talk').append(linked);
  root.dataset.turns = String(state.turns.length);
  // What the page asks again where its box is empty: what Retry of the last turn would ask.
  const last = state.turns[state.turns.length - 1];
  root.dataset.last = last?.run && canAsk('fetch_steps') ? JSON.stringify({ run: last.run, question: last.question }) : '';
}

/**
 * The answers that words can be pointed at in stay in the page, wherever they stood.
 * @template {HTMLElement} Kept
 * @param {HTMLElement} from
 * @param {Kept} to
 * @returns {Kept}
 */
function keepLinked(from, to) {
  if (from.contains(linked)) to.append(linked);
  return to;
}

/**
 * @param {TurnNode} node
 * @param {SaidTurn} turn
 * @param {boolean} isShown
 */
function fillTurn(node, turn, isShown) {
  const answers = /** @type {HTMLElement} */ (node.querySelector('.tv-pair'));
  node.dataset.shown = String(isShown);
  node.querySelector('.tv-look')?.setAttribute('aria-pressed', String(isShown));
  if (isShown) {
    node.said = '';
    if (linked.parentElement === answers) return;
    // Below what it takes the place of, so that the page does not jump.
    answers.replaceChildren(linked);
    return;
  }
  const said = JSON.stringify(turn.sides);
  if (node.said === said) return;
  node.said = said;
  const marks = turn.sides.length > 1 ? differing(turn.sides[0], turn.sides[1]) : [[]];
  keepLinked(answers, find('.tv-talk'));
  answers.replaceChildren(...turn.sides.map((side, number) => saidNode(side, turn.sides[0], 'ab'[number], marks[number])));
}

/**
 * @param {SaidSide} side
 * @param {SaidSide} first
 * @param {string} letter
 * @param {boolean[]} marks
 */
function saidNode(side, first, letter, marks) {
  const words = answerWords(side.answer, marks).flatMap(({ bare, blank, look }) => [look ? differs(bare, look) : bare, blank]);
  const text = Object.assign(tag('p', 'tv-said-text', ...words), { dir: 'auto' });
  const node = tag('section', 'tv-said', tag('b', 'tv-letter', letter.toUpperCase()), text, tag('p', 'tv-holds', holdsText(side, first)));
  node.dataset.side = letter;
  node.setAttribute('aria-label', 'Answer ' + letter.toUpperCase());
  return node;
}

/**
 * @param {string} word
 * @param {string} look
 */
function differs(word, look) {
  return tag('mark', look === 'first' ? 'tv-differs tv-first' : 'tv-differs', word);
}

/**
 * @param {SaidTurn} turn
 * @returns {TurnNode}
 */
function turnNode(turn) {
  const changes = turn.changes.map((sentence) => tag('p', 'tv-change', tag('span', '', sentence)));
  const question = Object.assign(tag('p', 'tv-question', turn.question), { dir: 'auto' });
  const drawn = tag('p', 'tv-drawn', drawnText(turn));
  // Above the answers, which grow.
  return tag('article', 'tv-turn', ...changes, question, tag('div', 'tv-acts', ...actsOf(turn), drawn), tag('div', 'tv-pair'));
}

/**
 * What can be done with a turn: of one that nobody holds, only its words can be had.
 * @param {SaidTurn} turn
 */
function actsOf({ run }) {
  const isHeld = run && canAsk('fetch_steps');
  return [
    ...(isHeld ? [turnButton('look', 'Look', 'Its pictures and its time, below')] : []),
    turnButton('copy', 'Copy', 'The question and both answers as text'),
    ...(isHeld ? [
      turnButton('edit', 'Edit', 'Ask something else from here'),
      turnButton('retry', 'Retry', 'Ask both again from here, with the settings as they are now'),
      turnButton('draw', 'Another draw', 'Ask both again with another seed, at the temperature that is set, or at 0.7'),
    ] : []),
  ];
}

/**
 * @param {string} name
 * @param {string} label
 * @param {string} title
 */
function turnButton(name, label, title) {
  return Object.assign(tag('button', 'tv-act tv-' + name, label), { type: 'button', title });
}

// ---- what is done with them

/**
 * @param {(number: number) => void} look
 */
export function listenTranscript(look) {
  find('.tv-turns').addEventListener('click', (/** @type {{ target: any }} */ { target }) => {
    const button = target.closest('.tv-act');
    const number = turnNodes.indexOf(target.closest('.tv-turn'));
    const turn = state.turns[number];
    if (!button || !turn) return;
    if (button.matches('.tv-look')) look(number);
    else if (button.matches('.tv-copy')) copyTurn(button, turnText(turn));
    else if (button.matches('.tv-edit')) editTurn(turnNodes[number], turn);
    else if (button.matches('.tv-retry, .tv-draw')) askAgain(turn.run, turn.question, button.matches('.tv-draw'));
  });
}

/**
 * The page reads from here what it asks with its settings.
 * @param {string} run
 * @param {string} question
 * @param {boolean} draw
 */
function askAgain(run, question, draw) {
  root.dataset.again = JSON.stringify({ run, question, draw });
  frame.trigger('again', {});
}

/**
 * @param {HTMLElement} button
 * @param {string} text
 */
async function copyTurn(button, text) {
  const said = await navigator.clipboard.writeText(text).then(() => 'Copied', () => 'Not allowed here');
  setText(button, said);
  setTimeout(() => setText(button, 'Copy'), 2000);
}

/**
 * The question as a box to write in, in its place. It stays until the turn is another one: what is refused is not lost.
 * @param {TurnNode} node
 * @param {SaidTurn} turn
 */
function editTurn(node, turn) {
  const question = /** @type {HTMLElement} */ (node.querySelector('.tv-question'));
  const box = Object.assign(tag('textarea', 'tv-edit-box'), { value: turn.question, rows: 2, dir: 'auto' });
  const send = Object.assign(tag('button', 'tv-button tv-send', 'Ask from here'), { type: 'submit' });
  const cancel = Object.assign(tag('button', 'tv-button', 'Cancel'), { type: 'button' });
  const form = tag('form', 'tv-edit-form', box, send, cancel);
  box.setAttribute('aria-label', 'Another question, from this turn on');
  const close = () => {
    form.replaceWith(question);
    /** @type {HTMLElement} */ (node.querySelector('.tv-edit')).focus();
  };
  cancel.addEventListener('click', close);
  form.addEventListener('submit', (event) => {
    event.preventDefault();
    askAgain(turn.run, box.value, false);
  });
  box.addEventListener('keydown', (event) => {
    if (event.key === 'Escape') close();
    else if (event.key === 'Enter' && !event.shiftKey && !event.isComposing) form.requestSubmit();
    else return;
    event.preventDefault();
  });
  if (!question) return;
  question.replaceWith(form);
  box.focus();
}

// A turn that has just begun is brought into sight, its question at the top, unless there is room for its answers.
export function bringLast() {
  const node = turnNodes.at(-1);
  if (!node) return;
  const { top, bottom } = node.getBoundingClientRect();
  if (top < 0 || bottom > window.innerHeight * 0.6) node.scrollIntoView({ block: 'start' });
}
