// Attributes: what can be known of the view without its functions.

import { presetName } from '../core/address.js';
import { root } from './dom.js';
import { state } from './state.js';

// The page's style, and scripts beside it that wait for something.
export function note() {
  Object.assign(root.dataset, {
    run: state.run ?? '', step: state.step, layer: state.layer || 'mean', mode: presetName(state) || 'own',
    done: state.done, sides: state.sides.length, size: state.size,
  });
}
