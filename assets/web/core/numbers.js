// Numbers: how sizes, shares and steps of a scale are written.

const UNITS = [['GiB', 2 ** 30], ['MiB', 2 ** 20], ['KiB', 2 ** 10], ['B', 1]];

// Half a MiB rather than 512 KiB: two sides are easier to compare in one unit.
export function unitFor(bytes) {
  return UNITS.find(([, size]) => bytes >= size / 4) ?? UNITS.at(-1);
}

export function bytesText(bytes) {
  const [name, size] = unitFor(bytes);
  return shortNumber(bytes / size) + ' ' + name;
}

// About three digits, whatever the size.
export function shortNumber(value) {
  if (!Number.isFinite(value)) return '–';
  const size = Math.abs(value);
  if (size === 0) return '0';
  if (size < 0.001 || size >= 1e6) return value.toExponential(1);
  return value.toFixed(size >= 100 ? 0 : size >= 10 ? 1 : size >= 0.1 ? 2 : 3).replace(/\.0+$/, '');
}

export function percentText(share) {
  const percent = share * 100;
  if (percent > 0 && percent < 0.1) return 'below 0.1 %';
  return (percent < 10 ? Math.round(percent * 10) / 10 : Math.round(percent)) + ' %';
}

export function niceSteps(high, count) {
  const rough = high / count;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 2.5, 5, 10].map((factor) => factor * power).find((value) => value >= rough);
  return Array.from({ length: Math.ceil(high / step - 1e-9) + 1 }, (_, i) => i * step);
}

export function shortTick(tick) {
  return String(Math.round(tick * 1000) / 1000);
}
