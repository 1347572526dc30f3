import assert from "node:assert/strict";
import { PROFILES } from "../../../toolchain/load/profiles";
import type { Summary } from "../../../toolchain/load/tally";
import { type Measured, rowsOf } from "../../../toolchain/load/verdict";
import { fail, skip } from "../../../toolchain/verify/types";

const summary: Summary = {
  due: 10_000,
  ok: 9995,
  failed: 5,
  unavailable: 4,
  perSecond: 150,
  mean: 20,
  p50: 10,
  p95: 150,
  p99: 300,
  max: 900,
};
const measured: Measured = { summary, pool: 0.5, replicaLagMs: 120, hitRate: 0.7 };

const targets = (profile: string): (typeof PROFILES)[number]["targets"] => PROFILES.find(({ name }) => name === profile)?.targets ?? [];
const verdicts = (profile: string, change: Partial<Measured>): string[] =>
  rowsOf(targets(profile), { ...measured, ...change }, 1).map(({ verdict }) => verdict);

describe("targets of a load", () => {
  it("B11 ≥ 83 requests a second, p95 < 2 s, mean < 1.5 s, 99.9 % available, errors < 0.1 %", () => {
    const rows = rowsOf(targets("b-5000-users"), measured, 1);
    assert.deepEqual(
      rows.map(({ id, target, verdict }) => [id, target, verdict]),
      [
        ["B11", "≥ 83 req/s", "pass"],
        ["B11", "< 2 s", "pass"],
        ["B11", "< 1.5 s", "pass"],
        ["B11", "≥ 99.9 %", "pass"],
        ["B11", "< 0.1 %", "pass"],
      ],
    );
    assert.equal(rows[3]?.measured, "99.96 % (4 of 10000 without a proper answer)");
  });

  it("B11 each one is missed by itself, also by a hair", () => {
    const of = (change: Partial<Summary>): string[] => verdicts("b-5000-users", { summary: { ...summary, ...change } });
    assert.deepEqual(of({ perSecond: 82.9 }), ["fail", "pass", "pass", "pass", "pass"]);
    assert.deepEqual(of({ p95: 2000 }), ["pass", "fail", "pass", "pass", "pass"]);
    assert.deepEqual(of({ mean: 1500 }), ["pass", "pass", "fail", "pass", "pass"]);
    assert.deepEqual(of({ unavailable: 11 }), ["pass", "pass", "pass", "fail", "pass"]);
    assert.deepEqual(of({ failed: 10 }), ["pass", "pass", "pass", "pass", "fail"]);
  });

  it("B11 a load of which nothing was sent has held nothing", () => {
    const nothing = { ...summary, due: 0, ok: 0, failed: 0, unavailable: 0, perSecond: 0, mean: 0, p95: 0 };
    assert.deepEqual(verdicts("b-5000-users", { summary: nothing }), ["fail", "fail", "fail", "fail", "fail"]);
  });

  it("D13 p95 < 200 ms, pools below 80 %; a database without pools has nothing to judge", () => {
    assert.deepEqual(verdicts("d-1000-concurrent", {}), ["pass", "pass", "pass"]);
    assert.deepEqual(verdicts("d-1000-concurrent", { pool: 0.8 }), ["pass", "fail", "pass"]);
    assert.deepEqual(verdicts("d-1000-concurrent", { pool: skip("this database has no pool") }), ["pass", "skip", "pass"]);
  });

  it("E10 cache and replicas, where there are any", () => {
    const all = [
      { feature: "E10", kind: "hit-rate", limit: 0.6 },
      { feature: "E10", kind: "replica-lag", limit: 5000 },
    ] as const;
    const of = (change: Partial<Measured>): string[] => rowsOf(all, { ...measured, ...change }, 1).map(({ verdict }) => verdict);
    assert.deepEqual(of({}), ["pass", "pass"]);
    assert.deepEqual(of({ hitRate: 0.6, replicaLagMs: 5000 }), ["fail", "fail"]);
    assert.deepEqual(of({ hitRate: skip("nothing was asked of a cache"), replicaLagMs: skip("no replica was read") }), ["skip", "skip"]);
  });

  it("D13 E10 a figure that could not be read is a target missed, and the row says why", () => {
    const all = [
      { feature: "D13", kind: "pool", limit: 0.8 },
      { feature: "E10", kind: "hit-rate", limit: 0.6 },
    ] as const;
    const unread = { pool: fail("the app told nothing in 60 looks"), hitRate: fail("not read: connection refused") };
    assert.deepEqual(
      rowsOf(all, { ...measured, ...unread }, 1).map(({ verdict, measured: why }) => [verdict, why]),
      [
        ["fail", "the app told nothing in 60 looks"],
        ["fail", "not read: connection refused"],
      ],
    );
  });
});
