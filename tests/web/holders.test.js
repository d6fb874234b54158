import assert from 'node:assert/strict';
import test from 'node:test';

import { holder, membersOf, movedAfter, planesOf, sharesOf, slotsAfter } from '../../assets/web/core/holders.js';
import { newSide, openSide, takeSteps } from '../../assets/web/core/messages.js';
import { openingOf, ownersAfter, randomSide, stepsOf, TOKENS } from './made.js';

const SEEDS = [1, 2, 3, 4, 5];
const written = (side, step) => [...Array(side.tokens + step).keys()];

for (const merges of [true, false]) {
  test('a token is where its moves, followed one by one, have brought it, merges ' + merges, () => {
    for (const seed of SEEDS) {
      const side = randomSide(seed, { merges });
      for (let step = 0; step <= side.steps; step++) {
        ownersAfter(side, step).forEach((owners, plane) => {
          for (const token of written(side, step)) assert.equal(holder(side, plane, token, step), owners[token]);
        });
      }
    }
  });

  test('shares count the planes, in whatever order the steps are asked for, merges ' + merges, () => {
    for (const seed of SEEDS) {
      const side = randomSide(seed, { merges });
      const planes = planesOf(side, 0, 0);
      for (const step of [8, 0, 5, 2, 7]) {
        const shares = sharesOf(side, planes, step);
        const owners = ownersAfter(side, step);
        for (const token of written(side, step)) {
          const of = (isSo) => planes.filter((plane) => isSo(owners[plane][token])).length / planes.length;
          assert.equal(shares.kept[token], of((at) => at === token));
          assert.equal(shares.dropped[token], of((at) => at === -1));
          assert.equal(shares.evicted[token], of((at) => at === -2));
          const isPatch = (at) => at < TOKENS && side.is_image[at];
          const intoText = of((at) => at >= 0 && at !== token && !isPatch(at));
          assert.equal(shares.intoText[token], isPatch(token) ? intoText : 0);
          const sum = ['kept', 'merged', 'intoText', 'dropped', 'evicted'].reduce((total, name) => total + shares[name][token], 0);
          assert.ok(Math.abs(sum - 1) < 1e-6);
        }
      }
    }
  });
}

test('members are all tokens of a slot, and a token moved when its holder last changed', () => {
  for (const seed of SEEDS) {
    const side = randomSide(seed);
    const owners = Array.from({ length: side.steps + 1 }, (_, step) => ownersAfter(side, step));
    for (const step of [0, 3, 8]) {
      for (const token of written(side, step)) {
        const at = owners[step][1][token];
        const expected = at < 0 ? [] : written(side, step).filter((other) => owners[step][1][other] === at);
        assert.deepEqual(membersOf(side, 1, token, step), expected);
        const since = owners.slice(0, step + 1).findIndex((now) => now[1][token] === at);
        assert.equal(movedAfter(side, 1, token, step), since);
      }
    }
  }
});

test('slots say how many tokens they stand for, back and forth in time', () => {
  for (const seed of SEEDS) {
    const side = randomSide(seed);
    for (const step of [6, 1, 8, 0]) {
      const { where, width, sizes, heldIn } = slotsAfter(side, 2, step);
      const owners = ownersAfter(side, step);
      for (const token of written(side, step)) {
        const holding = where.filter((plane) => owners[plane][token] === token);
        assert.equal(heldIn[token], holding.length);
        where.forEach((plane, i) => {
          if (owners[plane][token] !== token) return;
          assert.equal(sizes[i * width + token], written(side, step).filter((other) => owners[plane][other] === token).length);
        });
      }
    }
  }
});

test('a layer and a head choose planes, and a head that a side has not chooses all', () => {
  const side = randomSide(1, { layers: 3, heads: 2 });
  assert.deepEqual(planesOf(side, 0, 0), [0, 1, 2, 3, 4, 5]);
  assert.deepEqual(planesOf(side, 2, 0), [2, 3]);
  assert.deepEqual(planesOf(side, 2, 1), [2]);
  assert.deepEqual(planesOf(side, 2, 7), [2, 3]);
  assert.deepEqual(planesOf(side, 9, 2), [5]);
});

test('what was counted before a step came, late, is counted anew with it', () => {
  const opened = () => {
    const side = newSide(0);
    openSide(side, openingOf([...Array(TOKENS).keys(), ...Array(TOKENS).keys()]));
    return side;
  };
  const dropped = [[3, 2], [4, 3], [5, 4]];
  const joined = [[6, 8], [6, 8], [7, -1]];
  const steps = (since, end) => stepsOf(dropped.slice(since, end), joined.slice(since, end), Array(end - since).fill([0]), { steps: end });
  const [late, whole] = [opened(), opened()];
  takeSteps(whole, steps(0, 3), 0);
  takeSteps(late, steps(0, 1), 0);
  takeSteps(late, steps(2, 3), 2);
  const planes = planesOf(late, 0, 0);
  sharesOf(late, planes, 3);
  slotsAfter(late, 0, 3);
  takeSteps(late, steps(1, 2), 1);
  assert.deepEqual(sharesOf(late, planes, 3), sharesOf(whole, planes, 3));
  const [found, expected] = [late, whole].map((side) => slotsAfter(side, 0, 3));
  assert.deepEqual([found.sizes, found.heldIn], [expected.sizes, expected.heldIn]);
});
