// Calculator: what a cache costs in memory and in traffic. Arithmetic over a model's shape, no measurement.

const CALCULATED_SHAPES = [
  // Weights of the language model that a step reads, 16 bits each: of the embedding table it reads one row only.
  { name: 'LLaVA-1.5-7B', layers: 32, kv_heads: 32, head_dim: 128, element_bytes: 2, weight_bytes: 2 * 6607343616 },
  { name: 'LLaVA-1.5-13B', layers: 40, kv_heads: 40, head_dim: 128, element_bytes: 2, weight_bytes: 2 * 12852024320 },
];
// Name, memory in GB, bandwidth in GB a second, as their makers state them.
const GPUS = [
  ['T4', 16, 320], ['L4', 24, 300], ['A10G', 24, 600], ['RTX 4090', 24, 1008], ['A100 40 GB', 40, 1555],
  ['A100 80 GB', 80, 2039], ['H100 SXM', 80, 3350], ['H200', 141, 4800],
].map(([name, memory, bandwidth]) => ({ name, memory: memory * 1e9, bandwidth: bandwidth * 1e9 }));

// ---- arithmetic

function cacheBytes(shape, batch, tokens) {
  return 2 * shape.layers * shape.kv_heads * shape.head_dim * shape.element_bytes * batch * tokens;
}

// A step reads all weights once and every sequence's cache.
function stepTraffic(shape, batch, tokens) {
  const cache = cacheBytes(shape, batch, tokens);
  return { cache, total: shape.weight_bytes + cache, share: cache / (shape.weight_bytes + cache) };
}

function largestBatch(shape, gpu, tokens) {
  return Math.max(0, Math.floor((gpu.memory - shape.weight_bytes) / cacheBytes(shape, 1, tokens)));
}

// One column of the result: a share `keep` of the tokens seen is held, at the end of the answer and halfway.
function calculate(shape, gpu, { batch, prompt, answer, keep }) {
  const atEnd = (prompt + answer) * keep;
  const halfway = (prompt + answer / 2) * keep;
  const traffic = stepTraffic(shape, batch, halfway);
  const perSequence = gpu.bandwidth / traffic.total;
  return {
    cache: cacheBytes(shape, batch, atEnd), weights: shape.weight_bytes, largest: largestBatch(shape, gpu, atEnd),
    share: traffic.share, perSequence, total: batch * perSequence,
  };
}

// ---- the sentence about the run

function drawTraffic(box, sides, shape, step = state.step) {
  const open = sides.filter((side) => side.opened);
  const known = open.length > 0 && shape?.weight_bytes > 0;
  box.hidden = !known;
  if (!known) return;
  const shares = open.map((side) => bytesAfter(side, step) / (shape.weight_bytes + bytesAfter(side, step)));
  box.dataset.shares = shares.map((share) => share.toFixed(6)).join(',');
  box.textContent = 'At this step the model reads ' + bytesText(shape.weight_bytes) + ' of weights and a cache of '
    + open.map((side, i) => bytesText(bytesAfter(side, step)) + ' (' + side.title + ': ' + percentText(shares[i]) + ' of the traffic)').join(' or ')
    + '.';
}

// ---- the calculator

const CALCULATOR_NUMBERS = [
  { name: 'batch', label: 'Batch, sequences', value: 1, low: 1, high: 4096, isWhole: true },
  { name: 'prompt', label: 'Prompt, tokens', value: 640, low: 1, high: 1000000, isWhole: true },
  { name: 'answer', label: 'Answer, tokens', value: 128, low: 1, high: 1000000, isWhole: true },
  { name: 'keep', label: 'Cache kept, %', value: 50, low: 1, high: 100 },
];
const CALCULATOR_BATCHES = [1, 8, 32];

