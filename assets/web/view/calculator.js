// Calculator: a form over its arithmetic, and the sentence about the run.

import {
  CALCULATED_SHAPES, CALCULATOR_BATCHES, CALCULATOR_NUMBERS, GPUS, cacheBytes, calculate, countText, fitSentence,
  gibText, problemWith, trafficText,
} from '../core/calculator.js';
import { bytesText, percentText } from '../core/numbers.js';
import { tag } from './dom.js';

/**
 * @param {HTMLElement} box
 * @param {Side[]} sides
 * @param {Shape | null} shape
 * @param {number} step
 */
export function drawTraffic(box, sides, shape, step) {
  const open = sides.filter((side) => side.opened);
  const known = open.length > 0 && shape && shape.weight_bytes > 0;
  box.hidden = !known;
  if (!known) return;
  box.textContent = trafficText(open, shape, step);
}

/**
 * @param {HTMLElement} box
 * @param {Shape | null} shape
 */
export function buildCalculator(box, shape) {
  const known = JSON.stringify(shape ?? null);
  if (box.dataset.shape === known) return;
  box.dataset.shape = known;
  const shapes = [...CALCULATED_SHAPES];
  if (shape) shapes.push({ ...shape, name: 'the model of this run' });
  const wasOpen = box.querySelector('details')?.open ?? false;
  const details = tag('details', 'tv-calculator', tag('summary', '', 'What would it cost on a GPU?'));
  details.open = wasOpen;
  const form = tag('div', 'tv-inputs',
    labelled('Model', choiceOf('model', shapes)), labelled('GPU', choiceOf('gpu', GPUS, 4)),
    ...CALCULATOR_NUMBERS.map((number) => labelled(number.label, numberInput(number))));
  const problem = tag('p', 'tv-problem');
  problem.setAttribute('role', 'alert');
  const result = tag('div', 'tv-result');
  details.append(
    tag('p', 'tv-plain', 'Arithmetic, not measurement. A decode step has to read all weights and the whole cache: '
      + 'the GPU’s bandwidth limits how often that can happen.'),
    form, problem, result,
  );
  const calculateAgain = () => showResult(details, shapes, problem, result);
  form.addEventListener('input', calculateAgain);
  box.replaceChildren(details);
  calculateAgain();
}

/**
 * @param {string} text
 * @param {HTMLElement} input
 */
function labelled(text, input) {
  return tag('label', 'tv-field', tag('span', '', text), input);
}

/**
 * @param {string} name
 * @param {{ name: string }[]} items
 * @param {number} [chosen]
 */
function choiceOf(name, items, chosen = 0) {
  const select = tag('select', '', ...items.map((item, i) => Object.assign(tag('option', '', item.name), { value: i })));
  select.name = name;
  select.value = String(chosen);
  return select;
}

/** @param {Entry} entry */
function numberInput({ name, value, low, high, isWhole }) {
  const input = document.createElement('input');
  return Object.assign(input, { type: 'number', name, min: low, max: high, step: isWhole ? 1 : 'any', value });
}

/**
 * @param {HTMLElement} details
 * @param {Shape[]} shapes
 * @param {HTMLElement} problem
 * @param {HTMLElement} result
 */
function showResult(details, shapes, problem, result) {
  /** @type {(name: string) => any} */
  const entry = (name) => details.querySelector('[name="' + name + '"]');
  const problems = CALCULATOR_NUMBERS.map((number) => {
    const text = problemWith(number, entry(number.name).value);
    entry(number.name).setAttribute('aria-invalid', text !== '');
    return text;
  }).filter(Boolean);
  problem.textContent = problems.join(' ');
  problem.hidden = !problems.length;
  result.hidden = problems.length > 0;
  if (problems.length) return;
  const shape = shapes[entry('model').value];
  const gpu = GPUS[entry('gpu').value];
  const numbers = Object.fromEntries(CALCULATOR_NUMBERS.map(({ name }) => [name, Number(entry(name).value)]));
  const given = /** @type {Load} */ (/** @type {any} */ (numbers));
  const at = (/** @type {number} */ batch, /** @type {number} */ keep) => calculate(shape, gpu, { ...given, batch, keep });
  const keep = given.keep / 100;
  result.replaceChildren(
    sizesTable(at(given.batch, 1), at(given.batch, keep), given, gpu),
    tag('p', 'tv-plain', fitSentence(at(given.batch, 1), at(given.batch, keep), given, gpu)),
    batchesTable(CALCULATOR_BATCHES.map((batch) => [batch, at(batch, 1), at(batch, keep)]), given),
    tag('p', 'tv-plain', 'A token takes ' + bytesText(cacheBytes(shape, 1, 1)) + ' of cache. Left out: activations, the picture '
      + 'encoder, everything but memory traffic; real speeds are lower. GB of a GPU are counted as 10⁹ bytes.'),
  );
}

/**
 * @param {Cost} full
 * @param {Cost} kept
 * @param {Load} given
 * @param {Gpu} gpu
 */
function sizesTable(full, kept, given, gpu) {
  const rows = /** @type {[keyof Cost, string, (value: number) => string][]} */ ([
    ['cache', 'Cache at the end of the answer', gibText],
    ['weights', 'Weights', gibText],
    ['largest', 'Largest batch in the ' + gpu.name + '’s ' + gpu.memory / 1e9 + ' GB', (count) => (count ? countText(count) : 'none: too little memory')],
    ['perSequence', 'Speed limit, tokens per second and sequence', countText],
    ['total', 'Speed limit, tokens per second in all', countText],
    ['share', 'Cache in a step’s traffic, halfway', percentText],
  ]);
  return table(['', 'Full cache', countText(given.keep) + ' % kept'], rows.map(([name, label, text]) => [
    label, .../** @type {[string, Cost][]} */ ([['full', full], ['kept', kept]])
      .map(([side, figures]) => ({ name: side + '-' + name, value: figures[name], text: text(figures[name]) })),
  ]));
}

/**
 * @param {[number, Cost, Cost][]} batches
 * @param {Load} given
 */
function batchesTable(batches, given) {
  const kept = countText(given.keep) + ' % kept';
  return table(['Batch', 'Cache in the traffic: full', kept, 'Faster by at most'], batches.map(([batch, full, less]) => [
    String(batch),
    { name: 'full-share-' + batch, value: full.share, text: percentText(full.share) },
    { name: 'kept-share-' + batch, value: less.share, text: percentText(less.share) },
    { name: 'gain-' + batch, value: less.total / full.total, text: '×' + (less.total / full.total).toFixed(2) },
  ]));
}

/**
 * @param {string[]} heads
 * @param {[string, ...TableCell[]][]} rows
 */
function table(heads, rows) {
  const head = tag('tr', '', ...heads.map((text) => Object.assign(tag('th', '', text), { scope: 'col' })));
  const body = rows.map(([label, ...cells]) => tag('tr', '',
    Object.assign(tag('th', '', label), { scope: 'row' }),
    ...cells.map(({ name, value, text }) => {
      const cell = tag('td', '', text);
      Object.assign(cell.dataset, { name, value });
      return cell;
    })));
  return tag('table', 'tv-table', tag('thead', '', head), tag('tbody', '', ...body));
}
