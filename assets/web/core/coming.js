// Coming: a question that nothing was answered to yet, in words and in its place.

/**
 * How it goes, with how long that takes where it is known.
 * @param {Coming} coming
 */
export const comingText = ({ line, time }) => [line, time].filter(Boolean).join(', ');

/**
 * How many of the turns that are shown stay before it: none where it begins another conversation than theirs.
 * @param {SaidTurn[]} turns
 * @param {Coming} coming
 */
export function turnsBefore(turns, { after }) {
  return after ? turns.findIndex(({ run }) => run === after) + 1 : 0;
}
