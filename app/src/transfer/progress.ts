/** Where a transfer is. */
export type TransferProgress = RowsProgress | IndexProgress;

/** Indexes that are made when all rows are there. */
export interface IndexProgress {
  readonly step: "indexing";
  readonly index: string;
  readonly table: string;
  /** From 1. */
  readonly place: number;
  /** Indexes of all tables. */
  readonly of: number;
}

/** Rows that are read, and written or compared. */
export interface RowsProgress {
  readonly step: "copying" | "comparing";
  readonly table: string;
  /** Rows of this table so far, and all it has. */
  readonly rows: number;
  readonly of: number;
  /** Rows a second, over the last seconds. */
  readonly rowsPerSecond: number;
  /** Seconds until all tables are through this step, at that rate; `undefined` while there is none. */
  readonly secondsLeft: number | undefined;
}

/** Time over which the rate is averaged, ms. */
const WINDOW_MS = 5000;

/** Turns rows as they come into a rate and a time left. */
export class Meter {
  readonly #all: number;
  readonly #now: () => number;
  #done = 0;
  #marks: { readonly at: number; readonly done: number }[];

  /** @param all rows of the whole step. */
  constructor(all: number, now: () => number = () => performance.now()) {
    this.#all = all;
    this.#now = now;
    this.#marks = [{ at: now(), done: 0 }];
  }

  /** @param rows since the last call; those that a former run copied count as done, and not for the rate. */
  add(rows: number, { earlier = false } = {}): void {
    this.#done += rows;
    if (earlier) this.#marks = [{ at: this.#now(), done: this.#done }];
    else this.#marks.push({ at: this.#now(), done: this.#done });
    const from = this.#now() - WINDOW_MS;
    while (this.#marks.length > 2 && (this.#marks[1]?.at ?? from) < from) this.#marks.shift();
  }

  get rowsPerSecond(): number {
    const [first, last] = [this.#marks[0], this.#marks.at(-1)];
    if (first === undefined || last === undefined || last.at === first.at) return 0;
    return ((last.done - first.done) / (last.at - first.at)) * 1000;
  }

  get secondsLeft(): number | undefined {
    const rate = this.rowsPerSecond;
    return rate === 0 ? undefined : Math.max(0, this.#all - this.#done) / rate;
  }
}

/** One line for people: `copying orders: 412,000 of 1,000,000 rows, 31,200 rows/s, 19 s left`. */
export function progressLine(progress: TransferProgress): string {
  if (progress.step === "indexing") return `indexing ${progress.table}: ${progress.index}, ${progress.place} of ${progress.of} indexes`;
  const { step, table, rows, of, rowsPerSecond, secondsLeft } = progress;
  const number = (value: number): string => Math.round(value).toLocaleString("en");
  const left = secondsLeft === undefined ? "" : `, ${number(Math.ceil(secondsLeft))} s left`;
  return `${step} ${table}: ${number(rows)} of ${number(of)} rows, ${number(rowsPerSecond)} rows/s${left}`;
}
