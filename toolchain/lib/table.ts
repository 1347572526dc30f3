import Table from "cli-table3";
import { coloursFor } from "./colours";

/** Colours of standard output. */
export const colours = coloursFor(process.stdout);

/** Lines below the head only; a line a row makes long tables unreadable. */
const CHARACTERS = {
  top: "",
  "top-mid": "",
  "top-left": "",
  "top-right": "",
  bottom: "",
  "bottom-mid": "",
  "bottom-left": "",
  "bottom-right": "",
  left: "",
  right: "",
  middle: "  ",
  mid: "",
  "left-mid": "",
  "mid-mid": "",
  "right-mid": "",
};

/**
 * A table of text with aligned columns and no frame, one line a row unless a cell is too long.
 * @param head titles of the columns.
 * @param width longest line in characters, the last column is wrapped to keep it; @default the terminal's, unlimited without one.
 */
export function renderTable(head: readonly string[], rows: readonly (readonly string[])[], width = process.stdout.columns): string {
  const plain = [head, ...rows];
  const widths = head.map((_title, column) => Math.max(...plain.map((row) => visibleWidth(row[column] ?? ""))));
  const others = widths.slice(0, -1).reduce((sum, one) => sum + one + 2, 0);
  const last = width > 0 ? Math.max(20, width - others - 1) : Infinity;
  const colWidths = widths.map((one, column) => (column === widths.length - 1 ? Math.min(one, last) : one));
  const table = new Table({
    head: head.map((title) => colours.bold(title)),
    chars: CHARACTERS,
    style: { "padding-left": 0, "padding-right": 0, head: [], border: [] },
    colWidths,
    wordWrap: true,
  });
  for (const row of rows) table.push([...row]);
  return table
    .toString()
    .split("\n")
    .map((line) => line.trimEnd())
    .join("\n");
}

/** Characters a text takes on a terminal, the longest of its lines; colour codes take none. */
export function visibleWidth(text: string): number {
  // eslint-disable-next-line no-control-regex -- the escape character is what starts a colour code
  const bare = text.replace(/\u001b\[[0-9;]*m/g, "");
  return Math.max(...bare.split("\n").map((line) => line.length));
}

/** Bytes for people, in binary units: `87 MB`. */
export function formatBytes(bytes: number): string {
  const units = ["B", "kB", "MB", "GB", "TB"];
  let value = bytes;
  let unit = 0;
  while (value >= 999.5 && unit < units.length - 1) {
    value /= 1024;
    unit += 1;
  }
  return `${value >= 10 || unit === 0 ? value.toFixed(0) : value.toFixed(1)} ${units[unit] ?? ""}`;
}

/** Seconds for people: `45 s`, `3 min`, `5 h`, `2 d`. */
export function formatDuration(seconds: number): string {
  if (seconds < 120) return `${Math.floor(seconds)} s`;
  if (seconds < 7200) return `${Math.floor(seconds / 60)} min`;
  if (seconds < 172_800) return `${Math.floor(seconds / 3600)} h`;
  return `${Math.floor(seconds / 86_400)} d`;
}
