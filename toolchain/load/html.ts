import { escapeText, plot, type Series } from "./plot";
import type { LoadResult } from "./result";
import type { Interval, Summary } from "./tally";
import type { Sample } from "./watch";

const STYLE = `
:root{color-scheme:light dark;--text:#1b1f24;--soft:#5b6570;--line:#d9dee4;--page:#fff;--good:#1a7f37;--bad:#c62828;--c0:#1f6feb;--c1:#d97706;--c2:#8250df;--c3:#c62828}
@media (prefers-color-scheme:dark){:root{--text:#e6edf3;--soft:#9aa6b2;--line:#30363d;--page:#0d1117;--good:#3fb950;--bad:#ff7b72;--c0:#58a6ff;--c1:#f0a33f;--c2:#bc8cff;--c3:#ff7b72}}
body{font:15px/1.5 system-ui,sans-serif;color:var(--text);background:var(--page);max-width:62rem;margin:2rem auto;padding:0 1rem}
h1{font-size:1.5rem;margin:0}h2{font-size:1.1rem;margin:2rem 0 .5rem}p{margin:.3rem 0}small,.soft{color:var(--soft);font-weight:400}
.verdict{font-size:1.1rem;font-weight:600}.pass{color:var(--good)}.fail{color:var(--bad)}.skip{color:var(--soft)}
.wide{overflow-x:auto}table{border-collapse:collapse;width:100%}th,td{text-align:left;padding:.3rem .7rem .3rem 0;border-bottom:1px solid var(--line);vertical-align:top}
th{color:var(--soft);font-weight:600}td.n,th.n{text-align:right;font-variant-numeric:tabular-nums}
figure{margin:1rem 0}figcaption{font-weight:600}svg{width:100%;height:auto;display:block}
.grid{stroke:var(--line)}.tick{fill:var(--soft);font:11px system-ui,sans-serif}.stage{stroke:var(--soft);stroke-dasharray:2 3}.limit{stroke:var(--bad);stroke-dasharray:6 4}
.line{fill:none;stroke-width:1.6;stroke-linejoin:round}.c0{stroke:var(--c0)}.c1{stroke:var(--c1)}.c2{stroke:var(--c2)}.c3{stroke:var(--c3)}
.key{font-weight:400;margin-left:.6rem}.key::before{content:"";display:inline-block;width:.9rem;height:3px;vertical-align:middle;margin-right:.3rem;background:currentColor}
.k0::before{color:var(--c0)}.k1::before{color:var(--c1)}.k2::before{color:var(--c2)}.k3::before{color:var(--c3)}
@media print{figure,table{break-inside:avoid}}`;

/** The report of a run: one page that needs neither program nor network. Times are UTC. */
export function renderHtml(result: LoadResult): string {
  const { profile, title, stack, phase, url, startedAt, seconds, machine, loadAverage, rows } = result;
  const failed = rows.filter(({ verdict }) => verdict === "fail").length;
  const passed = rows.filter(({ verdict }) => verdict === "pass").length;
  const sentence = failed > 0 ? `${failed} of ${failed + passed} targets missed` : `all ${passed} targets met`;
  return `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>Load ${escapeText(profile)}, stack ${escapeText(stack)}</title><style>${STYLE}</style></head><body>
<h1>${escapeText(profile)} <small>${escapeText(title)}</small></h1>
<p class="verdict ${failed > 0 ? "fail" : "pass"}">${sentence}</p>
<p class="soft">Stack ${escapeText(stack)}, phase ${escapeText(phase)}, ${escapeText(url)}; ${escapeText(startedAt)}, ${seconds.toFixed(0)} s.
${escapeText(machine)}; load average ${loadAverage.map((value) => value.toFixed(1)).join(" before, ")} at the end.</p>
${result.notes.map((note) => `<p class="fail">${escapeText(note)}</p>`).join("\n")}
<h2>Targets</h2>
${table(
  ["feature", "what", "target", "result", "measured"],
  rows.map((row) => [row.id, row.title, row.target, { text: row.verdict, style: row.verdict }, row.measured]),
)}
<h2>Over time <small>latency counts from when a request was due, so that a stall is not hidden</small></h2>
${plots(result)}
<h2>Stages and operations</h2>
${table(
  ["", "due", "failed", "answered/s", "mean", "p50", "p95", "p99", "longest"],
  [
    ...result.stages.map(({ name, measured, summary }) => figures(measured ? name : `${name} (not counted)`, summary)),
    ...result.operations.map(({ operation, ...summary }) => figures(operation, summary)),
    figures("all that counts", result.measured),
  ],
)}
${failures(result)}
<p class="soft">The sender itself was late by ${result.lateness.p99.toFixed(1)} ms (p99), ${result.lateness.max.toFixed(1)} ms at most.${
    result.hitRate === undefined ? "" : ` Caches answered ${(result.hitRate * 100).toFixed(1)} % of the reads that asked one.`
  }</p>
</body></html>
`;
}

