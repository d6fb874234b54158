// Written from elastic/record/messages.py by `python -m tests.contract`; edit it there.

/** A stretch of a run, or, without sides, a sentence about what is going on. */
interface Message {
  version: number;
  run: string;
  seq: number;
  since: number;
  status: string;
  done: boolean;
  opening: Opening | null;
  sides: SideSteps[];
  wrong: string[];
  awaits: number | null;
  turns: SaidTurn[] | null;
  coming: Coming | null;
  beside: string;
}

/** Everything about a run that its steps do not change. */
interface Opening {
  views: SeenView[];
  question: string;
  shape: ModelShape;
  about: Record<string, string>;
  link: Record<string, string>;
  sides: SideOpening[];
  show: Show | null;
}

/** A view with what the model saw of it; the numbers are those of `ViewFrame`. */
interface SeenView {
  rows: number;
  columns: number;
  box: number[];
  picture: number;
  pixels: string | null;
}

/** The language model's shape, and the bytes of a number in its cache and of all its weights. */
interface ModelShape {
  layers: number;
  heads: number;
  kv_heads: number;
  head_dim: number;
  element_bytes: number;
  weight_bytes: number;
}

/** Everything about a side that its steps do not change; the arrays are those of `Trace`. */
interface SideOpening {
  policy: string;
  title: string;
  keep: number;
  is_compressed: boolean;
  options: Record<string, number | boolean | string>;
  model: string;
  pieces: string[];
  place: string;
  is_prompt: boolean[];
  layers: number;
  heads: number;
  owner: string;
  score: string;
  sparsity: (number | null)[];
  channels: ChannelBits | null;
  unseen: string;
  prompt_slots: number[];
  prompt_bytes: number;
  prompt_limit_bytes: number;
  prefill_seconds: number | null;
  compress_seconds: number | null;
  asked_after: number;
  erasure: Erasure | null;
  reuse: Reuse | null;
  fewer: Fewer | null;
  remembers: boolean;
  reads_part: boolean;
}

/** Which channels keys hold, a bit each, in the order of the shape: layers, key heads, channels. */
interface ChannelBits {
  shape: number[];
  bits: string;
}

/** What was erased of a prompt, and what was answered with all of it: N tokens, and how probable each was and is. */
interface Erasure {
  tokens: number[];
  answer: string;
  answer_pieces: string[];
  before: number[];
  after: number[];
}

/** Which keys and values were taken over, and of which chunks how many first tokens were read anew. */
interface Reuse {
  tokens: number[];
  begins: number[];
  k: number | null;
}

/** For a record: whose doing it was that tokens were never read, and which ones these are. */
interface Fewer {
  front: string;
  keep: number;
  tokens: number[];
}

/** What a view opens with, where its address asks for nothing else; layer and head count from 1, `t` is a step. */
interface Show {
  mode: string;
  layer: number | null;
  head: number | null;
  t: number | null;
}

/** The answer steps of a side from some number on, a value of each list per step, and the whole text so far. */
interface SideSteps {
  answer: string;
  finish: string;
  steps: number;
  milliseconds_per_token: number | null;
  answer_pieces: string[];
  logprob: (number | null)[];
  reference_logprob: (number | null)[];
  divergence: (number | null)[];
  seconds: (number | null)[];
  bytes_held: number[];
  bytes_read: number[];
  bytes_allocated: number[];
  limit_bytes: number[];
  slots: number[][];
  dropped: (number[] | null)[];
  joined: (number[] | null)[];
  looked: string[];
  forgotten: number[][] | null;
  read: string[];
}

/** A turn of a conversation, for who reads it. */
interface SaidTurn {
  run: string;
  question: string;
  sides: SaidSide[];
  changes: string[];
  temperature: number;
  seed: number;
}

/** What a side answered in a turn, and what its cache held then. */
interface SaidSide {
  answer: string;
  finish: string;
  title: string;
  keep: number;
  is_compressed: boolean;
  bytes_held: number | null;
  reads_part: boolean;
}

/** A question that nothing was answered to yet: where it comes in the conversation, and how it goes with it. */
interface Coming {
  question: string;
  after: string;
  sides: SaidSide[];
  line: string;
  time: string;
}

/** What answer steps looked at, and read, in one layer: per side, in the form of `SideSteps`. */
interface LayerLooked {
  sides: string[][];
  read: string[][];
}
