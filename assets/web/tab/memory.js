// Memory: what a tab keeps for itself, until it is closed. A browser may refuse that; then nothing is kept.

import { isOpened, ownPart } from '../core/coming_back.js';

const KEPT = 'elastic.';

/**
 * @param {string} name
 * @returns {string | null}
 */
export function recall(name) {
  try {
    return sessionStorage.getItem(KEPT + name);
  } catch {
    return null;
  }
}

/**
 * What was kept as JSON; what cannot be read, of another version perhaps, counts as not kept, and goes.
 * @param {string} name
 * @returns {any} null where there is none
 */
export function recallValue(name) {
  const text = recall(name);
  try {
    return text === null ? null : JSON.parse(text);
  } catch {
    remember(name, null);
    return null;
  }
}

/**
 * Whether it could be kept; what was kept under the name goes in any case.
 * @param {string} name
 * @param {string | null} value
 */
export function remember(name, value) {
  try {
    sessionStorage.removeItem(KEPT + name);
    if (value !== null) sessionStorage.setItem(KEPT + name, value);
    return true;
  } catch {
    return false;
  }
}

/**
 * The visitor's own run that stands at this place of the tab's history, '' where there is none. The browser keeps it with
 * the place, so that whoever goes back to it finds what he had there.
 * @returns {string}
 */
export const runHere = () => history.state?.elasticRun ?? '';

/** @param {string} run */
export function noteRunHere(run) {
  if (run !== runHere()) history.replaceState({ ...history.state, elasticRun: run }, '');
}

/** Whether the page's address was opened by somebody, rather than written by this tab. All scripts of a page agree. */
export function wasOpened() {
  const { dataset } = document.documentElement;
  dataset.opened ??= String(!runHere() && isOpened(window.location.search, recall('address')));
  remember('address', ownPart(window.location.search));
  return dataset.opened === 'true';
}
