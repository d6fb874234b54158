// Settings: what is chosen of the methods on one side, and how it changes.

/**
 * What is chosen once somebody else has written: of the methods that he names all options, of the others none.
 * @param {ChosenSettings} chosen
 * @param {Partial<ChosenSettings>} written
 * @returns {ChosenSettings}
 */
export function withWritten(chosen, written) {
  return { method: written.method ?? chosen.method, options: { ...chosen.options, ...written.options } };
}

/**
 * What is chosen once an option of the shown method has another value. A default is left out, and the rest is in the
 * order of the method's options, so that the same choice is always the same text.
 * @param {ChosenSettings} chosen
 * @param {MethodOption[]} options
 * @param {string} name
 * @param {OptionValue} value
 * @returns {ChosenSettings}
 */
export function withOption(chosen, options, name, value) {
  const values = { ...chosen.options[chosen.method], [name]: value };
  const changed = options.filter((option) => option.name in values && values[option.name] !== option.default);
  const entries = changed.map((option) => [option.name, values[option.name]]);
  return { method: chosen.method, options: { ...chosen.options, [chosen.method]: Object.fromEntries(entries) } };
}

/**
 * The value that an option of the shown method has.
 * @param {ChosenSettings} chosen
 * @param {MethodOption} option
 * @returns {OptionValue}
 */
export function valueOf(chosen, option) {
  return chosen.options[chosen.method]?.[option.name] ?? option.default;
}

/**
 * The number that was typed, as near as the option may have it; null where it is none.
 * @param {string} typed
 * @param {{ low: number, high: number, whole: boolean }} option
 */
export function numberIn(typed, { low, high, whole }) {
  const number = typed.trim() === '' ? NaN : Number(typed);
  if (Number.isNaN(number)) return null;
  return Math.max(low, Math.min(high, whole ? Math.round(number) : number));
}
