import type { machine } from "../app/surroundings";

/** What one change of phase did, seen from its clients. */
export interface Change {
  readonly from: "cluster" | "database";
  readonly to: "cluster" | "database";
  /** The whole of `pulumi up`, ms. */
  readonly updateMs: number;
  /** Rows that were carried and compared, and how long that took, s. */
  readonly rows: number;
  readonly rowsSeconds: number;
  /** Longest time without an acknowledged order, ms. */
  readonly gapMs: number;
  /** Orders that were acknowledged during the change and shortly after it. */
  readonly acknowledged: number;
  readonly failedWrites: number;
  readonly failedReads: number;
  /** Of all orders acknowledged so far, those that cannot be read afterwards. */
  readonly lost: number;
}

export const CHANGE_HEAD = [
  "change",
  "rows",
  "carried and compared",
  "rows/s",
  "pulumi up",
  "longest without a write",
  "failed writes",
  "failed reads",
  "lost",
];

/** Cells of one change, for a table. */
export function changeRow(change: Change): string[] {
  const seconds = (ms: number): string => `${(ms / 1000).toFixed(1)} s`;
  return [
    `${change.from} → ${change.to}`,
    change.rows.toLocaleString("en"),
    `${change.rowsSeconds.toFixed(1)} s`,
    Math.round(change.rows / change.rowsSeconds).toLocaleString("en"),
    seconds(change.updateMs),
    seconds(change.gapMs),
    `${change.failedWrites} of ${change.failedWrites + change.acknowledged}`,
    String(change.failedReads),
    String(change.lost),
  ];
}

/** What `transfer.js --move` says at its end in the log of its container. @throws Error when it is not there */
export function carried(log: string): Pick<Change, "rows" | "rowsSeconds"> {
  const { rows, seconds } = /(?<rows>\d+) rows from .* in (?<seconds>[\d.]+) s, both sides compared/.exec(log)?.groups ?? {};
  if (rows === undefined || seconds === undefined)
    throw new Error(`the container that moves the rows does not say how many it moved: ${log}`);
  return { rows: Number(rows), rowsSeconds: Number(seconds) };
}

/** The dated section for BENCHMARKS.md. */
export function changeSection(changes: readonly Change[], writesPerSecond: number, where: ReturnType<typeof machine>): string {
  const line = (cells: readonly string[]): string => `| ${cells.join(" | ")} |`;
  return [
    `### ${where.date}, ${where.machine}`,
    "",
    `Node ${where.node}. Clients on the same machine write ${writesPerSecond} orders a second and read half as many, whatever becomes of the former ones, and never ask twice; ` +
      "a write that is answered 503 counts as failed, each order that was answered 201 is read back afterwards.",
    "",
    line(CHANGE_HEAD),
    line(CHANGE_HEAD.map(() => "---")),
    ...changes.map((change) => line(changeRow(change))),
    "",
  ].join("\n");
}
