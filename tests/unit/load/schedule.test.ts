import assert from "node:assert/strict";
import fc from "fast-check";
import { type Profile, PROFILE_OF_PHASE, PROFILES, type Stage } from "../../../toolchain/load/profiles";
import { BOUNDS, countOf, planOf, stageAt } from "../../../toolchain/load/schedule";

const profile = (stages: readonly Stage[], change: Partial<Profile> = {}): Profile => ({
  name: "test",
  title: "a test",
  stages,
  mix: { health: 0.2, chat: 0.5, dashboard: 0.3 },
  companies: 7,
  ownConnections: false,
  targets: [],
  ...change,
});

describe("when requests of a load are due", () => {
  it("B10 at a fixed rate: evenly, stage after stage, 100, 150 and 200 a second", () => {
    const plan = planOf(named("b-5000-users"));
    assert.deepEqual(
      plan.stages.map(({ name, fromMs, toMs, requests }) => [name, fromMs, toMs, requests]),
      [
        ["warm-up", 0, 60_000, 6000],
        ["load", 60_000, 360_000, 45_000],
        ["stress", 360_000, 420_000, 12_000],
      ],
    );
    assert.equal(plan.due.length, 63_000);
    assert.deepEqual([plan.due[0], plan.due[1], plan.due[6000]], [0, 10, 60_000]);
    assert.ok(Math.abs((plan.due[6001] ?? 0) - 60_006.667) < 0.01);
  });

  it("B10 the mix is 20 % health, 50 % chat, 30 % dashboard", () => {
    const plan = planOf(named("b-5000-users"));
    const share = (operation: "health" | "chat" | "dashboard"): number =>
      countOf(plan, operation).reduce((sum, count) => sum + count, 0) / plan.due.length;
    for (const [operation, wanted] of [
      ["health", 0.2],
      ["chat", 0.5],
      ["dashboard", 0.3],
    ] as const) {
      assert.ok(Math.abs(share(operation) - wanted) < 0.01, `${operation}: ${share(operation)}`);
    }
  });

  it("A12 users think 10 to 30 s: no user's requests are closer or further apart, and 2,000 of them make 100 a second", () => {
    const plan = planOf(named("a-2000-users"));
    const last = new Map<number, number>();
    const seen = new Set<number>();
    for (const [n, user] of plan.user.entries()) {
      const due = plan.due[n] ?? 0;
      const stage = stageAt(plan.stages, due);
      const before = last.get(user);
      if (before !== undefined && stageAt(plan.stages, before) === stage) {
        const pause = (due - before) / 1000;
        assert.ok(pause >= 10 - 1e-9 && pause <= 30 + 1e-9, `user ${user} paused for ${pause} s`);
      }
      last.set(user, due);
      seen.add(user);
    }
    assert.equal(seen.size, 2000);
    const load = plan.stages.find(({ name }) => name === "load");
    const perSecond = (load?.requests ?? 0) / (((load?.toMs ?? 0) - (load?.fromMs ?? 0)) / 1000);
    assert.ok(perSecond > 95 && perSecond < 108, `${perSecond} a second`);
  });

  it("E10 of 10,000 companies few are busy and most are asked for now and then", () => {
    const plan = planOf(named("e-10000-companies"));
    const counts = new Map<number, number>();
    for (const user of plan.user) counts.set(user, (counts.get(user) ?? 0) + 1);
    assert.ok(plan.users > 9900 && plan.users <= 10_000, `${plan.users} users`);
    const share = (from: number, to: number): number =>
      [...counts].reduce((sum, [user, count]) => (user >= from && user < to ? sum + count : sum), 0) / plan.due.length;
    // Zipf over 10,000: ln 100 ÷ ln 10,000 and a little more are the hundred busiest.
    assert.ok(share(0, 100) > 0.5 && share(0, 100) < 0.56, `${share(0, 100)} are of the first hundred`);
    assert.ok(share(1000, 10_000) > 0.2, `${share(1000, 10_000)} are of the last nine thousand`);
    assert.ok(counts.size > 6000, `${counts.size} companies are asked for`);
  });

  it("is the same every time, ascending, within its stage, for any stages", () => {
    const rate = fc.record({ perSecond: fc.integer({ min: 1, max: 50 }) });
    const users = fc.record({ users: fc.integer({ min: 1, max: 60 }), think: fc.constantFrom([1, 3] as const, [2, 2] as const) });
    const stage = fc
      .tuple(fc.integer({ min: 1, max: 20 }), fc.boolean(), fc.oneof(rate, users))
      .map(([seconds, measured, kind]): Stage => ({ name: "stage", seconds, measured, ...kind }));
    fc.assert(
      fc.property(
        fc.array(stage, { minLength: 1, maxLength: 4 }),
        fc.option(fc.integer({ min: 5, max: 60 }), { nil: undefined }),
        (stages, seconds) => {
          const plan = planOf(profile(stages), seconds);
          const again = planOf(profile(stages), seconds);
          assert.deepEqual([plan.due, plan.user, plan.operation], [again.due, again.user, again.operation]);
          assert.ok(plan.due.every((due, n) => n === 0 || due >= (plan.due[n - 1] ?? 0)));
          assert.equal(
            plan.stages.reduce((sum, { requests }) => sum + requests, 0),
            plan.due.length,
          );
          assert.ok(plan.due.every((due) => due >= 0 && due < plan.seconds * 1000));
          if (seconds !== undefined) assert.ok(Math.abs(plan.seconds - seconds) < 1e-6);
        },
      ),
    );
  });

  it("shortened keeps rates and proportions", () => {
    const plan = planOf(named("b-5000-users"), 42);
    assert.deepEqual(
      plan.stages.map(({ toMs }) => Math.round(toMs)),
      [6000, 36_000, 42_000],
    );
    assert.equal(plan.due.length, 6300);
  });

  it("is bounded in time and number, whatever a profile says", () => {
    assert.throws(
      () => planOf(profile([{ name: "long", seconds: BOUNDS.seconds + 1, measured: true, perSecond: 1 }])),
      /^UserError: profile test would take 3601 s; a load takes 3600 s at most/,
    );
    assert.throws(
      () => planOf(profile([{ name: "much", seconds: 3600, measured: true, perSecond: 1000 }])),
      /^UserError: profile test would send more than 500000 requests in 3600 s/,
    );
    for (const one of PROFILES) assert.ok(planOf(one).due.length > 0);
  });

  it("F6 every phase on a Docker host has a profile, every profile a target, and every mix adds up", () => {
    for (const name of Object.values(PROFILE_OF_PHASE)) named(name);
    for (const { name, mix, targets, stages } of PROFILES) {
      assert.ok(Math.abs(Object.values(mix).reduce((sum, share) => sum + share, 0) - 1) < 1e-9, name);
      assert.ok(targets.length > 0, name);
      assert.ok(
        stages.some(({ measured }) => measured),
        name,
      );
    }
    assert.equal(new Set(PROFILES.map(({ name }) => name)).size, PROFILES.length);
  });
});

function named(name: string): Profile {
  const found = PROFILES.find((one) => one.name === name);
  assert.ok(found, `no profile ${name}`);
  return found;
}
