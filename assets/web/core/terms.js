// Terms: what the words beside the view's numbers mean. Those of the lesson's glossary are said in its words; a test sees
// to it. Texts are short: they are read beside what they explain.

/** @type {Record<string, string>} */
const GLOSSARY = {
  token: 'The unit a language model reads and writes: a word, a piece of one, a sign, or one patch of a picture.',
  layer: 'A model computes in stages, one after the other. Each is a layer, with keys and values of its own.',
  'kv-cache': 'The stored keys and values of all tokens so far. Without it, every step would compute them again.',
  attention: 'How a query shares itself out over all keys. Its shares add up to 100 %.',
  sink: 'A token that draws much attention and says little, mostly the first one.',
  slot: 'Room for one key and one value in a layer’s cache.',
  anchor: 'A token that keeps a slot of its own; others may be merged into it.',
  budget: 'How many slots a compressed cache may hold.',
  merge: 'Several tokens share one slot, which holds the average of their keys, as they are stored, position included, and the average of their values.',
  evict: 'To give up a slot with all that is in it, while reading (drop) or while answering (evict).',
};

/** @type {Record<string, string>} */
const NUMBER_TERMS = {
  memory: 'Bytes of keys and values that this side holds: its KV cache. 1 MiB is 1024 KiB, or 1,048,576 bytes.',
  read: 'Bytes that a word of the answer reads of what this side holds, with the index that says which. The rest stays for the next word.',
  saved: 'How much less memory than side A this side holds at the end, in percent.',
  slots: 'Slots that a layer holds at the end of the answer, the mean of all layers and heads. Each has room for one key and one value.',
  tokens: 'How many tokens the answer has: words, pieces of words and signs.',
  ms: 'How long one token of the answer took on average, in milliseconds (thousandths of a second).',
  prefill: 'How long reading took, in milliseconds, before the first word: picture and question, once for both sides; in a later turn what is new, and where a picture is reused all that is read, by each side for itself.',
  compressing: 'How long it took to choose what is kept, and to merge the rest, in milliseconds.',
  kept: 'A token with a slot of its own. Its key and value are as the model computed them, unless others were merged into it: then they are averages.',
  keeps: 'The share of the prompt’s tokens that have a slot after compressing, in percent of all its tokens.',
  overlap: 'How alike the anchors of this layer and of the one before are: those of both, in percent of those of either.',
  sparsity: 'The share of side A’s attention weights, in percent, that are so small that they add next to nothing.',
  head: 'A layer looks at the tokens in several ways at once. Each is a head, with a share of every key and value.',
  looked: 'How much of a token’s attention a patch gets as that token is chosen: a share of 1. All that it looks at, words too, and a memory of what was dropped where there is one, adds up to 1.',
  received: 'The attention that a patch received from all tokens of the prompt after it, added up. It has no unit; early patches have more tokens after them.',
  certainty: 'The probability, in percent, that each side gives to the next token of side A’s answer, as long as both have written the same.',
};

const TERMS = { ...GLOSSARY, ...NUMBER_TERMS };

/**
 * What a term means; '' where there is none of that name.
 * @param {string} name
 */
export function meaningOf(name) {
  return Object.hasOwn(TERMS, name) ? TERMS[name] : '';
}
