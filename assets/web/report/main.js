// Report: curves, tables that can be sorted, and pictures that are drawn when somebody looks.

/** @type {(name: string) => any} */
const read = (name) => JSON.parse(/** @type {HTMLElement} */ (document.getElementById(name)).textContent);
/** @type {(selector: string, within?: any) => any[]} */
const all = (selector, within = document) => [...within.querySelectorAll(selector)];
const figures = read('figures');
const pictures = read('pictures');
const curves = all('.curves')[0];

// Of several tables one is shown, and what is written above them says so too.
for (const select of all('select[data-switch]')) {
  const choose = () => {
    for (const panel of all(`[data-panel="${select.dataset.switch}"]`)) {
      panel.hidden = panel.dataset.is !== select.value;
    }
    if (select.dataset.switch === 'measure') draw(select.value);
  };
  select.addEventListener('change', choose);
  choose();
}

/** @param {string} measure */
function draw(measure) {
  const { data, layout } = figures[measure];
  const narrow = innerWidth <= 640; // the legend takes more lines there
  const size = narrow ? { height: 760, margin: { l: 56, r: 12 } } : {};
  const settings = { responsive: true, displaylogo: false, modeBarButtonsToRemove: ['lasso2d', 'select2d'] };
  Plotly.react(curves, data, { ...layout, ...size }, settings);
}

// The line under the pointer stands out: without drawing anew, which would take the text from under the pointer.
if (curves) {
  const show = (/** @type {any[]} */ points) => {
    const near = new Set(points.map((point) => `trace${point.fullData.uid}`));
    curves.classList.toggle('looked-at', near.size > 0);
    for (const line of all('.scatterlayer .trace', curves)) {
      line.classList.toggle('near', [...line.classList].some((name) => near.has(name)));
    }
  };
  curves.on('plotly_hover', (/** @type {any} */ event) => show(event.points));
  curves.on('plotly_unhover', () => show([]));
}

// A table's head sorts it, the best first; once more, the worst. The full cache stays above, what is missing below.
for (const button of all('th button')) {
  button.addEventListener('click', () => {
    const head = button.closest('th');
    const table = head.closest('table');
    const bestFirst = table.dataset.better === 'higher' ? 'descending' : 'ascending';
    const worstFirst = bestFirst === 'descending' ? 'ascending' : 'descending';
    const order = head.getAttribute('aria-sort') === bestFirst ? worstFirst : bestFirst;
    table.querySelector('[aria-sort]')?.removeAttribute('aria-sort');
    head.setAttribute('aria-sort', order);
    const sign = order === 'ascending' ? 1 : -1;
    const value = (/** @type {any} */ row) => parseFloat(row.cells[head.cellIndex].dataset.value);
    const rows = [...table.tBodies[0].rows].filter((row) => !row.classList.contains('full'));
    rows.sort((a, b) => (Number(isNaN(value(a))) - Number(isNaN(value(b)))) || sign * (value(a) - value(b)) || 0);
    table.tBodies[0].append(...rows);
  });
}

// Each picture is in the file once, and drawn when somebody looks.
for (const details of all('details')) {
  details.addEventListener('toggle', () => {
    for (const image of all('img:not([src])', details)) image.src = pictures[image.dataset.picture];
  });
}
