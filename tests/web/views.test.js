import assert from 'node:assert/strict';
import test from 'node:test';

import { cellOf, cellsOf, eachPair, layOut, nextPatch, patchOn, placeText, seenText } from '../../assets/web/core/views.js';

const WHOLE = [0, 0, 1, 1];
const view = (rows, columns, box = WHOLE, picture = 0) => ({ rows, columns, box, picture });
// Two by three tiles of 4 x 4, then the whole picture: 6 x 16 patches and 16.
const TILES = [0, 1].flatMap((row) => [0, 1, 2].map((column) => view(4, 4, [column / 3, row / 2, (column + 1) / 3, (row + 1) / 2])));
const TILED = [...TILES, view(4, 4)];
const near = (a, b) => assert.ok(a.every((value, i) => Math.abs(value - b[i]) < 1e-9), a + ' is not ' + b);

// Pixels of a canvas 1000 wide.
const boxes = (layout) => {
  const cell = cellsOf({ width: 1000, height: Math.round(1000 * layout.ratio) }, layout);
  return layout.views.flatMap(({ first, rows, columns }) => Array.from({ length: rows * columns }, (_, i) => cell(first + i)));
};

test('one view has the whole canvas, in the shape of its grid', () => {
  for (const [rows, columns] of [[12, 12], [3, 7], [9, 2]]) {
    const layout = layOut([view(rows, columns, [0, 0, 0.98, 0.97])]);
    assert.equal(layout.ratio, rows / columns);
    assert.deepEqual(layout.views, [{ rows, columns, first: 0, box: WHOLE, name: '' }]);
    assert.equal(placeText(layout, columns + 1), 'row 2, column 2');
  }
  assert.equal(layOut([]).views.length, 0);
});

test('tiles lie where they lay in the picture, with square cells, and the whole beside them', () => {
  const { ratio, views } = layOut(TILED);
  const [first, , third, , , last, whole] = views.map(({ box }) => box);
  near(first.slice(0, 2), [0, 0]);
  near([third[0] + third[2], third[1]], [last[0] + last[2], 0]);
  near([last[1] + last[3]], [1]);
  near([first[2]], [first[3] * ratio]); // as wide as high
  near([whole[2]], [whole[3] * ratio]);
  assert.ok(whole[0] > last[0] + last[2] && whole[0] + whole[2] <= 1 + 1e-9 && whole[1] === 0);
  assert.deepEqual(views.map(({ first: from }) => from), [0, 16, 32, 48, 64, 80, 96]);
});

test('the whole in a fine grid is the picture, the whole as the tower sees it stands beside it', () => {
  const { views } = layOut([view(4, 4), view(5, 8, [-0.01, 0, 1.01, 1])]);
  assert.deepEqual(views.map(({ name }) => name), ['whole picture', 'fine grid']);
  assert.equal(views[1].box[0], 0);
  assert.ok(views[0].box[0] > views[1].box[2]);
});

test('pictures of a row are equally high, none leaves the canvas and none covers another', () => {
  for (const count of [1, 2, 3, 4, 5, 8]) {
    const shapes = [[4, 4], [2, 6], [6, 2], [5, 3], [3, 3], [4, 5], [2, 2], [6, 6]].slice(0, count);
    const layout = layOut(shapes.flatMap(([rows, columns], picture) => [view(rows, columns, WHOLE, picture), ...(picture % 2 ? [view(2, 2, WHOLE, picture)] : [])]));
    const all = boxes(layout);
    const height = Math.round(1000 * layout.ratio);
    for (const [x, y, w, h] of all) assert.ok(x >= 0 && y >= 0 && w > 0 && h > 0 && x + w <= 1001 && y + h <= height + 1);
    all.forEach(([x, y, w, h], i) => all.slice(i + 1).forEach(([x2, y2, w2, h2]) => (
      assert.ok(x + w <= x2 || x2 + w2 <= x || y + h <= y2 || y2 + h2 <= y, 'a cell covers another')
    )));
    const main = layout.views.filter(({ name }) => !name.includes('whole'));
    for (const { box: [, top, , height] } of main) {
      main.filter(({ box }) => box[1] === top).forEach(({ box }) => near([box[3]], [height]));
    }
    assert.ok(layout.ratio <= 1.15 || count === 1, 'too tall');
  }
});

