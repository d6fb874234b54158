// Order: of several pictures that are asked about together.

/**
 * The list with one of its items at another place.
 * @template T
 * @param {T[]} list
 * @param {number} from
 * @param {number} to
 */
export function moved(list, from, to) {
  if (from === to || !(from in list) || !(to in list)) return list;
  const rest = list.filter((_, at) => at !== from);
  return [...rest.slice(0, to), list[from], ...rest.slice(to)];
}

/**
 * The list with a further item at its end, unless it is there already or there are as many as may be.
 * @template T
 * @param {T[]} list
 * @param {T} item
 * @param {number} most
 */
export function withItem(list, item, most) {
  return list.includes(item) || list.length >= most ? list : [...list, item];
}
