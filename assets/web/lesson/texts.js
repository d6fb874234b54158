// Texts: the pieces of the lesson's texts as elements. Nothing of them is read as HTML.

import { tag } from '../view/dom.js';
import { light } from '../view/light.js';
import { part, press } from './dom.js';
import { lesson } from './state.js';

/**
 * @param {string} name
 * @param {Filled} [filled]
 */
export function wordsOf(name, filled = {}) {
  const text = lesson.value.words[name] ?? name;
  return text.replace(/\{([a-z]+)\}/g, (mark, slot) => String(filled[slot] ?? mark));
}

/**
 * @param {TextPiece[]} pieces
 * @param {Filled} [slots]
 */
export function textNodes(pieces, slots = {}) {
  /** @type {(string | Node)[]} */
  const nodes = [];
  for (const piece of pieces) {
    if (typeof piece !== 'string') nodes.push(TEXT_NODES[piece.kind](piece, slots));
    else nodes.push(...withSign(nodes, piece));
  }
  return nodes;
}

/**
 * A button is a box of its own for the line: without this a sign after it may begin the next one.
 * @param {(string | Node)[]} nodes
 * @param {string} text
 */
function withSign(nodes, text) {
  const [sign] = /** @type {RegExpMatchArray} */ (text.match(/^[.,:;)?!]*/));
  if (!sign || !nodes.length) return [text];
  return [tag('span', 'ls-together', /** @type {string | Node} */ (nodes.pop()), sign), text.slice(sign.length)];
}

const TEXT_NODES = {
  slot: (/** @type {{ to: string, text: string }} */ { to }, /** @type {Filled} */ slots) => tag('b', 'ls-slot', String(slots[to] ?? '–')),
  see: (/** @type {{ to: string, text: string }} */ { to, text }) => seeNode(to, text),
  term: (/** @type {{ to: string, text: string }} */ { to, text }) => {
    const word = press('ls-term', text, () => openGlossary(to));
    word.dataset.term = to;
    return word;
  },
  link: (/** @type {{ to: string, text: string }} */ { to, text }) => Object.assign(tag('a', '', text), { href: to, target: '_blank', rel: 'noopener' }),
};

/**
 * A word for a thing on the picture lights it up; on a screen without a mouse, when it is pressed.
 * @param {string} name
 * @param {string} text
 */
function seeNode(name, text) {
  const on = () => light(name, getComputedStyle(word).color);
  const word = press('ls-see', text, on);
  word.dataset.see = name;
  word.addEventListener('pointerenter', on);
  word.addEventListener('focus', on);
  word.addEventListener('pointerleave', (event) => { if (event.pointerType !== 'touch') light(''); });
  word.addEventListener('blur', () => light(''));
  return word;
}

// ---- glossary and code

/**
 * @param {string} title
 * @param {...Node} content
 */
function openDialog(title, ...content) {
  const dialog = part('dialog');
  const head = tag('header', 'ls-dialog-head', tag('h3', '', title), press('ls-plain', wordsOf('close'), () => dialog.close()));
  dialog.replaceChildren(head, ...content);
  if (!dialog.open) dialog.showModal();
}

/** @param {string} name */
export function openGlossary(name) {
  const entries = lesson.value.glossary.map((term) => {
    const title = tag('dt', '', term.term);
    title.dataset.term = term.name;
    title.classList.toggle('ls-meant', term.name === name);
    return [title, tag('dd', '', ...textNodes(term.text))];
  });
  openDialog(wordsOf('glossary'), tag('dl', 'ls-terms', ...entries.flat()));
  part('dialog').querySelector('.ls-meant')?.scrollIntoView({ block: 'center' });
}

/** @param {CodeExcerpt} code */
export function openCode({ file, number, first, lines, link }) {
  const list = tag('ol', 'ls-code', ...lines.map((line, i) => tag('li', first + i === number ? 'ls-meant' : '', line || ' ')));
  list.start = first;
  const more = link ? [tag('p', '', TEXT_NODES.link({ to: link, text: link }))] : [];
  openDialog(file + ', ' + number, list, ...more);
}
