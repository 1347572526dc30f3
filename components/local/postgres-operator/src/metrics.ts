import type { ReaperStatus } from "./status-types";
import type { Switchover } from "./switchover";

/** What Prometheus is told. */
export function renderMetrics(reaper: ReaperStatus, switchover: Pick<Switchover, "counts" | "last" | "running">): string {
  const metric = (name: string, type: string, help: string, ...samples: (readonly [labels: string, value: number])[]): string =>
    [`# HELP ${name} ${help}`, `# TYPE ${name} ${type}`, ...samples.map(([labels, value]) => `${name}${labels} ${value}`), ""].join("\n");
  return [
    metric("postgres_reaper_healthy", "gauge", "Whether rounds are completed.", ["", reaper.healthy ? 1 : 0]),
    metric("postgres_reaper_rounds_total", "counter", "Rounds completed.", ["", reaper.rounds]),
    metric("postgres_reaper_failed_rounds_total", "counter", "Rounds that failed.", ["", reaper.failedRounds]),
    metric("postgres_reaper_suspicious_rounds", "gauge", "Rounds in a row in which the primary looked dead.", [
      "",
      reaper.suspiciousRounds,
    ]),
    metric("postgres_reaper_reaped_total", "counter", "Leases taken from dead primaries.", ["", reaper.reaped]),
    metric(
      "postgres_switchovers_total",
      "counter",
      "Planned switchovers asked for, by what came of them.",
      ...Object.entries(switchover.counts).map(([outcome, count]) => [`{outcome="${outcome}"}`, count] as const),
    ),
    metric("postgres_switchover_running", "gauge", "Whether one is under way.", ["", switchover.running === undefined ? 0 : 1]),
    metric("postgres_switchover_held_seconds", "gauge", "For how long the last one held writes back.", [
      "",
      (switchover.last?.heldMs ?? 0) / 1000,
    ]),
  ].join("");
}
