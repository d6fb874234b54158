// Views: what the model saw of pictures, whole or in tiles, laid out on one canvas; and where on it each patch is.

const GAP = 0.02; // between pictures, of the canvas's width
const TALLEST = 1.15; // of a canvas's height to its width, where pictures may also stand side by side
const TALLEST_OF_ALL = 30;
const PART = 0.75; // of a picture: a view of less is a tile of it

/**
 * The views of a run on a canvas whose height is `ratio` of its width. Patches are numbered on from view to view.
 * @param {Frame[]} views
 * @returns {Layout}
 */
export function layOut(views) {
  const firsts = views.map((_, number) => views.slice(0, number).reduce((sum, { rows, columns }) => sum + rows * columns, 0));
  const regions = views.map(({ rows, columns }, number) => ({
    rows, columns, first: firsts[number], box: /** @type {Box} */ ([0, 0, 1, 1]), name: nameOf(views, number),
  }));
  if (views.length < 2) return { ratio: views.length ? views[0].rows / views[0].columns : 1, views: regions };
  const { ratio, boxes } = inRows([...new Set(views.map(({ picture }) => picture))].map((picture) => blockOf(views, picture)));
  return { ratio, views: regions.map((region, number) => ({ ...region, box: boxes[number] })) };
}

/**
 * The views of one picture.
 * @param {Frame[]} views
 * @param {number} picture
 */
function ofPicture(views, picture) {
  return [...views.keys()].filter((number) => views[number].picture === picture);
}

/**
 * Which of a picture's views show it in detail: its tiles, or the one of the most cells.
 * @param {Frame[]} views
 * @param {number[]} own
 */
function tilesOf(views, own) {
  const parts = own.filter((number) => {
    const [left, top, right, bottom] = views[number].box;
    return (right - left) * (bottom - top) < PART;
  });
  const cells = (/** @type {number} */ number) => views[number].rows * views[number].columns;
  return parts.length ? parts : [own.reduce((best, number) => (cells(number) > cells(best) ? number : best))];
}

/**
 * "picture 2, tile 3", as much as is needed to tell a view from the others; '' where there are none.
 * @param {Frame[]} views
 * @param {number} number
 */
function nameOf(views, number) {
  const { picture } = views[number];
  const own = ofPicture(views, picture);
  const tiles = tilesOf(views, own);
  const of = own.length < 2 ? '' : !tiles.includes(number) ? 'whole picture' : tiles.length < 2 ? 'fine grid' : 'tile ' + (tiles.indexOf(number) + 1);
  return [views[views.length - 1].picture ? 'picture ' + (picture + 1) : '', of].filter(Boolean).join(', ');
}

/**
 * In how many views the model saw its pictures: "This picture was seen in 9 tiles, and once more whole, smaller."; '' where
 * each was seen once.
 * @param {Frame[]} views
 */
export function seenText(views) {
  const pictures = [...new Set(views.map(({ picture }) => picture))];
  if (pictures.length === views.length) return '';
  const texts = pictures.map((picture) => seenIn(views, ofPicture(views, picture)));
  if (texts.length < 2) return 'This picture was seen ' + texts[0] + '.';
  return texts.map((text, number) => 'Picture ' + (pictures[number] + 1) + ' was seen ' + text + '.').join(' ');
}

/**
 * @param {Frame[]} views
 * @param {number[]} own
 */
function seenIn(views, own) {
  const tiles = tilesOf(views, own).length;
  if (own.length < 2) return 'whole';
  if (tiles < 2) return 'in a fine grid, and once more whole, in fewer patches';
  return 'in ' + tiles + ' tiles' + (tiles < own.length ? ', and once more whole, smaller' : '');
}

/**
 * One picture in cells of its tiles: those where they lie, and the whole beside them, where it was seen as well.
 * @param {Frame[]} views
 * @param {number} picture
 */
