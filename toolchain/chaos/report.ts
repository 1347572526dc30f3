import { EVENTS, type Target } from "./events";
import { seconds, type Spread, type Summary } from "./results";

/** Columns of the table on the terminal and in BENCHMARKS.md. */
export const HEAD = [
  "event",
  "what",
  "gap through app, median / max",
  "gap through PgBouncer",
  "failed writes / reads",
  "redundant after",
  "lost",
  "two primaries",
  "target",
  "result",
  "runs",
  "anchors",
] as const;

/** One event as cells. @param date of its runs, YYYY-MM-DD */
export function row(summary: Summary, date: string): string[] {
  const { event, runs, appGap, directGap, failedWrites, failedReads, recovery, lost, missed } = summary;
  const pair = ({ median, max }: Spread): string => `${seconds(median)} / ${seconds(max)}`;
  return [
    event.id,
    event.title,
    pair(appGap),
    pair(directGap),
    `${failedWrites.median} / ${failedReads.median} (max ${failedWrites.max} / ${failedReads.max})`,
    pair(recovery),
    String(lost),
    primariesText(summary),
    targetText(event.target),
    missed.length === 0 ? "met" : `missed: ${missed.join("; ")}`,
    `${runs}, ${date}`,
    event.anchor ?? "–",
  ];
}

function primariesText({ conflicts, returnedMs }: Summary): string {
  const counted = conflicts === 0 ? "never" : `${conflicts} times`;
  return returnedMs === 0 ? counted : `${counted}; on its return the old one called itself so for ${returnedMs} ms`;
}

/** A target in words. */
export function targetText({ gapSeconds, noFailures }: Target): string {
  const parts = [...(noFailures === true ? ["0 failed"] : []), ...(gapSeconds === undefined ? [] : [`gap < ${gapSeconds} s`])];
  return parts.length === 0 ? "lost 0" : parts.join(", ");
}

const BEGIN = "<!-- npm run chaos: begin -->";
const END = "<!-- npm run chaos: end -->";
const HEADING = "## Faults (`npm run chaos`)";

/**
 * Puts rows into the table of a Markdown document between the markers, which are added at its end when they are missing. Rows of events
 * that are not among the new ones stay: a long measurement may be made in parts.
 * @param where machine and versions, one line; replaces the former one.
 */
export function insertTable(document: string, rows: readonly (readonly string[])[], where: string): string {
  const { before, inside, after } = split(document);
  const fresh = new Map(rows.map((cells) => [cells[0] ?? "", line(cells)]));
  const kept = inside.split("\n").flatMap((text): [string, string][] => {
    const id = /^\| ([a-z0-9-]+) +\|/.exec(text)?.[1];
    return id === undefined || !EVENTS.some((event) => event.id === id) ? [] : [[id, text]];
  });
  const all = new Map([...kept, ...fresh]);
  const table = EVENTS.flatMap(({ id }) => all.get(id) ?? []);
  const section = [BEGIN, "", where, "", line(HEAD), line(HEAD.map(() => "---")), ...table, "", END].join("\n");
  return `${before.trimEnd()}\n\n${section}\n${after.trim() === "" ? "" : `\n${after.trim()}\n`}`;
}

function split(document: string): { readonly before: string; readonly inside: string; readonly after: string } {
  const [from, to] = [document.indexOf(BEGIN), document.indexOf(END)];
  if (from < 0 || to < from) return { before: `${document.trimEnd()}\n\n${HEADING}`, inside: "", after: "" };
  return { before: document.slice(0, from), inside: document.slice(from + BEGIN.length, to), after: document.slice(to + END.length) };
}

function line(cells: readonly string[]): string {
  return `| ${cells.map((cell) => cell.replaceAll("|", "\\|").replaceAll("\n", " ")).join(" | ")} |`;
}