test('tiles that cannot lie so make no canvas that a browser cannot hold', () => {
  for (const box of [[-20, 0, -19.999, 0.001], [0, -20, 0.001, 21], [-20, -20, 21, -19.999]]) {
    const { ratio, views } = layOut([view(1, 1, [0, 0, 0.001, 1]), view(1000, 1, box), view(3, 3)]);
    assert.ok(ratio >= 1 / 30 && ratio <= 30);
    assert.ok(views.every(({ box: place }) => place.every(Number.isFinite)));
  }
});

test('a place of the canvas is the patch that is drawn there, and none beside the views', () => {
  for (const views of [TILED, [view(3, 5), view(2, 2, WHOLE, 1), view(7, 3, WHOLE, 2)]]) {
    const layout = layOut(views);
    const height = Math.round(1000 * layout.ratio);
    boxes(layout).forEach(([x, y, w, h], patch) => assert.equal(patchOn(layout, (x + w / 2) / 1000, (y + h / 2) / height), patch));
  }
  const whole = layOut(TILED).views[6].box;
  assert.equal(patchOn(layOut(TILED), whole[0] + whole[2] / 2, 0.99), null);
});

test('arrows go through a view, on to the tile beside it, and no further than there are patches', () => {
  const layout = layOut(TILED);
  const cell = (number, row, column) => layout.views[number].first + row * 4 + column;
  assert.equal(nextPatch(layout, cell(0, 1, 1), 0, 1), cell(0, 1, 2));
  assert.equal(nextPatch(layout, cell(0, 1, 3), 0, 1), cell(1, 1, 0));
  assert.equal(nextPatch(layout, cell(1, 1, 0), 0, -1), cell(0, 1, 3));
  assert.equal(nextPatch(layout, cell(1, 3, 2), 1, 0), cell(4, 0, 2));
  assert.equal(nextPatch(layout, cell(4, 0, 2), -1, 0), cell(1, 3, 2));
  assert.equal(nextPatch(layout, cell(0, 0, 0), -1, 0), cell(0, 0, 0));
  assert.equal(nextPatch(layout, cell(0, 0, 0), 0, -1), cell(0, 0, 0));
  assert.equal(cellOf(layout, nextPatch(layout, cell(2, 1, 3), 0, 1)).number, 6);
  assert.equal(cellOf(layout, nextPatch(layout, cell(6, 1, 0), 0, -1)).number, 2);
});

test('a patch says its picture and tile where there are several', () => {
  const layout = layOut([...TILED, view(2, 3, WHOLE, 1)]);
  assert.equal(placeText(layout, 17), 'picture 1, tile 2, row 1, column 2');
  assert.equal(placeText(layout, 96), 'picture 1, whole picture, row 1, column 1');
  assert.equal(placeText(layout, 112 + 5), 'picture 2, row 2, column 3');
});

test('it is said in how many tiles each picture was seen, and that it was seen whole as well', () => {
  assert.equal(seenText([view(4, 4)]), '');
  assert.equal(seenText([view(4, 4), view(4, 4, WHOLE, 1)]), '');
  assert.equal(seenText(TILED), 'This picture was seen in 6 tiles, and once more whole, smaller.');
  assert.equal(seenText(TILES), 'This picture was seen in 6 tiles.');
  assert.equal(seenText([view(4, 4), view(6, 8)]), 'This picture was seen in a fine grid, and once more whole, in fewer patches.');
  const second = view(4, 4, WHOLE, 1);
  assert.equal(
    seenText([...TILED, second]),
    'Picture 1 was seen in 6 tiles, and once more whole, smaller. Picture 2 was seen whole.',
  );
});

test('neighbours are of one view', () => {
  const pairs = [];
  eachPair(layOut([view(2, 2), view(1, 3, WHOLE, 1)]), (...pair) => pairs.push(pair));
  assert.deepEqual(pairs, [[0, 1, true], [0, 2, false], [1, 3, false], [2, 3, true], [4, 5, true], [5, 6, true]]);
});
