// The rows of the Compare tab. For the type checker and for who reads; nothing of it is served.

/**
 * A row of the Compare tab's table. Where the method refused, there are no figures: they are null, and none is shown.
 * `beyond_share` says what it holds beyond the share it was given; empty where it is compared.
 */
interface Row {
  title: string;
  keep: number | null;
  settings: string;
  answer: string;
  bytes_peak: number;
  bytes_prompt: number;
  bytes_full: number;
  slots: number;
  prompt: number;
  ms_per_token: number | null;
  agreement: number | null;
  kl: number | null;
  beyond_share: string;
  refused: string;
}

/** How many words of its answer are not in the full cache's (`own`), how many of that are not in its (`missing`). */
interface ComparedRow extends Row {
  number: number;
  marks: boolean[];
  own: number;
  missing: number;
  differs: number;
}

/** What the rows are sorted by. */
type Figure = (row: ComparedRow) => string | number | null;

/** The Compare tab's table, as far as it is filled. */
interface Comparison {
  name: string;
  running: boolean;
  status: string;
  total: number;
  question: string;
  picture: string;
  rows: Row[];
  csv: string;
}
