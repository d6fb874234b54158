// Arriving: what the inputs come with gives way to what the tab had before, or to what its address asks for. What was
// chosen or typed until that is here would be written over without a word: until then nothing can be.

const INPUTS = '#controls, #asking';

export function waitForArrival() {
  const inputs = /** @type {NodeListOf<HTMLElement>} */ (document.querySelectorAll(INPUTS));
  inputs.forEach((part) => { part.inert = true; });
  document.addEventListener('elastic-arrived', () => inputs.forEach((part) => { part.inert = false; }), { once: true });
}
