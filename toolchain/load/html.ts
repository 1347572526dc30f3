import { page, resultTable, table } from "./page";
import { escapeText, plot, type Series } from "./plot";
import type { LoadResult } from "./result";
import type { Interval, Summary } from "./tally";
import type { Sample } from "./watch";

/** The report of a run: one page that needs neither program nor network. Times are UTC. */
export function renderHtml(result: LoadResult): string {
  const { profile, title, stack, phase, url, startedAt, seconds } = result;
  return page(
    `Load ${profile}, stack ${stack}`,
    `<h1>${escapeText(profile)} <small>${escapeText(title)}</small></h1>
${verdictOf(result)}
<p class="soft">Stack ${escapeText(stack)}, phase ${escapeText(phase)}, ${escapeText(url)}; ${escapeText(startedAt)}, ${seconds.toFixed(0)} s.
${surroundings(result)}</p>
${figuresOf(result, "h2")}`,
  );
}

/** A run as a part of another report, below a heading of its own. */
export function renderLoadPart(result: LoadResult): string {
  const { profile, title, startedAt, seconds } = result;
  return `<h2>Under load: ${escapeText(profile)} <small>${escapeText(title)}</small></h2>
${verdictOf(result)}
<p class="soft">${escapeText(startedAt)}, ${seconds.toFixed(0)} s. ${surroundings(result)}</p>
${figuresOf(result, "h3")}`;
}

function verdictOf({ rows }: LoadResult): string {
  const failed = rows.filter(({ verdict }) => verdict === "fail").length;
  const passed = rows.filter(({ verdict }) => verdict === "pass").length;
  const sentence = failed > 0 ? `${failed} of ${failed + passed} targets missed` : `all ${passed} targets met`;
  return `<p class="verdict ${failed > 0 ? "fail" : "pass"}">${sentence}</p>`;
}

function surroundings({ machine, loadAverage }: LoadResult): string {
  return `${escapeText(machine)}; load average ${loadAverage.map((value) => value.toFixed(1)).join(" before, ")} at the end.`;
}

/** @param heading of its sections: one below that of the run */
function figuresOf(result: LoadResult, heading: "h2" | "h3"): string {
  return `${result.notes.map((note) => `<p class="fail">${escapeText(note)}</p>`).join("\n")}
<${heading}>Targets</${heading}>
${resultTable(result.rows)}
<${heading}>Over time <small>latency counts from when a request was due, so that a stall is not hidden</small></${heading}>
${plots(result)}
<${heading}>Stages and operations</${heading}>
${table(
  ["", "due", "failed", "answered/s", "mean", "p50", "p95", "p99", "longest"],
  [
    ...result.stages.map(({ name, measured, summary }) => figures(measured ? name : `${name} (not counted)`, summary)),
    ...result.operations.map(({ operation, ...summary }) => figures(operation, summary)),
    figures("all that counts", result.measured),
  ],
)}
${failures(result, heading)}
<p class="soft">The sender itself was late by ${result.lateness.p99.toFixed(1)} ms (p99), ${result.lateness.max.toFixed(1)} ms at most.${
    result.hitRate === undefined ? "" : ` Caches answered ${(result.hitRate * 100).toFixed(1)} % of the reads that asked one.`
  }</p>`;
}

function figures(name: string, summary: Summary): string[] {
  const ms = (value: number): string => `${value.toFixed(value < 10 ? 1 : 0)} ms`;
  const { due, failed, perSecond, mean, p50, p95, p99, max } = summary;
  return [name, String(due), String(failed), perSecond.toFixed(1), ms(mean), ms(p50), ms(p95), ms(p99), ms(max)];
}

function failures({ failures: found }: LoadResult, heading: "h2" | "h3"): string {
  const entries = Object.entries(found);
  if (entries.length === 0) return "";
  return `<${heading}>Failures <small>of all stages</small></${heading}>\n${table(
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