function buildCalculator(box, shape) {
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

function tag(name, className, ...content) {
  const node = document.createElement(name);
  if (className) node.className = className;
  node.append(...content);
  return node;
}

function labelled(text, input) {
  return tag('label', 'tv-field', tag('span', '', text), input);
}

function choiceOf(name, items, chosen = 0) {
  const select = tag('select', '', ...items.map((item, i) => Object.assign(tag('option', '', item.name), { value: i })));
  select.name = name;
  select.value = chosen;
  return select;
}

function numberInput({ name, value, low, high, isWhole }) {
  const input = document.createElement('input');
  return Object.assign(input, { type: 'number', name, min: low, max: high, step: isWhole ? 1 : 'any', value });
}

// What is wrong with an entry, as a sentence; '' where it is fine.
function problemWith({ label, low, high, isWhole }, text) {
  const value = text.trim() === '' ? NaN : Number(text);
  const fits = value >= low && value <= high && (!isWhole || Number.isInteger(value));
  const kind = isWhole ? 'a whole number' : 'a number';
  return fits ? '' : label + ': enter ' + kind + ' from ' + low + ' to ' + high.toLocaleString('en') + '.';
}

function showResult(details, shapes, problem, result) {
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
  const given = Object.fromEntries(CALCULATOR_NUMBERS.map(({ name }) => [name, Number(entry(name).value)]));
  const at = (batch, keep) => calculate(shape, gpu, { ...given, batch, keep });
  const keep = given.keep / 100;
  result.replaceChildren(
    sizesTable(at(given.batch, 1), at(given.batch, keep), given, gpu),
    tag('p', 'tv-plain', fitSentence(at(given.batch, 1), at(given.batch, keep), given, gpu)),
    batchesTable(CALCULATOR_BATCHES.map((batch) => [batch, at(batch, 1), at(batch, keep)]), given),
    tag('p', 'tv-plain', 'A token takes ' + bytesText(cacheBytes(shape, 1, 1)) + ' of cache. Left out: activations, the picture '
      + 'encoder, everything but memory traffic; real speeds are lower. GB of a GPU are counted as 10⁹ bytes.'),
  );
}

const gibText = (bytes) => (bytes ? shortNumber(bytes / 2 ** 30) : '0') + ' GiB';
const countText = (count) => count.toLocaleString('en', { maximumFractionDigits: count < 100 ? 1 : 0 });

function sizesTable(full, kept, given, gpu) {
  const rows = [
    ['cache', 'Cache at the end of the answer', gibText],
    ['weights', 'Weights', gibText],
    ['largest', 'Largest batch in the ' + gpu.name + '’s ' + gpu.memory / 1e9 + ' GB', (count) => (count ? countText(count) : 'none: too little memory')],
    ['perSequence', 'Speed limit, tokens per second and sequence', countText],
    ['total', 'Speed limit, tokens per second in all', countText],
    ['share', 'Cache in a step’s traffic, halfway', percentText],
  ];
  return table(['', 'Full cache', countText(given.keep) + ' % kept'], rows.map(([name, label, text]) => [
    label, ...[['full', full], ['kept', kept]].map(([side, figures]) => ({ name: side + '-' + name, value: figures[name], text: text(figures[name]) })),
  ]));
}

function fitSentence(full, kept, { batch, keep }, gpu) {
  const subject = batch === 1 ? 'One sequence fits' : 'A batch of ' + countText(batch) + ' fits';
  if (batch <= Math.min(full.largest, kept.largest)) return subject + ' into the ' + gpu.name + ' either way.';
  if (batch <= kept.largest) return subject + ' with ' + countText(keep) + ' % of the cache kept, not with all of it.';
  return subject.replace(/fits$/, 'does not fit') + ' into the ' + gpu.name + ' either way; its speeds are what more memory would allow.';
}

function batchesTable(batches, given) {
  const kept = countText(given.keep) + ' % kept';
  return table(['Batch', 'Cache in the traffic: full', kept, 'Faster by at most'], batches.map(([batch, full, less]) => [
    String(batch),
    { name: 'full-share-' + batch, value: full.share, text: percentText(full.share) },
    { name: 'kept-share-' + batch, value: less.share, text: percentText(less.share) },
    { name: 'gain-' + batch, value: less.total / full.total, text: '×' + (less.total / full.total).toFixed(2) },
  ]));
}

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
