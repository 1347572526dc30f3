import assert from "node:assert/strict";
import { setTimeout as delay } from "node:timers/promises";
import pino from "pino";
import { BacklogReport } from "../../../app/src/jobs/backlog-report";
import type { JobQueue } from "../../../app/src/jobs/queue";
import { eventually } from "../../support/services/container";
import { withDatabase } from "../db/support";

interface Line {
  readonly level: number;
  readonly JobsWaiting?: number;
  readonly msg: string;
  readonly _aws?: { readonly Timestamp: number; readonly CloudWatchMetrics: readonly object[] };
}

/** Of a logger that writes warnings only. */
function logged(): { readonly logger: pino.Logger; readonly lines: Line[]; readonly figures: () => readonly Line[] } {
  const lines: Line[] = [];
  const logger = pino({ level: "warn" }, { write: (text: string) => lines.push(JSON.parse(text) as Line) });
  return { logger, lines, figures: () => lines.filter(({ JobsWaiting }) => JobsWaiting !== undefined) };
}

const queueOf = (backlog: () => Promise<number>): JobQueue => ({ backlog }) as unknown as JobQueue;

describe("A15 how many jobs wait, for autoscaling", function () {
  this.timeout(20_000);

  it("A15 one line in CloudWatch's format, whatever is logged otherwise, with the figure and no dimensions", () =>
    withDatabase(async (database) => {
      const { logger, figures } = logged();
      const report = new BacklogReport({ queue: queueOf(() => Promise.resolve(42)), database, logger, namespace: "shop/prod" });
      report.start();
      await eventually("a line", () => figures().length > 0);
      await report.close();
      const [line] = figures();
      assert.equal(line?.JobsWaiting, 42);
      assert.ok(Math.abs(Date.now() - (line._aws?.Timestamp ?? 0)) < 10_000);
      assert.deepEqual(line._aws?.CloudWatchMetrics, [
        { Namespace: "shop/prod", Dimensions: [[]], Metrics: [{ Name: "JobsWaiting", Unit: "Count" }] },
      ]);
      assert.equal(figures().length, 1, "once a minute");
    }));

  it("A15 one of several processes tells it, and another goes on when that one leaves", () =>
    withDatabase(async (database) => {
      const reports = [1, 2, 3].map(() => {
        const log = logged();
        const options = { queue: queueOf(() => Promise.resolve(7)), database, logger: log.logger, namespace: "n", everyMs: 90 };
        return { log, report: new BacklogReport(options) };
      });
      for (const { report } of reports) report.start();
      const telling = (): number[] => reports.flatMap(({ log }, index) => (log.figures().length > 0 ? [index] : []));
      await eventually("one tells it twice", () => reports.some(({ log }) => log.figures().length >= 2));
      const [first = -1, ...others] = telling();
      assert.deepEqual(others, [], "no other does");
      await reports[first]?.report.close();
      const before = reports[first]?.log.figures().length;
      await eventually("another goes on", () => telling().length === 2);
      await Promise.all(reports.map(({ report }) => report.close()));
      assert.equal(reports[first]?.log.figures().length, before);
    }));

  it("A15 a queue that cannot be counted gives no figure, and the reason", () =>
    withDatabase(async (database) => {
      const { logger, lines, figures } = logged();
      let away = true;
      const backlog = (): Promise<number> => (away ? Promise.reject(new Error("Redis is away")) : Promise.resolve(0));
      const report = new BacklogReport({ queue: queueOf(backlog), database, logger, namespace: "n", everyMs: 60 });
      report.start();
      const reasons = (): number => lines.filter(({ msg }) => msg === "the waiting jobs could not be counted").length;
      await eventually("the reason", () => reasons() > 0);
      await delay(150);
      assert.equal(reasons(), 1, "said once");
      assert.deepEqual(figures(), []);
      away = false;
      await eventually("zero is a figure", () => figures()[0]?.JobsWaiting === 0);
      await report.close();
      const told = figures().length;
      await delay(150);
      assert.equal(figures().length, told, "silent after it is closed");
    }));
});