function blockOf(views, picture) {
  const own = ofPicture(views, picture);
  const tiles = tilesOf(views, own);
  const { width, height, boxes } = spread(views, tiles);
  let right = width;
  own.filter((number) => !tiles.includes(number)).forEach((number) => {
    const { rows, columns } = views[number];
    const high = Math.min(height, Math.max(height / 2, rows));
    const left = right + GAP * width;
    boxes.set(number, [left, 0, high * columns / rows, high]);
    right = left + high * columns / rows;
  });
  return { width: right, height, boxes };
}

/**
 * Views where their boxes say, in units of a cell of the first.
 * @param {Frame[]} views
 * @param {number[]} numbers
 */
function spread(views, numbers) {
  const first = views[numbers[0]];
  const wide = first.columns / (first.box[2] - first.box[0]);
  const high = first.rows / (first.box[3] - first.box[1]);
  const edges = [0, 1, 2, 3].map((side) => Math[side < 2 ? 'min' : 'max'](...numbers.map((number) => views[number].box[side])));
  /** @type {Map<number, Box>} */
  const boxes = new Map(numbers.map((number) => {
    const [left, top, right, bottom] = views[number].box;
    return [number, [(left - edges[0]) * wide, (top - edges[1]) * high, (right - left) * wide, (bottom - top) * high]];
  }));
  return { width: (edges[2] - edges[0]) * wide, height: (edges[3] - edges[1]) * high, boxes };
}

/**
 * Pictures in as few columns as are no too tall canvas: then they are as large as can be.
 * @param {Block[]} pictures
 */
function inRows(pictures) {
  const tried = pictures.map((_, at) => rowsOf(pictures, at + 1));
  return tried.find(({ ratio }) => ratio <= TALLEST) ?? tried[tried.length - 1];
}

/**
 * Pictures side by side, those of a row equally high; boxes become shares of the canvas, whose height is `ratio` of its
 * width.
 * @param {Block[]} pictures
 * @param {number} beside
 */
function rowsOf(pictures, beside) {
  /** @type {Box[]} */
  const placed = [];
  let [top, tallest] = [0, Infinity];
  for (let at = 0; at < pictures.length; at += beside) {
    const row = pictures.slice(at, at + beside);
    const wide = row.reduce((sum, { width, height }) => sum + width / height, 0);
    // A last row that is not full is no higher than the ones before it.
    const height = Math.min(tallest, (1 - GAP * (row.length - 1)) / wide);
    let left = 0;
    row.forEach((picture) => {
      const scale = height / picture.height;
      picture.boxes.forEach(([x, y, w, h], number) => { placed[number] = [left + x * scale, top + y * scale, w * scale, h * scale]; });
      left += picture.width * scale + GAP;
    });
    if (row.length === beside) tallest = height;
    top += height + GAP;
  }
  // Files of strangers may say of tiles that they lie anywhere.
  const ratio = Math.min(TALLEST_OF_ALL, Math.max(1 / TALLEST_OF_ALL, top - GAP));
  return { ratio, boxes: placed.map(([x, y, w, h]) => /** @type {Box} */ ([x, y / ratio, w, h / ratio])) };
}

/**
 * The view that a patch is of, its number, and the patch's row and column in it.
 * @param {Layout} layout
 * @param {number} patch
 */
export function cellOf({ views }, patch) {
  const number = Math.max(0, views.findIndex(({ first, rows, columns }) => patch < first + rows * columns));
  const view = views[number];
  const own = patch - view.first;
  return { number, view, row: Math.floor(own / view.columns), column: own % view.columns };
}

/**
 * Where a view is on a canvas, in whole pixels: [x, y, width, height].
 * @param {{ width: number, height: number }} canvas
 * @param {Region} view
 * @returns {Box}
 */
export function regionOf(canvas, { box: [left, top, width, height] }) {
  const [x, y] = [Math.round(left * canvas.width), Math.round(top * canvas.height)];
  return [x, y, Math.round((left + width) * canvas.width) - x, Math.round((top + height) * canvas.height) - y];
}

