// What the lesson is made of. For the type checker and for who reads; nothing of it is served.

/** What stands in a text for an element; `to` is what it names or leads to. */
interface TextMark {
  kind: 'slot' | 'see' | 'term' | 'link';
  to: string;
  text: string;
}

type TextPiece = string | TextMark;

/** What is filled in to a text, by name. */
type Filled = Record<string, string | number>;

/** A lesson in one language, and the run that it is told with. */
interface LessonValue {
  language: string;
  code: string;
  languages: [string, string][];
  title: string;
  about: TextPiece[];
  words: Record<string, string>;
  glossary: { name: string; term: string; text: TextPiece[] }[];
  steps: LessonStep[];
  names: string[]; // of the run's sides
  paper: string;
  ask?: Record<string, string> | null;
  run: any; // a message with all sides
}

interface LessonStep {
  title: string;
  text: TextPiece[];
  look: LessonLook;
  then: LessonChange;
  ask: LessonAsk;
  boxes: LessonBox[];
  figure: 'keys' | null;
  multiples: Multiples | null;
  switches: { side: string; text: string; note: string }[];
  code: CodeExcerpt;
  sheet: LessonSheet;
}

/** The state that a step puts the view into. */
interface LessonLook {
  side: string;
  size: string;
  parts: string[];
  mode: string;
  layer: number;
  t: number;
  unfold: boolean;
}

/** What the quick action changes. */
interface LessonChange {
  motion?: 'cut' | 'slide';
  mode?: string;
  layer?: number;
  t?: number;
  unfold?: boolean;
}

interface AskBase {
  text: TextPiece[];
  unasked?: TextPiece[];
  show?: 'brightest' | null;
  until?: number | 'given up';
}

interface PointAsk extends AskBase {
  kind: 'point';
  reply: TextPiece[];
}

interface LineAsk extends AskBase {
  kind: 'line';
  reply: TextPiece[];
  tokens: number;
  total: number;
  perToken: number;
}

interface PickAsk extends AskBase {
  kind: 'pick';
  reply: TextPiece[];
  count: number;
  mode: string;
}

interface ReachAsk extends AskBase {
  kind: 'reach';
  reply: TextPiece[];
  until: number | 'given up';
}

interface ChooseAsk extends AskBase {
  kind: 'choose';
  options: { text: string; reply: TextPiece[]; right: boolean }[];
}

type LessonAsk = PointAsk | LineAsk | PickAsk | ReachAsk | ChooseAsk;

/** What the reader did: which of these there is, the kind of ask says. Null and none: nothing, and it was revealed. */
interface LessonAnswer {
  patch?: number;
  number?: number;
  guess?: number | null;
  picks?: number[];
  reached?: boolean;
  choice?: number | null;
}

/** A kind of ask. As methods: each takes the asks and the answers of its own kind alone. */
interface AskKind {
  goesOn?: boolean;
  draw?(ask: LessonAsk, answer: (given: LessonAnswer) => void): HTMLElement | null;
  follow?(answer: (given: LessonAnswer) => void): void;
  slots?(given: LessonAnswer, ask: LessonAsk): Filled;
  restore?(given: LessonAnswer): void;
  unasked(answer: (given: LessonAnswer) => void): void;
}

/** What can be done from where a step asks. */
interface AskDoes {
  answer: (given: LessonAnswer) => void;
  tryAgain: () => void;
  explore: (isFree: boolean) => void;
}

interface LessonBox {
  title: string;
  text: TextPiece[];
  hide_sinks: boolean;
  bars: { text: string; value: string }[];
}

/** Small pictures of all layers, or of some sides with a title and a note each. */
interface Multiples {
  of: 'layers' | 'sides';
  sides: string[];
  titles: string[];
  notes: string[];
  mode: string;
}

/** A line of the program and those around it; `first` is the number of the first. */
interface CodeExcerpt {
  file: string;
  number: number;
  first: number;
  lines: string[];
  link: string;
}

/** What a small picture shows of a side. */
interface SmallLook {
  mode: string;
  layer: number;
  t: number;
}

interface LessonSheet extends SmallLook {
  text: TextPiece[];
  picture: 'patches' | 'growth' | 'memory' | 'layers' | 'words';
  side: string;
}

/** A box that is filled once it stands in the page, where it has a size. */
interface LateBox extends HTMLDivElement {
  fill?: () => void;
}

interface LessonState {
  value: LessonValue; // once it is here
  sides: Record<string, Side>;
  step: number;
  phase: 'read' | 'move' | 'act';
  answers: Record<number, LessonAnswer>;
  shown: boolean;
  free: boolean;
  presenting: boolean;
  stop: () => void;
  drawn: DrawnLine | DrawnPicks | null;
}

/** What a line is drawn in: bytes against tokens read. */
interface LineGiven {
  tokens: number;
  perToken: number;
  total: number;
  texts: Record<string, string>;
}

interface GuessAxis {
  unit: string;
  size: number;
  top: number;
  ticks: number[];
}

interface GuessPlace {
  em: number;
  left: number;
  right: number;
  top: number;
  bottom: number;
  axisEnd: number;
  labelAt: number;
  axisRow: number;
  startRow: number;
  x: (count: number) => number;
  y: (bytes: number) => number;
  bytesAt: (y: number) => number;
}

/** A line as far as it is drawn; its place is null while it has no size. */
interface Prediction {
  given: LineGiven;
  axis: GuessAxis;
  guess: number | null;
  isShown: boolean;
  place: GuessPlace | null;
}

/** A line that the reader draws, as the step has it. */
interface DrawnLine {
  guess: () => number | null;
  set: (bytes: number | null) => void;
  reveal: (isShown: boolean) => void;
  stop?: () => void;
}

/** What became of the patches: those that keep a slot, and the patch that holds each. */
interface PickAnswer {
  anchors: Set<number>;
  ownerOf: (patch: number) => number | null;
}

interface Picked {
  picks: number[];
  answer: PickAnswer | null;
}

/** Patches that the reader picks, as the step has them. */
interface DrawnPicks {
  picks: () => number[];
  fates: () => [number, string | number][] | null; // per pick, once that is revealed
  set: (picks: number[]) => void;
  reveal: (answer: PickAnswer) => void;
  stop: () => void;
}

/** [x, y, width, height] on a canvas. */
type CellBox = [number, number, number, number];
