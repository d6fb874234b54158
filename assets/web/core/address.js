// Address: what the page's address asks for, and what it would take to come back here.

import { readLevel } from './levels.js';

/** @type {Record<string, Look>} */
export const PRESETS = {
  importance: { heat: 'importance', fill: 'none', anchors: 'outline', groups: false, opacity: 0.7 },
  looked: { heat: 'looked', fill: 'none', anchors: 'none', groups: false, opacity: 0.7 },
  groups: { heat: 'none', fill: 'mean', anchors: 'dot', groups: true, opacity: 0.7 },
  kept: { heat: 'none', fill: 'fade', anchors: 'outline', groups: false, opacity: 0.6 },
};
/** @type {Record<string, string[]>} */
const SWITCHES = { heat: ['none', 'importance', 'looked'], fill: ['none', 'colours', 'mean', 'fade'], anchors: ['none', 'outline', 'dot'] };

/**
 * The preset that the switches stand at, '' where somebody has chosen otherwise.
 * @param {Look} look
 */
export function presetName(look) {
  const names = /** @type {('heat' | 'fill' | 'anchors' | 'groups')[]} */ (['heat', 'fill', 'anchors', 'groups']);
  return Object.entries(PRESETS).find(([, preset]) => names.every((name) => preset[name] === look[name]))?.[0] ?? '';
}

/**
 * A preset's name, or the switches one by one: "looked.mean.dot.borders".
 * @param {Look} look
 */
export function modeText(look) {
  return presetName(look) || [look.heat, look.fill, look.anchors, look.groups ? 'borders' : 'plain'].join('.');
}

/**
 * @param {string} text
 * @returns {Partial<Look>}
 */
export function readMode(text) {
  if (Object.hasOwn(PRESETS, text)) return PRESETS[text];
  const [heat, fill, anchors, borders] = text.split('.');
  const isKnown = Object.entries({ heat, fill, anchors }).every(([name, value]) => SWITCHES[name].includes(value));
  return isKnown ? { heat, fill, anchors, groups: borders === 'borders' } : {};
}

/**
 * The parameters that show a view as it is; the head is 0 where none is shown alone.
 * @param {Look & { layer: number, head: number, step: number, level: number }} given
 */
export function linkTo({ layer, head, step, level, ...look }) {
  return { layer: String(layer), ...(head ? { head: String(head) } : {}), t: String(step), mode: modeText(look), level: String(level) };
}

/**
 * What an address says of a part: the last of several, as the server has it, which also says that there are several.
 * @param {URLSearchParams} given
 * @param {string} name
 */
const lastOf = (given, name) => given.getAll(name).at(-1) ?? null;

/**
 * What an address asks for, null where it asks for nothing of the view, and sentences about what it asks in vain.
 * @param {string} search
 */
export function readAddress(search) {
  const given = new URLSearchParams(search);
  const wrong = /** @type {string[]} */ ([]);
  if (!['layer', 'head', 't', 'mode', 'level'].some((name) => given.has(name))) return { wanted: null, wrong };
  const number = (/** @type {string} */ name, /** @type {string} */ what) => {
    const text = lastOf(given, name);
    if (text === null) return null;
    if (/^[0-9]{1,6}$/.test(text)) return Number(text);
    wrong.push('The link asks for ' + what + ' ' + JSON.stringify(text.slice(0, 20)) + ', which is no number that can be: 0, 1, 2 ...');
    return null;
  };
  let mode = lastOf(given, 'mode') ?? '';
  const isWrong = mode !== '' && !Object.keys(readMode(mode)).length; // a wrong mode counts as not said
  if (isWrong) {
    wrong.push('The link asks for the mode ' + JSON.stringify(mode.slice(0, 20)) + '. There are: ' + Object.keys(PRESETS).join(', ') + '.');
    mode = '';
  }
  const level = readLevel(lastOf(given, 'level'));
  if (level === null && given.has('level')) wrong.push('The link asks for the level ' + JSON.stringify(lastOf(given, 'level')?.slice(0, 20)) + '. There are: 1, 2, 3.');
  return { wanted: { level, layer: number('layer', 'layer'), head: number('head', 'head'), step: number('t', 'answer token'), mode, isWrong }, wrong };
}

/**
 * What is wrong with a number of the address that is more than there are.
 * @param {number} number
 * @param {number} last
 * @param {string} what
 */
export function tooMany(number, last, what) {
  return number > last ? ['The link asks for ' + what + ' ' + number + ', but there ' + (last === 1 ? 'is 1' : 'are ' + last) + '.'] : [];
}
