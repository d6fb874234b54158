// Fewer: what of a picture a side's language model was never given.

/**
 * What the view says above the answers where a side was given fewer tokens of pictures; '' where all have all.
 * @param {Pick<Side, 'letter' | 'patches' | 'fewer'>[]} sides
 */
export function fewerText(sides) {
  return sides.filter(({ fewer }) => fewer).map(({ letter, patches, fewer }) => {
    const { front, tokens } = /** @type {Fewer} */ (fewer);
    return front + ' gave ' + letter.toUpperCase() + '’s language model ' + (patches.length - tokens.length) + ' of ' + patches.length
      + ' picture tokens, in all layers alike and before any question was known.';
  }).join(' ');
}

/**
 * The same for a list of facts.
 * @param {Pick<Side, 'letter' | 'patches' | 'fewer'>[]} sides
 */
export function fewerFacts(sides) {
  return sides.flatMap(({ letter, patches, fewer }) => (
    fewer ? [letter.toUpperCase() + ' given ' + (patches.length - fewer.tokens.length) + ' of ' + patches.length + ' picture tokens'] : []
  ));
}
