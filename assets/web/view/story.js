// Story: what a complete run comes to, in a sentence or two, and the step at which the view then stands.

import { firstDifference } from '../core/answers.js';
import { storyOf } from '../core/story.js';
import { find, tag } from './dom.js';
import { light } from './light.js';
import { state } from './state.js';

export function drawStory() {
  const story = state.done ? storyOf(state.sides, state.layout) : { sentences: [], patches: [] };
  if (story.sentences.join('\n') === state.story.sentences.join('\n')) return;
  state.story = story;
  find('.tv-story').replaceChildren(...story.sentences.map((sentence) => tag('span', '', sentence + ' ')));
  if (story.patches.length) listenSentence(find('.tv-story').firstElementChild);
}

/**
 * The patches that a sentence is about are framed while it is pointed at.
 * @param {HTMLElement} sentence
 */
function listenSentence(sentence) {
  Object.assign(sentence, { tabIndex: 0, className: 'tv-points' });
  ['pointerenter', 'focus'].forEach((name) => sentence.addEventListener(name, () => light('story')));
  ['pointerleave', 'blur'].forEach((name) => sentence.addEventListener(name, () => light('')));
}

/**
 * A complete run is looked at where its answers part, not at its last token, unless somebody has chosen a step. Once per
 * run: who goes to the end afterwards stays there.
 */
export function standAtDifference() {
  if (!state.done || state.stood) return;
  state.stood = true;
  const [a, b] = state.sides;
  const differs = b && state.follow && !state.playing ? firstDifference(a, b) : null;
  if (differs !== null) Object.assign(state, { step: differs + 1, follow: false });
}
