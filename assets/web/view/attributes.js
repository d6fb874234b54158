// Attributes: what the page's style and scripts beside it can rely on.

import { presetName } from '../core/address.js';
import { root } from './dom.js';
import { headNow, state } from './state.js';

// What tests and screen readers of the page's source can rely on.
export function note() {
  Object.assign(root.dataset, {
    run: state.run ?? '', step: state.step, layer: state.layer || 'mean', head: headNow() || 'all', mode: presetName(state) || 'own',
    done: state.done, sides: state.sides.length, locked: state.locked,
    tokensA: state.sides[0]?.steps ?? 0, tokensB: state.sides[1]?.steps ?? 0,
    heat: state.heat, anchors: state.anchors, groups: state.groups, fill: state.fill, opacity: state.opacity,
    size: state.size, playing: state.playing, firstDifference: state.differs ?? '',
  });
}
