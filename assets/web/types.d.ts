// What the scripts hand to one another. For the type checker and for who reads; nothing of it is served.

// What the functions that the scripts are the bodies of are given.
declare const element: any; // what is found in it is anything
declare const props: { value: any; [name: string]: any };
declare const server: Record<string, (...values: any[]) => Promise<string | null>> | undefined;
declare const watch: (name: string, changed: () => void) => void;
declare const trigger: (name: string, value: any) => void;
declare const Plotly: any; // of the report's page

/** What a picture shows: which heat, fill and frames are switched on. */
interface Look {
  heat: string;
  fill: string;
  anchors: string;
  groups: boolean;
  opacity?: number;
}

/** What the mouse or the keyboard is on, of a side; `numbers` are the answer tokens of a word. */
interface Hover {
  side: number;
  patch?: number;
  token?: number;
  numbers?: number[];
}

/** A number under an answer, what explains it, and the level from which it is shown. */
interface AnswerChip {
  name: string;
  term: string;
  from?: number;
  label: string;
  value: string | null;
}

/** What the address asks for, as far as it is not shown yet. */
interface Wanted {
  layer: number | null;
  head: number | null;
  step: number | null;
  mode: string;
  level: number | null;
  isWrong?: boolean;
}

/** What the view shows: a run as far as it is here, and how it is looked at. */
interface State extends Look {
  opacity: number;
  run: string | null;
  seq: number;
  done: boolean;
  status: string;
  question: string;
  turns: SaidTurn[];
  live: string | null;
  coming: Coming | null;
  layout: Layout;
  pictures: (HTMLImageElement | null)[];
  patchColours: number[][] | null;
  sides: Side[];
  shape: Shape | null;
  about: Record<string, string>;
  link: Record<string, string>;
  size: string;
  level: number;
  layer: number;
  head: number;
  hideSinks: boolean;
  step: number;
  follow: boolean;
  playing: boolean;
  speed: number;
  stood: boolean;
  wipe: number;
  story: Story;
  hover: Hover | null;
  locked: boolean;
  lit: string;
  litColour: string;
  blind: boolean;
  differs: number | null;
  wanted: Wanted | null;
  askedFrom: number | null;
  fetching: boolean;
  noLayers: boolean;
}

/** What a complete run comes to, and the patches of which it is said. */
interface Story {
  sentences: string[];
  patches: number[];
}

/** A turn in the transcript, with what it shows. */
interface TurnNode extends HTMLElement {
  key?: string;
  said?: string;
}

/** A run that is shown beside the one that is looked at, its `base`: the same question without some of the prompt. */
interface Beside {
  run: string;
  base: string;
  sides: Side[];
}

/** A part of the view that may be out of date. */
type Part = 'answers' | 'patches' | 'heat' | 'chart' | 'hover';

/** A canvas that knows how many of its pixels make one of the page. */
interface FineCanvas extends HTMLCanvasElement {
  ratio: number;
  isBare?: boolean; // shows its side's base as it is, with nothing pointed at
}

/** A model's shape, as the calculator needs it. */
interface Shape {
  layers: number;
  kv_heads: number;
  head_dim: number;
  element_bytes: number;
  weight_bytes: number;
  name?: string;
}

interface Gpu {
  name: string;
  memory: number;
  bandwidth: number;
}

/** What a form of the calculator asks for, and within which bounds. */
interface Entry {
  name: string;
  label: string;
  value: number;
  low: number;
  high: number;
  isWhole?: boolean;
}

interface Load {
  batch: number;
  prompt: number;
  answer: number;
  keep: number;
}

/** Per token the share of some planes in which it is kept, merged into a patch or word, into a word, dropped, evicted. */
interface Shares {
  kept: Float32Array;
  merged: Float32Array;
  intoText: Float32Array;
  dropped: Float32Array;
  evicted: Float32Array;
}

/** Counts from which shares are made, brought on from step to step; the tokens of a slot form a ring. */
interface Tally {
  key: string;
  planes: number[];
  counts: Float32Array[];
  next: Int16Array;
  step: number;
}

/** The slots of some planes after a step: how many tokens each stands for, and in how many planes a token holds one. */
interface Slots {
  where: number[];
  width: number;
  sizes: Uint16Array;
  heldIn: Uint16Array;
  step: number;
}

/** How far each part of the telling has come, from 0 to 1. */
interface TellingParts {
  light: number; // patches light up
  rings: number; // anchors get rings
  way: number; // the others are on their way, and memory falls
  leave: number; // the view comes back
}

