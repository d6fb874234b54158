// Numbers: how sizes, shares and steps of a scale are written.

/** @type {[string, number][]} */
const UNITS = [['GiB', 2 ** 30], ['MiB', 2 ** 20], ['KiB', 2 ** 10], ['B', 1]];

/**
 * Half a MiB rather than 512 KiB: two sides are easier to compare in one unit.
 * @param {number} bytes
 * @returns {[string, number]}
 */
export function unitFor(bytes) {
  return UNITS.find(([, size]) => bytes >= size / 4) ?? UNITS[UNITS.length - 1];
}

/** @param {number} bytes */
export function bytesText(bytes) {
  const [name, size] = unitFor(bytes);
  return shortNumber(bytes / size) + ' ' + name;
}

/**
 * About three digits, whatever the size.
 * @param {number} value
 */
export function shortNumber(value) {
  if (!Number.isFinite(value)) return '–';
  const size = Math.abs(value);
  if (size === 0) return '0';
  if (size < 0.001 || size >= 1e6) return value.toExponential(1);
  return value.toFixed(size >= 100 ? 0 : size >= 10 ? 1 : size >= 0.1 ? 2 : 3).replace(/\.0+$/, '');
}

/**
 * How much of the cache a side was asked to keep, or a word of it to read, '' where that is all of it. What it really holds stands
 * beside it in bytes.
 * @param {{ keep: number, is_compressed: boolean, reads_part?: boolean }} side
 */
export function keptWords({ keep, is_compressed, reads_part }) {
  return is_compressed ? 'asked to ' + (reads_part ? 'read ' : 'keep ') + Number((keep * 100).toPrecision(6)) + ' %' : '';
}

/** @param {number} share */
export function percentText(share) {
  const percent = share * 100;
  if (percent > 0 && percent < 0.1) return 'below 0.1 %';
  return (percent < 10 ? Math.round(percent * 10) / 10 : Math.round(percent)) + ' %';
}

/**
 * @param {number} high
 * @param {number} count
 */
export function niceSteps(high, count) {
  const rough = high / count;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 2.5, 5, 10].map((factor) => factor * power).find((value) => value >= rough) ?? 10 * power;
  return Array.from({ length: Math.ceil(high / step - 1e-9) + 1 }, (_, i) => i * step);
}

/** @param {number} tick */
export function shortTick(tick) {
  return String(Math.round(tick * 1000) / 1000);
}
