import assert from 'node:assert/strict';
import test from 'node:test';

import {
  bytesAfter, differsAt, labelPlaces, limitPoints, memoryPoints, memoryWords, plotFor, roomPoints, surePoints, sureWords,
} from '../../assets/web/core/charts.js';

const ROOM = { width: 400, height: 200, em: 14 };

function side(more = {}) {
  return {
    title: 'Elastic cache', keep: 0.4, is_compressed: true, steps: 3, finish: 'limit', prompt_bytes: 100, bytes_held: [110, 120, 130],
    prompt_limit_bytes: 90, limit_bytes: [95, 100, 105], bytes_allocated: [200, 200, null], answer_pieces: ['a', 'b', 'c'],
    logprob: [-0.1, -0.2, -0.3], reference_logprob: [-0.5, -0.6, null], ...more,
  };
}

test('bytes begin with the prompt’s, and what has not arrived is left out', () => {
  assert.deepEqual(memoryPoints(side()), [[0, 100], [1, 110], [2, 120], [3, 130]]);
  assert.deepEqual(memoryPoints(side({ bytes_held: [110, null, 130] })), [[0, 100], [1, 110], [3, 130]]);
  assert.deepEqual(roomPoints(side()), [[1, 200], [2, 200]]);
  assert.deepEqual([0, 2, 9].map((step) => bytesAfter(side(), step)), [100, 120, 130]);
});

test('a limit is there only for a side that may not keep everything, and is said', () => {
  assert.deepEqual(limitPoints(side()), [[0, 90], [1, 95], [2, 100], [3, 105]]);
  assert.deepEqual(limitPoints(side({ is_compressed: false })), []);
  assert.equal(memoryWords(side(), 1), 'Elastic cache 110 B (aims at 95 B)');
  assert.equal(memoryWords(side({ is_compressed: false }), 1), 'Elastic cache 110 B');
});

test('certainty is the probability of the first side’s tokens, until the texts differ', () => {
  const first = side();
  assert.deepEqual(surePoints(first, first).map(([at, value]) => [at, Math.log(value).toFixed(6)]), [[1, '-0.100000'], [2, '-0.200000'], [3, '-0.300000']]);
  assert.equal(surePoints(side(), first).length, 2);
  assert.equal(differsAt(first, first), null);
  assert.equal(differsAt(side({ reference_logprob: [-0.5, -0.6, -0.7] }), first), null);
  const other = side({ answer_pieces: ['a', 'x', 'y'] });
  assert.equal(differsAt(other, first), 2);
  assert.equal(differsAt(side({ answer_pieces: ['a', 'b'], steps: 2, finish: 'end' }), first), 2); // ended early
  assert.equal(differsAt(side({ answer_pieces: ['a', 'b'], steps: 2, finish: 'running' }), first), null);
  assert.equal(sureWords(other, first, surePoints(other, first), 3), '– (texts differ since token 2)');
  assert.equal(sureWords(other, first, surePoints(other, first), 1), '61 %');
});

test('steps and values are inside the room, the first at the axis and the last at the edge', () => {
  const { x, y, edge, steps } = plotFor(ROOM, [0, 10, 20], 5, 8, 22);
  assert.deepEqual([x(0), x(8)], [edge.left, ROOM.width - edge.right]);
  assert.deepEqual([y(0), y(100)], [ROOM.height - edge.bottom, edge.top]);
  assert.deepEqual(steps, { x0: x(0), x1: x(8), last: 8 });
  assert.ok(plotFor(ROOM, [0, 1000.25], 1, 8, 22).edge.left > edge.left); // wider numbers have more room
  assert.ok(Number.isFinite(plotFor(ROOM, [0, 1], 1, 0, 22).x(0))); // before the first answer token, too
});

test('letters twice as large have twice the room beside and below the axes', () => {
  const [small, large] = [14, 28].map((em) => plotFor({ ...ROOM, em }, [0, 10, 20], 5, 8, 22));
  for (const name of ['left', 'top', 'bottom']) assert.equal(large.edge[name], 2 * small.edge[name], name);
});

test('labels of two lines keep apart, above the lower axis', () => {
  for (const [a, b] of [[100, 900], [500, 510], [510, 500], [10, 12], [990, 1000], [0, 0]]) {
    const sides = [a, b].map((bytes) => side({ bytes_held: [bytes, bytes, bytes] }));
    const plot = plotFor(ROOM, [0, 500, 1000], 1, 3, 22);
    const places = labelPlaces(sides, plot, 3);
    assert.equal(places.length, 2);
    assert.ok(Math.abs(places[0].at - places[1].at) >= 16, a + ' and ' + b);
    assert.ok(places.every(({ at }) => at < plot.y(0) && at > 0));
    const upper = places.reduce((high, each) => (each.at < high.at ? each : high));
    if (a !== b) assert.equal(upper.bytes, Math.max(a, b)); // the upper label is the upper line's
  }
});