/** Per patch the token that holds it and the patch in whose slot it goes, and how many fare how. */
interface Telling {
  at: number[];
  to: number[];
  counts: { kept: number; merged: number; word: number; gone: number };
}

/** What is told on a side's sheet, over its picture. */
interface TellingScene extends Cells {
  pictures: (HTMLImageElement | null)[];
  heat: Float32Array;
  range: number[];
  telling: Telling;
  means: (number[] | null)[] | null;
  sheet: FineCanvas;
  stills: { plain: HTMLCanvasElement; lit: HTMLCanvasElement; left: HTMLCanvasElement };
}

interface Channels {
  heads: number;
  dim: number;
  bitAt: (i: number) => number;
}

/** What a side's opening carries as it is; the rest of it is decoded. */
type Opened = Omit<SideOpening, 'place' | 'owner' | 'score' | 'channels' | 'sparsity' | 'prefill_seconds' | 'compress_seconds'>;
/** What its steps carry as it is: none of the numbers that there may be none of, nor what is decoded. */
type Stepped = Omit<SideSteps, 'logprob' | 'reference_logprob' | 'divergence' | 'seconds' | 'looked' | 'forgotten' | 'read'>;

/** One of the two answers: what the messages say of it, under their names, put together. Planes are layers x heads. */
interface Side extends Opened, Stepped {
  number: number;
  letter: string;
  opened: boolean;
  known: number; // steps that have arrived without a gap
  sparsity: number[];
  // per step, as are the lists of `Stepped`; null where a message is missing or has no number, which Number.isFinite tells
  logprob: number[];
  reference_logprob: number[];
  divergence: number[];
  seconds: number[];
  looked: Uint8Array[];
  forgotten: (number[] | null)[]; // per layer the share of attention that went to a memory of what was dropped
  layerLooked: Map<number, Uint8Array[]>;
  read: Uint8Array[]; // where a part of what is held is read
  layerRead: Map<number, Uint8Array[]>;
  unfolded: boolean;
  // what is there of its answer, to tell what has to be drawn anew
  words?: ShownWord[];
  shown?: string;
  textGrowth?: Growth;
  // once it is opened
  prefill_seconds: number;
  compress_seconds: number;
  channels: Channels | null;
  tokens: number; // before the answer
  place: Int16Array; // tokens x (picture, view, row, column)
  is_image: boolean[]; // per token, whether it is a patch
  owner: Int16Array; // planes x tokens
  score: Float32Array; // layers x tokens
  chooses: boolean;
  merges: boolean;
  patches: number[];
  patchOf: Int32Array;
  // of what was given up: planes x width
  width: number;
  goneAt: Uint16Array;
  into: Int16Array | null;
  tally: Tally | null;
  slotTable: { layer: number; first: Slots; now: Slots | null } | null;
  overlaps?: number[];
  anchors?: number[]; // per plane, when the answer begins
  // once it is drawn
  scene: Scene;
  base?: FineCanvas; // the picture as it is under what is pointed at
  painted?: object; // all that the base was painted from
  boxes: StripBox[]; // of the strip, per token; without those of a folded image
  blocks: StripBlock[];
  stripGrowth?: Growth;
  marked?: Record<string, StripBox | undefined>;
  lights?: Record<string, Set<StripBox>>;
  litWords?: Set<HTMLElement>; // of the answer
}

/** A word of an answer: where it stands, whether it differs, and which answer tokens it is made of. */
interface Word {
  bare: string;
  blank: string;
  start: number;
  end: number;
  look: string;
  numbers?: number[];
}

/** A word that stands in an answer: its element, and the blank after it. What it shows is remembered beside it. */
interface ShownWord extends Word {
  numbers: number[];
  isComing?: boolean;
  isCurrent?: boolean;
  node: HTMLElement;
  tail: Text;
}

/** The numbers of a layer; those that a side has not are NaN. */
interface LayerFigures {
  side: Side;
  slots: number;
  ofHeads: [number, number] | null; // the fewest and the most slots of a head, where these differ
  kept: number;
  overlap: number;
  sparsity: number;
}

interface Plot {
  width: number;
  em: number;
  scale: number; // of what has to do with letters: 1 where they are 14 px tall
  edge: { left: number; right: number; top: number; bottom: number };
  x: (at: number) => number;
  y: (value: number) => number;
  steps: { x0: number; x1: number; last: number };
}

/** Something given up: by which planes, and the token whose slot took it in, -1 where it was evicted. */
interface GivenUp {
  token: number;
  into: number;
  planes: number[];
}

