// Levels: how much of a run is told. 1 is what happened, 2 why it did, 3 all details; each holds those before.

/**
 * A level as it is written in an address or kept in the browser; null where that is none.
 * @param {string | null} text
 */
export function readLevel(text) {
  return text !== null && /^[1-3]$/.test(text) ? Number(text) : null;
}

/**
 * The level that shows what an address asks for: the one it names, else the first that has controls for it.
 * @param {{ layer: number | null, head: number | null, step: number | null, mode: string, level: number | null }} wanted
 */
export function levelFor({ layer, head, step, mode, level }) {
  if (level !== null) return level;
  if (layer || head) return 3;
  return step !== null || mode ? 2 : 1;
}
