import assert from 'node:assert/strict';
import test from 'node:test';

import { cividis, groupColours, groupMeans, hexParts } from '../../assets/web/core/colours.js';
import { layOut } from '../../assets/web/core/views.js';
import { ownersAfter, randomSide, VIEWS } from './made.js';

test('heat goes from the dark to the light end, and no further', () => {
  assert.deepEqual([-1, 0, 1, 2].map(cividis), ['rgb(0,34,78)', 'rgb(0,34,78)', 'rgb(254,232,56)', 'rgb(254,232,56)']);
  assert.deepEqual(hexParts('#00ff10'), [0, 255, 16]);
});

test('groups that touch have different colours, a patch alone has none', () => {
  for (const seed of [1, 2, 3, 4, 5, 6]) {
    const side = randomSide(seed);
    for (const step of [0, 8]) {
      const owners = ownersAfter(side, step)[2];
      const at = side.patches.map((token) => owners[token]);
      const colours = groupColours(side, 2, step, layOut(VIEWS), 6);
      at.forEach((owner, patch) => {
        const isGroup = owner >= 0 && owner < side.tokens && side.is_image[owner] && at.filter((each) => each === owner).length > 1;
        assert.equal(colours[patch] >= 0, Boolean(isGroup));
        for (const beside of [(patch + 1) % 3 ? patch + 1 : -1, patch + 3 < 9 ? patch + 3 : -1]) {
          if (beside < 0 || colours[patch] < 0 || colours[beside] < 0) continue;
          assert.equal(colours[patch] === colours[beside], owner === at[beside]);
        }
      });
    }
  }
});

test('a group has the mean colour of its patches, what is in no slot of the picture has none', () => {
  const side = { tokens: 5, place: [-1, -1, -1, -1, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 1, 0, 0, 0, 1, 1] };
  const colours = [[0, 0, 0], [10, 20, 30], [255, 255, 255], [1, 1, 1]];
  assert.deepEqual(groupMeans(side, [1, 1, 0, -1], colours), [[5, 10, 15], [5, 10, 15], null, null]);
});
