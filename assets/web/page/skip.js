// Skip: a link before everything else, past some forty inputs, to the answers.

export function skipLink() {
  const link = Object.assign(document.createElement('a'), { className: 'skip-link', href: '#view', textContent: 'Skip to the answers' });
  link.addEventListener('click', (event) => {
    const shown = ['#view', '#lesson', '#compare-tab', '#plots-tab'].map((tab) => document.querySelector(tab)).find((tab) => tab?.checkVisibility());
    if (!(shown instanceof HTMLElement)) return;
    event.preventDefault(); // the address says what is shown, not where one stands in it
    const answers = shown.querySelector('[tabindex="-1"]') ?? shown;
    if (answers === shown) shown.tabIndex = -1;
    /** @type {HTMLElement} */ (answers).focus({ preventScroll: true });
    answers.scrollIntoView({ block: 'start' });
  });
  document.body.prepend(link);
}
