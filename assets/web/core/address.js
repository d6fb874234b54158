// Address: what the page's address asks for, and what it would take to come back here.

export const PRESETS = {
  importance: { heat: 'importance', fill: 'none', anchors: 'outline', groups: false, opacity: 0.5 },
  looked: { heat: 'looked', fill: 'none', anchors: 'none', groups: false, opacity: 0.7 },
  groups: { heat: 'none', fill: 'colours', anchors: 'dot', groups: true, opacity: 0.62 },
  kept: { heat: 'none', fill: 'fade', anchors: 'outline', groups: false, opacity: 0.6 },
};
const SWITCHES = { heat: ['none', 'importance', 'looked'], fill: ['none', 'colours', 'mean', 'fade'], anchors: ['none', 'outline', 'dot'] };

// The preset that the switches stand at, '' where somebody has chosen otherwise.
export function presetName(look) {
  const isSet = ([, preset]) => ['heat', 'fill', 'anchors', 'groups'].every((name) => preset[name] === look[name]);
  return Object.entries(PRESETS).find(isSet)?.[0] ?? '';
}

// A preset's name, or the switches one by one: "looked.mean.dot.borders".
export function modeText(look) {
  return presetName(look) || [look.heat, look.fill, look.anchors, look.groups ? 'borders' : 'plain'].join('.');
}

export function readMode(text) {
  if (Object.hasOwn(PRESETS, text)) return PRESETS[text];
  const [heat, fill, anchors, borders] = text.split('.');
  const isKnown = Object.entries({ heat, fill, anchors }).every(([name, value]) => SWITCHES[name].includes(value));
  return isKnown ? { heat, fill, anchors, groups: borders === 'borders' } : {};
}

// The parameters that show a view as it is; the head is 0 where none is shown alone.
export function linkTo({ layer, head, step, ...look }) {
  return { layer: String(layer), ...(head ? { head: String(head) } : {}), t: String(step), mode: modeText(look) };
}

// What an address asks for, null where it asks for nothing of the view, and sentences about what it asks in vain.
export function readAddress(search) {
  const given = new URLSearchParams(search);
  const wrong = [];
  if (!['layer', 'head', 't', 'mode'].some((name) => given.has(name))) return { wanted: null, wrong };
  const number = (name, what) => {
    const text = given.get(name);
    if (text === null) return null;
    if (/^[0-9]{1,6}$/.test(text)) return Number(text);
    wrong.push('The link asks for ' + what + ' ' + JSON.stringify(text.slice(0, 20)) + ', which is no number that can be: 0, 1, 2 ...');
    return null;
  };
  let mode = given.get('mode') ?? '';
  const isWrong = mode !== '' && !Object.keys(readMode(mode)).length; // a wrong mode counts as not said
  if (isWrong) {
    wrong.push('The link asks for the mode ' + JSON.stringify(mode.slice(0, 20)) + '. There are: ' + Object.keys(PRESETS).join(', ') + '.');
    mode = '';
  }
  return { wanted: { layer: number('layer', 'layer'), head: number('head', 'head'), step: number('t', 'answer token'), mode, isWrong }, wrong };
}

// What is wrong with a number of the address that is more than there are.
export function tooMany(number, last, what) {
  return number > last ? ['The link asks for ' + what + ' ' + number + ', but there ' + (last === 1 ? 'is 1' : 'are ' + last) + '.'] : [];
}