/**
 * Where a patch is on a canvas, in whole pixels: [x, y, width, height].
 * @param {{ width: number, height: number }} canvas
 * @param {Layout} layout
 */
export function cellsOf(canvas, layout) {
  const regions = layout.views.map((view) => regionOf(canvas, view));
  /** @type {(patch: number) => Box} */
  return (patch) => {
    const { number, view, row, column } = cellOf(layout, patch);
    const [left, top, width, height] = regions[number];
    const x = Math.round(column * width / view.columns);
    const y = Math.round(row * height / view.rows);
    const right = Math.round((column + 1) * width / view.columns);
    const bottom = Math.round((row + 1) * height / view.rows);
    return [left + x, top + y, right - x, bottom - y];
  };
}

/**
 * The patch at a place of the canvas, from 0 to 1 each; null beside all views.
 * @param {Layout} layout
 * @param {number} x
 * @param {number} y
 */
export function patchOn({ views }, x, y) {
  for (const { rows, columns, first, box: [left, top, width, height] } of views) {
    const row = Math.floor((y - top) / height * rows);
    const column = Math.floor((x - left) / width * columns);
    if (row >= 0 && row < rows && column >= 0 && column < columns) return first + row * columns + column;
  }
  return null;
}

/**
 * The next patch in a direction: in the same view, or at its edge the nearest of a view that lies there; itself at the end.
 * @param {Layout} layout
 * @param {number} patch
 * @param {number} down
 * @param {number} right
 */
export function nextPatch(layout, patch, down, right) {
  const { number, view, row, column } = cellOf(layout, patch);
  const [newRow, newColumn] = [row + down, column + right];
  if (newRow >= 0 && newRow < view.rows && newColumn >= 0 && newColumn < view.columns) return view.first + newRow * view.columns + newColumn;
  const [left, top, width, height] = view.box;
  const x = left + width * (column + 0.5 + right / 2) / view.columns;
  const y = top + height * (row + 0.5 + down / 2) / view.rows;
  let [best, least] = [patch, Infinity];
  layout.views.forEach((other, at) => {
    const [x0, y0, w, h] = other.box;
    // Where its middle lies further that way, and it begins where this one ends or beyond.
    const ahead = right ? (right > 0 ? x0 - x : x - (x0 + w)) : (down > 0 ? y0 - y : y - (y0 + h));
    if (at === number || ahead < -1e-6) return;
    const [inX, inY] = [Math.min(x0 + w, Math.max(x0, x)), Math.min(y0 + h, Math.max(y0, y))];
    const far = Math.hypot(inX - x, (inY - y) * layout.ratio);
    if (far >= least) return;
    const cell = (/** @type {number} */ share, /** @type {number} */ count) => Math.min(count - 1, Math.max(0, Math.floor(share * count + (right + down < 0 ? -1e-6 : 1e-6))));
    [best, least] = [other.first + cell((inY - y0) / h, other.rows) * other.columns + cell((inX - x0) / w, other.columns), far];
  });
  return best;
}

/**
 * Calls back with every two patches that lie beside or below each other in a view, and whether it is beside.
 * @param {Layout} layout
 * @param {(patch: number, other: number, isBeside: boolean) => void} call
 */
export function eachPair({ views }, call) {
  for (const { rows, columns, first } of views) {
    const end = first + rows * columns;
    for (let patch = first; patch < end; patch++) {
      if ((patch - first + 1) % columns) call(patch, patch + 1, true);
      if (patch + columns < end) call(patch, patch + columns, false);
    }
  }
}

/**
 * "row 3, column 4"; where there are several views, "tile 2, row 3, column 4".
 * @param {Layout} layout
 * @param {number} patch
 */
export function placeText(layout, patch) {
  const { view, row, column } = cellOf(layout, patch);
  return (view.name ? view.name + ', ' : '') + 'row ' + (row + 1) + ', column ' + (column + 1);
}
