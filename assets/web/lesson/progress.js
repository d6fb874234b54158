// Progress: what has been answered, remembered in the browser, and the step in the page's address.

import { lesson } from './state.js';

const PROGRESS = 'elastic-lesson';

// A browser may refuse to remember anything: then a reload begins anew.
export function readProgress() {
  try {
    const kept = JSON.parse(localStorage.getItem(PROGRESS) ?? 'null') ?? {};
    const step = Number.isInteger(kept.step) ? kept.step : 1;
    return { step, answers: knownAnswers(kept.answers ?? {}) };
  } catch {
    return { step: 1, answers: {} };
  }
}

/**
 * What another version of the page has kept may have another form.
 * @param {Record<string, any>} answers
 */
function knownAnswers(answers) {
  const isKnown = (/** @type {[string, any]} */ [step, given]) => {
    const ask = lesson.value.steps[Number(step) - 1]?.ask;
    return ask && given && typeof given === 'object' && ANSWERS[ask.kind](given, ask);
  };
  return Object.fromEntries(Object.entries(answers).filter(isKnown));
}

/**
 * Per kind of ask the form of its answers.
 * @type {Record<LessonAsk['kind'], (given: any, ask: any) => boolean>}
 */
const ANSWERS = {
  point: ({ patch, number }) => [patch, number].every(Number.isInteger),
  line: ({ guess }) => Number.isFinite(guess),
  pick: ({ picks }) => Array.isArray(picks) && picks.every(Number.isInteger),
  reach: ({ reached }) => reached === true,
  choose: ({ choice }, { options }) => Object.hasOwn(options, choice),
};

// A class begins anew every time: what was done in front of it is not kept.
export function keepProgress() {
  if (lesson.presenting) return;
  try {
    localStorage.setItem(PROGRESS, JSON.stringify({ step: lesson.step, answers: lesson.answers }));
  } catch { /* as above */ }
}

export const lessonAddress = () => new URLSearchParams(window.location.search);

/**
 * Another page of the lesson, in the same language if it names none.
 * @param {Record<string, string>} parameters
 */
export function visit(parameters) {
  const language = lessonAddress().get('lang');
  window.location.search = String(new URLSearchParams({ ...(language ? { lang: language } : {}), ...parameters }));
}

export function askedStep() {
  const asked = lessonAddress().get('lesson') ?? '';
  return /^[0-9]{1,2}$/.test(asked) ? Math.min(Math.max(1, Number(asked)), lesson.value.steps.length) : null;
}

// What the address asks of the lesson in vain: the nearest there is opens in its place.
export function wrongOfLesson() {
  const [step, language] = [lessonAddress().get('lesson'), lessonAddress().get('lang')];
  const { steps, code } = lesson.value;
  /** @type {string[]} */
  const wrong = [];
  if (step !== null && String(askedStep()) !== step.replace(/^0/, '')) {
    wrong.push('The link asks for step ' + JSON.stringify(step.slice(0, 20)) + ' of the lesson, which has the steps 1 to ' + steps.length + '.');
  }
  if (language !== null && language !== code) {
    wrong.push('There is no lesson in the language ' + JSON.stringify(language.slice(0, 20)) + ': this one is in ' + JSON.stringify(code) + '.');
  }
  return wrong;
}

/**
 * A reload comes back to this step; another tab of the page is not the lesson any more.
 * @param {boolean} isShown
 */
export function writeAddress(isShown) {
  const address = lessonAddress();
  if (address.get('handout') === '1') return;
  if (isShown) address.set('lesson', String(lesson.step));
  else address.delete('lesson');
  const text = String(address);
  history.replaceState(history.state, '', window.location.pathname + (text ? '?' + text : '') + window.location.hash);
}
