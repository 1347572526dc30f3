import assert from "node:assert/strict";
import { PROFILES } from "../../toolchain/load/profiles";
import { type LoadResult, notesOf } from "../../toolchain/load/result";
import { planOf } from "../../toolchain/load/schedule";
import { Tally } from "../../toolchain/load/tally";
import { rowsOf } from "../../toolchain/load/verdict";

/** A run of `b-5000-users` as it might have been, with a stall in the middle and too many errors. */
export function exampleResult(): LoadResult {
  const profile = PROFILES.find(({ name }) => name === "b-5000-users");
  assert.ok(profile);
  const plan = planOf(profile, 84);
  const tally = new Tally(plan);
  for (const [n, due] of plan.due.entries()) {
    const stall = due > 40_000 && due < 42_000 ? 42_000 - due : 0;
    tally.add(n, n % 499 === 0 ? { status: 503 } : { status: 200 }, { latencyMs: 8 + (n % 23) + stall, lateMs: 0.4 });
  }
  const summary = tally.measured();
  const result = {
    profile: profile.name,
    title: profile.title,
    stack: "dev",
    phase: "database",
    url: "http://127.0.0.1:3001",
    startedAt: "2026-11-22T08:00:00.000Z",
    seconds: 84,
    ownSeconds: 420,
    interrupted: false,
    machine: "2 cores <x> & 24 GB",
    loadAverage: [0.4, 1.9] as const,
    stages: plan.stages.map((stage, index) => ({ ...stage, summary: tally.stages()[index] ?? summary })),
    operations: tally.operations(),
    measured: summary,
    intervals: tally.intervals(),
    samples: Array.from({ length: 84 }, (_nothing, at) => ({
      at,
      pool: 0.2 + 0.1 * Math.sin(at / 9),
      eventLoopMs: 3 + (at % 7),
      replicaLagMs: 40 + at,
    })),
    missedLooks: 0,
    failures: tally.failures(),
    hitRate: 0.83,
    lateness: tally.lateness(),
  };
  const rows = rowsOf(profile.targets, { summary, pool: 0.3, replicaLagMs: 124, hitRate: 0.83 }, 84);
  return { ...result, rows, notes: notesOf(result) };
}
