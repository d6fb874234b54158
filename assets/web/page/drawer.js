// Drawer: on a small screen the settings are put away behind a button, which says whether they are open.

const OPEN = 'settings-open';
// What is chosen or asked is seen behind the settings.
const CLOSES = '#ask, #conversations .gallery-item, #recordings .gallery-item';

export function drawer() {
  const button = document.querySelector('#drawer');
  if (!(button instanceof HTMLElement)) return;
  const set = (/** @type {boolean} */ isOpen) => {
    document.body.classList.toggle(OPEN, isOpen);
    button.setAttribute('aria-expanded', String(isOpen));
  };
  set(false);
  button.setAttribute('aria-controls', 'controls');
  button.addEventListener('click', () => set(!document.body.classList.contains(OPEN)));
  document.addEventListener('click', ({ target }) => { if (target instanceof Element && target.closest(CLOSES)) set(false); });
  document.addEventListener('keydown', ({ key, target, shiftKey }) => {
    const at = target instanceof Element ? target : null;
    if (key === 'Enter' && !shiftKey && at?.closest('#question')) set(false);
    if (key !== 'Escape' || !at?.closest('#controls') || !button.checkVisibility() || at.getAttribute('aria-expanded') === 'true') return;
    set(false);
    button.focus();
  });
}

// Where the picture is no larger than a thumb, the whole of it is what chooses another one.
export function pickPicture() {
  const place = document.querySelector('#picture');
  if (!place) return;
  const plus = Object.assign(document.createElement('span'), { textContent: '+', ariaHidden: 'true' });
  const button = Object.assign(document.createElement('button'), { type: 'button', className: 'pick-picture', ariaLabel: 'Choose a picture of your own' });
  button.append(plus);
  button.addEventListener('click', () => /** @type {HTMLElement | null} */ (place.querySelector('input[type=file]'))?.click());
  place.append(button);
}
