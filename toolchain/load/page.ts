import type { Row } from "../verify/types";
import { escapeText } from "./plot";

/** How reports look: on a telephone as on a desk, light and dark as the reader's device is set. */
const STYLE = `
:root{color-scheme:light dark;--text:#1b1f24;--soft:#5b6570;--line:#d9dee4;--page:#fff;--good:#1a7f37;--bad:#c62828;--c0:#1f6feb;--c1:#d97706;--c2:#8250df;--c3:#c62828}
@media (prefers-color-scheme:dark){:root{--text:#e6edf3;--soft:#9aa6b2;--line:#30363d;--page:#0d1117;--good:#3fb950;--bad:#ff7b72;--c0:#58a6ff;--c1:#f0a33f;--c2:#bc8cff;--c3:#ff7b72}}
body{font:15px/1.5 system-ui,sans-serif;color:var(--text);background:var(--page);max-width:62rem;margin:2rem auto;padding:0 1rem}
h1{font-size:1.5rem;margin:0}h2{font-size:1.1rem;margin:2rem 0 .5rem}h3{font-size:1rem;margin:1.5rem 0 .5rem}p{margin:.3rem 0}small,.soft{color:var(--soft);font-weight:400}
.verdict{font-size:1.1rem;font-weight:600}.pass{color:var(--good)}.fail{color:var(--bad)}.skip{color:var(--soft)}
.wide{overflow-x:auto}table{border-collapse:collapse;width:100%}th,td{text-align:left;padding:.3rem .7rem .3rem 0;border-bottom:1px solid var(--line);vertical-align:top}
th{color:var(--soft);font-weight:600}td.n,th.n{text-align:right;font-variant-numeric:tabular-nums}
figure{margin:1rem 0}figcaption{font-weight:600}svg{width:100%;height:auto;display:block}
.grid{stroke:var(--line)}.tick{fill:var(--soft);font:11px system-ui,sans-serif}.stage{stroke:var(--soft);stroke-dasharray:2 3}.limit{stroke:var(--bad);stroke-dasharray:6 4}
.line{fill:none;stroke-width:1.6;stroke-linejoin:round}.c0{stroke:var(--c0)}.c1{stroke:var(--c1)}.c2{stroke:var(--c2)}.c3{stroke:var(--c3)}
.key{font-weight:400;margin-left:.6rem}.key::before{content:"";display:inline-block;width:.9rem;height:3px;vertical-align:middle;margin-right:.3rem;background:currentColor}
.k0::before{color:var(--c0)}.k1::before{color:var(--c1)}.k2::before{color:var(--c2)}.k3::before{color:var(--c3)}
@media (max-width:40rem){.rows thead{display:none}.rows table,.rows tbody,.rows tr,.rows td{display:block}.rows tr{padding:.5rem 0;border-bottom:1px solid var(--line)}
.rows td{border:0;padding:0;overflow-wrap:anywhere}.rows td[data-head]::before{content:attr(data-head) ": ";color:var(--soft);font-weight:400}}
@media print{figure,table{break-inside:avoid}}`;

/** A whole page that needs neither program nor network. @param body HTML, everything from elsewhere escaped */
export function page(title: string, body: string): string {
  return `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>${escapeText(title)}</title><style>${STYLE}</style></head><body>
${body}
</body></html>
`;
}

/** Text of a cell, or text with the class it is shown in. */
export type Cell = string | { readonly text: string; readonly style: string };

/** A table. Columns after the first are numbers where the first has no head. */
export function table(head: readonly string[], rows: readonly (readonly Cell[])[]): string {
  const isNumber = (column: number): boolean => head[0] === "" && column > 0;
  const cell = (tag: "th" | "td", content: Cell, column: number): string => {
    const style = [isNumber(column) ? "n" : "", typeof content === "string" ? "" : content.style].filter((name) => name !== "").join(" ");
    const text = escapeText(typeof content === "string" ? content : content.text);
    return `<${tag}${style === "" ? "" : ` class="${style}"`}>${text}</${tag}>`;
  };
  const line = (tag: "th" | "td", cells: readonly Cell[]): string =>
    `<tr>${cells.map((one, column) => cell(tag, one, column)).join("")}</tr>`;
  return `<div class="wide"><table><thead>${line("th", head)}</thead><tbody>${rows.map((row) => line("td", row)).join("\n")}</tbody></table></div>`;
}

/** Promises and what became of them. Where the page is too narrow for columns, each is a paragraph of its own. */
export function resultTable(rows: readonly Row[]): string {
  const head = ["feature", "what", "target", "measured", "result", "duration"];
  const line = ({ id, title, target, measured, verdict, seconds }: Row): string => {
    const cells = [id, title, target, measured, verdict, `${seconds.toFixed(1)} s`];
    const cell = (text: string, column: number): string => {
      const style = head[column] === "result" ? ` class="${verdict}"` : "";
      // What speaks for itself needs no name in front of it.
      const named = column < 2 ? "" : ` data-head="${head[column] ?? ""}"`;
      return `<td${style}${named}>${escapeText(text)}</td>`;
    };
    return `<tr>${cells.map(cell).join("")}</tr>`;
  };
  const names = head.map((name) => `<th>${name}</th>`).join("");
  return `<div class="wide rows"><table><thead><tr>${names}</tr></thead><tbody>${rows.map(line).join("\n")}</tbody></table></div>`;
}
