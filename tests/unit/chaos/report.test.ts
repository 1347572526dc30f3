import assert from "node:assert/strict";
import { EVENTS, selectEvents } from "../../../toolchain/chaos/events";
import { HEAD, insertTable, row } from "../../../toolchain/chaos/report";
import { type RunResult, summarise } from "../../../toolchain/chaos/results";

const killed = EVENTS.find(({ id }) => id === "primary-killed")!;
const switchover = EVENTS.find(({ id }) => id === "switchover")!;

function result(more: Partial<RunResult> = {}): RunResult {
  return {
    ...{ event: "primary-killed", appGapMs: 3000, directGapMs: 2500, failedWrites: 0, failedReads: 0, failedDirect: 1, reasons: {} },
    ...{ acknowledged: 100, longestWriteMs: 3100, lost: [], conflicts: [], returnedMs: 0, recoveryMs: 4000, problems: [] },
    ...more,
  };
}

describe("A7 chaos: events and their table", () => {
  it("every event has a name of its own that can be typed, and data-plane.md's targets are those that are held against", () => {
    const ids = EVENTS.map(({ id }) => id);
    assert.equal(new Set(ids).size, ids.length);
    for (const id of ids) assert.match(id, /^[a-z]+(-[a-z]+)*$/);
    const gaps = { "postmaster-killed": 3, "primary-stopped": 4, "primary-killed": 5, "primary-cut": 5, "primary-paused": 25 };
    const flowing = ["replica-killed", "etcd-killed", "pgbouncer-restarted", "proxy-restarted", "old-primary-returns"].map(
      (id) => [id, 2] as const,
    );
    for (const [id, seconds] of [...Object.entries(gaps), ...flowing]) {
      assert.equal(EVENTS.find((event) => event.id === id)?.target.gapSeconds, seconds, id);
    }
    assert.deepEqual(switchover.target, { noFailures: true, gapSeconds: 2 });
  });

  it("the Docker daemon is restarted only when it is asked for", () => {
    const daemon = EVENTS.filter(({ isDaemon }) => isDaemon === true);
    assert.deepEqual(
      daemon.map(({ id }) => id),
      ["daemon-restarted"],
    );
    assert.equal(selectEvents([], false).length, EVENTS.length - 1);
    assert.equal(selectEvents([], true).length, EVENTS.length);
    assert.throws(() => selectEvents(["daemon-restarted"], false), /stops every container/);
    assert.deepEqual(selectEvents(["daemon-restarted"], true), daemon);
    assert.deepEqual(selectEvents(["switchover", "primary-killed"], false), [switchover, killed]);
    assert.throws(() => selectEvents(["primary-kiled"], false), /primary-kiled is no event; allowed: switchover, /);
  });

  it("a target is held against the median, a lost write and a second primary against every run", () => {
    assert.deepEqual(summarise(killed, [result({ appGapMs: 9000 }), result(), result()]).missed, []);
    assert.deepEqual(summarise(killed, [result({ appGapMs: 9000 }), result({ appGapMs: 5000 }), result()]).missed, ["gap 5.00 s ≥ 5 s"]);
    const bad = [result(), result(), result({ lost: ["x"], conflicts: [{ at: 1, nodes: ["pg-1", "pg-2"] }] })];
    assert.deepEqual(summarise(killed, bad).missed, ["1 acknowledged writes lost", "two primaries seen 1 times"]);
    assert.deepEqual(summarise(killed, [result({ problems: ["no"] })]).missed, ["no"]);
    assert.deepEqual(summarise(switchover, [result({ appGapMs: 500 }), result({ appGapMs: 500, failedReads: 1 })]).missed, [
      "1 requests failed",
    ]);
  });

  it("medians and maxima of the runs", () => {
    const summary = summarise(killed, [result({ appGapMs: 1000 }), result({ appGapMs: 4000 }), result({ appGapMs: 2000 })]);
    assert.deepEqual(summary.appGap, { median: 2000, max: 4000 });
    assert.equal(row(summary, "2026-01-02").length, HEAD.length);
    assert.ok(row(summary, "2026-01-02").includes("2.00 s / 4.00 s"));
    assert.ok(row(summary, "2026-01-02").includes("never"));
    const back = summarise(killed, [result({ returnedMs: 52 }), result()]);
    assert.deepEqual(back.missed, []);
    assert.ok(row(back, "2026-01-02").includes("never; on its return the old one called itself so for 52 ms"));
  });

  it("the table goes between its markers, and a part that is measured again replaces its own rows only", () => {
    const first = insertTable("# Figures\n\nText.\n", [row(summarise(killed, [result()]), "2026-01-01")], "a machine");
    assert.match(
      first,
      /^# Figures\n\nText\.\n\n## Faults \(`npm run chaos`\)\n\n<!-- npm run chaos: begin -->\n\na machine\n\n\| event \|/,
    );
    const second = insertTable(
      `${first}\n## After\n`,
      [row(summarise(switchover, [result({ appGapMs: 700 })]), "2026-01-02")],
      "another machine",
    );
    assert.equal(second.match(/<!-- npm run chaos: begin -->/g)?.length, 1);
    assert.ok(!second.includes("a machine\n") && second.includes("another machine"));
    assert.ok(second.indexOf("| switchover |") > 0 && second.indexOf("| switchover |") < second.indexOf("| primary-killed |"), "in order");
    assert.match(second, /<!-- npm run chaos: end -->\n\n## After\n$/);
    const third = insertTable(second, [row(summarise(killed, [result({ appGapMs: 1234 })]), "2026-01-03")], "another machine");
    assert.equal(third.match(/\| primary-killed \|/g)?.length, 1);
    assert.ok(third.includes("1.23 s / 1.23 s") && third.includes("2026-01-02"));
  });
});
