import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import test from 'node:test';

import { groupColours, groupMeans, hexParts, lightColour, lightOn } from '../../assets/web/core/colours.js';
import { layOut } from '../../assets/web/core/views.js';
import { ownersAfter, randomSide, VIEWS } from './made.js';

// Relative luminance and contrast as in WCAG 2.2, and colours as they are seen without one kind of cone (Machado 2009).
const linear = (value) => (value / 255 <= 0.04045 ? value / 255 / 12.92 : ((value / 255 + 0.055) / 1.055) ** 2.4);
const luminance = (colour) => [0.2126, 0.7152, 0.0722].reduce((sum, weight, i) => sum + weight * linear(colour[i]), 0);
const contrast = (a, b) => (Math.max(luminance(a), luminance(b)) + 0.05) / (Math.min(luminance(a), luminance(b)) + 0.05);
const SIGHTS = {
  all: [[1, 0, 0], [0, 1, 0], [0, 0, 1]],
  protanopia: [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
  deuteranopia: [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.01182, 0.04294, 0.968881]],
  tritanopia: [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.3039]],
};
const gamma = (value) => 255 * (value <= 0.0031308 ? 12.92 * value : 1.055 * value ** (1 / 2.4) - 0.055);
const seenBy = (sight, colour) => sight.map((row) => gamma(Math.min(1, Math.max(0, row.reduce((sum, weight, i) => sum + weight * linear(colour[i]), 0)))));
const GROUNDS = [[0, 0, 0], [255, 255, 255], [128, 128, 128], [240, 230, 160], [255, 192, 150], [20, 40, 120], [200, 30, 40], [60, 150, 70], [118, 150, 160]];
const SHARES = [0, 0.1, 0.25, 0.5, 0.75, 1];

test('more heat is more light, on every ground and with every kind of colour vision', () => {
  for (const sight of Object.values(SIGHTS)) {
    for (const ground of GROUNDS) {
      const lights = SHARES.map((share) => luminance(seenBy(sight, lightOn(ground, share, 0.7))));
      lights.slice(1).forEach((light, i) => assert.ok(light > lights[i], ground + ' at ' + SHARES[i + 1]));
      const [dusk, lit] = [0, 1].map((share) => seenBy(sight, lightOn(ground, share, 0.7)));
      assert.ok(contrast(dusk, lit) > 1.7, ground + ' has ' + contrast(dusk, lit));
    }
  }
});

test('what stands out in a picture stands out under every heat and every strength', () => {
  for (const strength of [0.3, 0.7, 1]) {
    for (const share of SHARES) {
      for (const one of GROUNDS) {
        for (const other of GROUNDS) {
          const before = contrast(one, other);
          if (before < 3) continue; // what WCAG asks of a picture's parts
          const after = contrast(lightOn(one, share, strength), lightOn(other, share, strength));
          assert.ok(after > (strength < 1 ? 1.5 : 1.25), [one, other, share, strength, before, after].join(' '));
        }
      }
    }
  }
});

test('where no light falls a picture lies in dusk, not in the dark, and where most falls it has its own colours', () => {
  for (const ground of GROUNDS) {
    assert.ok(luminance(lightOn(ground, 0, 0.7)) > 0.22 * luminance(ground));
    lightOn(ground, 1, 0.7).forEach((value, i) => assert.ok(value >= ground[i]));
  }
  assert.deepEqual(lightOn([10, 20, 30], 0.4, 0), [10, 20, 30]);
  assert.deepEqual([-1, 2].map((share) => lightOn([9, 99, 199], share, 0.7)), [0, 1].map((share) => lightOn([9, 99, 199], share, 0.7)));
});

test('the legend shows the light that falls on the pictures', () => {
  const style = readFileSync(new URL('../../assets/trace_view.css', import.meta.url), 'utf-8');
  const stops = style.match(/\.tv-ramp \{[^}]*gradient\(90deg, ([^)]*)\)/)[1].split(', ').map(hexParts);
  const shares = stops.map((_, i) => i / (stops.length - 1));
  assert.deepEqual(stops.map((stop) => 'rgb(' + stop + ')'), shares.map(lightColour));
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