// ---- what the view draws, and on what

/** The colours of the page's theme: those that patches are filled with as [red, green, blue]. */
interface Ink {
  anchor: string;
  veil: number[];
  blank: number[];
  hatch: string;
  edge: string;
  text: string;
  plain: string;
  groups: number[][];
}

/** x, y, width, height. */
type Box = [number, number, number, number];

/** What is said of a view: its cells, where it lies in the original (left, top, right, bottom), and whose it is. */
interface Frame {
  rows: number;
  columns: number;
  box: number[];
  picture: number;
}

/** A view on a canvas: the number of its first patch, its box in shares of the canvas, and what tells it from others. */
interface Region {
  rows: number;
  columns: number;
  first: number;
  box: Box;
  name: string;
}

/** A picture's views in cells of its tiles, by their numbers. */
interface Block {
  width: number;
  height: number;
  boxes: Map<number, Box>;
}

interface Layout {
  ratio: number; // of the canvas's height to its width
  views: Region[];
}

/** What is in the cells of views, row by row and view by view. */
interface Cells {
  layout: Layout;
  patches: ArrayLike<number>;
}

/** All that the base of a side's picture needs to know; `borders`, `fill` and `anchors` are switched on, as in a Look. */
interface Scene extends Cells {
  pictures: (HTMLImageElement | null)[];
  patches: number[];
  shares: Shares;
  at: number[] | null; // the holder per patch, null for a mean
  colours: number[] | null; // per patch, if groups are filled
  means: (number[] | null)[] | null;
  fill: string;
  borders: boolean;
  anchors: string;
  opacity: number;
  heat: Float32Array | null;
  unread: Float32Array | null; // per patch the share of heads in which it is held and not read now
  range: number[];
  reused: boolean[] | null; // per patch, whether it was taken over from another reading; null where none was
}

/** What the colours stand for; `numbers` are the answer tokens that are pointed at. */
interface Heat {
  kind: string;
  numbers: number[] | null;
}

/** Something that grows with the answer: the element at its end, and whether that is in sight. */
interface Growth {
  part: Part;
  end: Element | null;
  isSeen: boolean;
  grownAt: number; // milliseconds of the page's clock
  waiting: number; // the timer that brings it on
}

/** A token in a strip. What it shows is remembered beside it. */
interface StripBox extends HTMLSpanElement {
  fate?: string;
  level?: number;
}

/** A view in a strip, its tokens from the first patch to before `end`; `cells` are there while it is unfolded. */
interface StripBlock {
  box: StripBox;
  name: string;
  first: number;
  end: number;
  patches: number[];
  cells: HTMLElement | null;
}

/** A layer's column. What is said of it is remembered beside it. */
interface Column extends HTMLButtonElement {
  words: { text: string; mark?: string; side?: Side; term?: string }[];
}

interface Room {
  width: number;
  height: number;
  em: number;
}

/** A chart's box: its size, and where the steps are in it. */
interface Chart extends SVGSVGElement {
  room?: Room;
  chart?: Plot['steps'];
  layers?: { key: string; first: Side; plot: Plot; drawn: any; moving: SVGElement } | null;
}

/** What a share of a cache costs: bytes, sequences, tokens per second. */
interface Cost {
  cache: number;
  weights: number;
  largest: number;
  share: number;
  perSequence: number;
  total: number;
}

/** A number in a table, and what the page's tests find it by. */
interface TableCell {
  name: string;
  value: number;
  text: string;
}


interface PosterPen {
  context: CanvasRenderingContext2D;
  font: string;
  colours: Record<string, string>;
}

interface PosterSide {
  side: Side;
  step: number;
  marks: boolean[];
  canvas: FineCanvas;
}

interface PosterWord {
  text: string;
  differs?: boolean;
}

type OptionValue = boolean | number | string;

/** What can be chosen of a method; `low` and `high` are null where it is no number. */
interface MethodOption {
  name: string;
  label: string;
  about: string;
  default: OptionValue;
  choices: string[];
  low: number | null;
  high: number | null;
  whole: boolean;
}

type NumberOption = MethodOption & { low: number; high: number };

/** What a method does, in texts and links with their addresses, and its options. */
interface Method {
  title: string;
  about: (string | [string, string])[];
  options: MethodOption[];
}

/** The method that is shown on a side, and of each what is not its default. */
interface ChosenSettings {
  method: string;
  options: Record<string, Record<string, OptionValue>>;
}
