import assert from "node:assert/strict";
import fc from "fast-check";
import { Counter, Gauge, Histogram, Registry } from "prom-client";
import { PrimaryMetrics } from "../../../app/src/cluster/primary-metrics";
import type { ClusterStatus } from "../../../app/src/cluster/types";
import { collectProcessMetrics, metricsSnapshot } from "../../../app/src/observability/metrics";
import { MetricsAggregator } from "../../../app/src/observability/metrics-aggregator";
import { cumulativePart, mergeSnapshots, type MetricsSnapshot } from "../../../app/src/observability/metrics-merge";

/** A worker's registry with one metric of each kind. */
function worker() {
  const registry = new Registry();
  const registers = [registry];
  return {
    registry,
    counter: new Counter({ name: "hits_total", help: "h", labelNames: ["route"], registers }),
    histogram: new Histogram({ name: "seconds", help: "h", buckets: [0.1, 1], registers }),
    gauge: new Gauge({ name: "open", help: "h", registers }),
    snapshot: (): Promise<MetricsSnapshot> => registry.getMetricsAsJSON(),
  };
}

const nothing = (): Promise<MetricsSnapshot> => Promise.resolve([]);

function value(text: string, series: string): number {
  const line = text.split("\n").find((candidate) => candidate.startsWith(`${series} `));
  assert.ok(line, `${series} is missing in\n${text}`);
  return Number(line.slice(series.length + 1));
}

describe("metrics of all workers", () => {
  it("A6 A13 counters, histograms and gauges add up; of a dead worker only what grows stays", async () => {
    const [first, second] = [worker(), worker()];
    first.counter.inc({ route: "/a" }, 3);
    second.counter.inc({ route: "/a" }, 4);
    second.counter.inc({ route: "/b" }, 1);
    first.histogram.observe(0.05);
    second.histogram.observe(0.5);
    second.histogram.observe(5);
    first.gauge.set(2);
    second.gauge.set(5);
    const aggregator = new MetricsAggregator();
    aggregator.receive(1, await first.snapshot());
    aggregator.receive(2, await second.snapshot());
    for (const [departed, open] of [
      [undefined, 7],
      [2, 2],
    ] as const) {
      if (departed !== undefined) aggregator.depart(departed);
      const text = await aggregator.collect([], nothing);
      assert.equal(value(text, 'hits_total{route="/a"}'), 7);
      assert.equal(value(text, 'hits_total{route="/b"}'), 1);
      assert.equal(value(text, 'seconds_bucket{le="0.1"}'), 1);
      assert.equal(value(text, 'seconds_bucket{le="1"}'), 2);
      assert.equal(value(text, 'seconds_bucket{le="+Inf"}'), 3);
      assert.equal(value(text, "seconds_count"), 3);
      assert.equal(value(text, "seconds_sum"), 5.55);
      assert.equal(value(text, "open"), open);
    }
  });

  it("B8 the memory of an instance is that of its workers and of its primary", async () => {
    const process = new Registry();
    new Gauge({ name: "process_resident_memory_bytes", help: "Resident memory size in bytes.", registers: [process] }).set(1e9);
    const aggregator = new MetricsAggregator();
    for (const id of [1, 2]) aggregator.receive(id, await process.getMetricsAsJSON());
    const primary = new PrimaryMetrics();
    const text = await aggregator.collect([], () => primary.snapshot([], { completed: 0, failed: 0 } as ClusterStatus["reloads"]));
    const own = value(text, "process_resident_memory_bytes") - 2e9;
    assert.ok(own > 10e6 && own < 10e9, `${own} bytes`);
  });

  it("B8 of the event loops of an instance the latest counts, not their mean", async () => {
    collectProcessMetrics();
    const lag = (seconds: number, snapshot: MetricsSnapshot): MetricsSnapshot =>
      snapshot
        .filter(({ name }) => name === "nodejs_eventloop_lag_p99_seconds")
        .map((metric) => ({ ...metric, values: [{ labels: {}, value: seconds }] }));
    const snapshot = await metricsSnapshot();
    const aggregator = new MetricsAggregator();
    for (const [id, seconds] of [0.01, 0.9, 0.02, 0.01].entries()) aggregator.receive(id, lag(seconds, snapshot));
    assert.equal(value(await aggregator.collect([], nothing), "nodejs_eventloop_lag_p99_seconds"), 0.9);
  });

  it("A13 sums never go down, whatever order workers count, report and die in", async () => {
    const action = fc.record({ kind: fc.constantFrom("count", "report", "die", "scrape"), worker: fc.integer({ min: 0, max: 2 }) });
    await fc.assert(
      fc.asyncProperty(fc.array(action, { maxLength: 40 }), async (actions) => {
        const aggregator = new MetricsAggregator();
        let nextId = 3;
        const live = [0, 1, 2].map((id) => ({ id, ...worker() }));
        let before = 0;
        for (const { kind, worker: index } of actions) {
          const current = live[index]!;
          if (kind === "count") current.counter.inc({ route: "/a" });
          else if (kind === "report") aggregator.receive(current.id, await current.snapshot());
          else if (kind === "die") {
            aggregator.depart(current.id);
            live[index] = { id: nextId++, ...worker() };
          } else {
            const text = await aggregator.collect([], nothing);
            const reported = text.includes("hits_total{") ? value(text, 'hits_total{route="/a"}') : 0;
            assert.ok(reported >= before, `${reported} after ${before}`);
            before = reported;
          }
        }
      }),
      { numRuns: 60 },
    );
  });

  it("A6 a silent worker delays a scrape by its deadline only, and counts with what it last said", async () => {
    const [talking, silent] = [worker(), worker()];
    silent.counter.inc({ route: "/a" }, 10);
    const aggregator = new MetricsAggregator(50);
    aggregator.receive(2, await silent.snapshot());
    talking.counter.inc({ route: "/a" }, 1);
    const sources = [
      { id: 1, pull: (request: number) => void talking.snapshot().then((snapshot) => aggregator.receive(1, snapshot, request)) },
      { id: 2, pull: () => undefined },
    ];
    const startedAt = performance.now();
    const [one, other] = await Promise.all([aggregator.collect(sources, nothing), aggregator.collect(sources, nothing)]);
    assert.ok(performance.now() - startedAt >= 49);
    assert.equal(one, other, "scrapes at the same time share one pull");
    assert.equal(value(one, 'hits_total{route="/a"}'), 11);
  });

  it("A13 merging is associative for everything that grows", async () => {
    const counts = fc.array(fc.integer({ min: 0, max: 1000 }), { minLength: 3, maxLength: 3 });
    await fc.assert(
      fc.asyncProperty(counts, async (amounts) => {
        const parts = await Promise.all(
          amounts.map(async (amount) => {
            const one = worker();
            one.counter.inc({ route: "/a" }, amount);
            one.histogram.observe(amount);
            return cumulativePart(await one.snapshot());
          }),
        );
        const [a = [], b = [], c = []] = parts;
        const plain = (snapshot: MetricsSnapshot): unknown => JSON.parse(JSON.stringify(snapshot));
        assert.deepEqual(
          plain(await mergeSnapshots([await mergeSnapshots([a, b]), c])),
          plain(await mergeSnapshots([a, await mergeSnapshots([b, c])])),
        );
      }),
      { numRuns: 30 },
    );
  });
});
