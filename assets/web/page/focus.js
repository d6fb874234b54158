// Focus: where it goes when what had it is gone or cannot be pressed any more. Browsers then leave it nowhere.

const CAN_FOCUS = 'button:not([disabled]), input:not([disabled]), textarea:not([disabled]), select:not([disabled]), a[href], summary, [tabindex="0"]';
// A part of the page whose elements take each other's place.
const GROUPS = '#buttons, .block, .form, .tv-turns, .tv-erase, .tv-edit-form';

/**
 * @typedef {{ node: Element, around: Element[], kind: string, number: number }} Held - what has the focus, and where it stood
 */

/** @type {Held | null} */
let held = null;

export function keepFocus() {
  document.addEventListener('focusin', ({ target }) => { held = target instanceof Element ? heldBy(target) : null; });
  // Who presses beside everything wants nothing to have it.
  document.addEventListener('pointerdown', ({ target }) => { if (target instanceof Element && !target.closest(CAN_FOCUS)) held = null; });
  document.addEventListener('keydown', ({ key, target }) => {
    if (key === 'Enter' && target instanceof HTMLElement && target.matches('[role=combobox]')) requestAnimationFrame(() => backTo(target));
  });
  // The browser notices in the next frame that what had the focus cannot have it any more.
  const look = () => requestAnimationFrame(() => requestAnimationFrame(restore));
  new MutationObserver(look).observe(document.body, { subtree: true, childList: true, attributeFilter: ['disabled', 'hidden'] });
}

/**
 * Gradio 6.31 lets go of a list once something was chosen in it, and opens it for whoever comes to it.
 * @param {HTMLElement} list
 */
function backTo(list) {
  if (document.activeElement !== document.body || !list.isConnected) return;
  list.focus({ preventScroll: true });
  list.dispatchEvent(new KeyboardEvent('keydown', { key: 'Escape', code: 'Escape', bubbles: true }));
}

/**
 * @param {Element} node
 * @returns {Held}
 */
function heldBy(node) {
  const around = [];
  for (let each = node.parentElement; each; each = each.parentElement) around.push(each);
  const kind = node.tagName.toLowerCase() + [...node.classList].filter((name) => name.startsWith('tv-')).map((name) => '.' + name).join('');
  const group = node.closest(GROUPS);
  return { node, around, kind, number: group ? [...group.querySelectorAll(kind)].indexOf(node) : 0 };
}

function restore() {
  if (!held || document.activeElement !== document.body) return;
  const { node } = held;
  const isUsable = node.isConnected && node.matches(CAN_FOCUS) && node.checkVisibility();
  if (!isUsable) /** @type {HTMLElement | undefined} */ (inPlaceOf(held))?.focus({ preventScroll: true });
}

/**
 * What looks the same and stands where it stood; else the first in the same part of the page; else the question.
 * @param {Held} lost
 */
function inPlaceOf({ around, kind, number }) {
  const can = (/** @type {Element} */ node) => node.matches(CAN_FOCUS) && node.checkVisibility();
  const group = around.find((each) => each.isConnected && each.matches(GROUPS));
  const same = group ? [...group.querySelectorAll(kind)].filter(can) : [];
  const first = group?.matches('.tv-turns') ? group.querySelector('.tv-turn:last-child .tv-edit') : [...group?.querySelectorAll(CAN_FOCUS) ?? []].find(can);
  const found = (kind.includes('.') ? same[number] ?? same.at(-1) : undefined) ?? first;
  return found ?? document.querySelector('#question textarea');
}