type Cell = string | { readonly text: string; readonly style: string };

/** Columns after the first are numbers where the head has no words for them. */
function table(head: readonly string[], rows: readonly (readonly Cell[])[]): string {
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

function figures(name: string, summary: Summary): string[] {
  const ms = (value: number): string => `${value.toFixed(value < 10 ? 1 : 0)} ms`;
  const { due, failed, perSecond, mean, p50, p95, p99, max } = summary;
  return [name, String(due), String(failed), perSecond.toFixed(1), ms(mean), ms(p50), ms(p95), ms(p99), ms(max)];
}

function failures({ failures: found }: LoadResult): string {
  const entries = Object.entries(found);
  if (entries.length === 0) return "";
  return `<h2>Failures <small>of all stages</small></h2>\n${table(
    ["status or reason", "requests"],
    entries.map(([why, count]) => [why, String(count)]),
  )}`;
}

function plots(result: LoadResult): string {
  const { intervals, samples, rows } = result;
  const stages = result.stages.map(({ name, fromMs }) => ({ name, fromSeconds: fromMs / 1000 }));
  const common = { seconds: result.seconds, stages };
  const over = (name: string, colour: number, of: (interval: Interval) => number): Series => ({
    name,
    colour,
    points: intervals.map((interval) => [interval.at, of(interval)]),
  });
  const seen = (name: string, colour: number, of: (sample: Sample) => number | undefined): Series => ({
    name,
    colour,
    points: samples.flatMap((sample) => {
      const value = of(sample);
      return value === undefined ? [] : [[sample.at, value] as const];
    }),
  });
  const limitOf = (title: string): number | undefined => {
    const [, amount, unit] = /([\d.]+) (ms|s|%)$/.exec(rows.find((row) => row.title === title)?.target ?? "") ?? [];
    return amount === undefined ? undefined : Number(amount) * (unit === "s" ? 1000 : 1);
  };
  return [
    plot({
      ...common,
      title: "Latency",
      unit: "ms",
      series: [over("p50", 0, ({ p50 }) => p50), over("p95", 1, ({ p95 }) => p95), over("p99", 2, ({ p99 }) => p99)],
      limit: limitOf("p95 latency"),
    }),
    plot({
      ...common,
      title: "Throughput",
      unit: "requests a second",
      series: [over("due", 0, ({ due }) => due), over("answered", 1, ({ ok }) => ok)],
    }),
    plot({ ...common, title: "Errors", unit: "requests a second", series: [over("failed", 3, ({ failed }) => failed)] }),
    plot({
      ...common,
      title: "Fullest pool of connections",
      unit: "% in use, of the worker that was asked",
      series: [seen("pool", 0, ({ pool }) => (pool === undefined ? undefined : pool * 100))],
      limit: limitOf("fullest pool of database connections"),
    }),
    plot({
      ...common,
      title: "Lag",
      unit: "ms",
      series: [seen("event loop, p99", 0, ({ eventLoopMs }) => eventLoopMs), seen("replica", 1, ({ replicaLagMs }) => replicaLagMs)],
    }),
  ].join("\n");
}
