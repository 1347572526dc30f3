import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { setTimeout as delay } from "node:timers/promises";
import fc from "fast-check";
import type { Bucket, LimitSpec, LimitStore, Outcome } from "../../../app/src/rate-limit/types";

/** Long enough that no test sees its end. */
const HOUR_MS = 3_600_000;

function window(limit: number, windowMs = HOUR_MS): LimitSpec {
  return { algorithm: "window", limit, windowMs };
}

/** Counts of one test must not be those of another. */
function bucket(spec: LimitSpec, more: Partial<Bucket> = {}): Bucket {
  return { spec, key: `test:${randomUUID()}`, ...more };
}

/** What every store of limits has to do, whatever keeps its counts. */
export function limitStoreContract(store: () => LimitStore): void {
  const consume = async (...buckets: Bucket[]): Promise<Outcome> => store().consume(buckets);

  it("B7 F4 of 1,000 concurrent requests exactly as many pass as the limit says", async () => {
    for (const limit of [1, 10, 100, 999]) {
      const counted = bucket(window(limit));
      const outcomes = await Promise.all(Array.from({ length: 1000 }, () => consume(counted)));
      assert.equal(outcomes.filter(({ allowed }) => allowed).length, limit);
    }
  });

  it("F4 with several buckets the smallest decides, exactly, and none counts a refused request", async () => {
    const [user, company] = [bucket(window(7)), bucket(window(100))];
    const outcomes = await Promise.all(Array.from({ length: 50 }, () => consume(user, company)));
    assert.equal(outcomes.filter(({ allowed }) => allowed).length, 7);
    const { states } = await consume(company);
    assert.equal(states[0]?.remaining, 92, "only the seven that passed, and this one");
  });

  it("says what is left, when it is full again, and when to come back", async () => {
    const counted = bucket(window(2, 60_000));
    for (const remaining of [1, 0]) {
      const [state] = (await consume(counted)).states;
      assert.ok(state);
      assert.deepEqual([state.allowed, state.remaining, state.retryMs], [true, remaining, 0]);
      assert.ok(state.resetMs > 55_000 && state.resetMs <= 60_000, String(state.resetMs));
    }
    const refused = await consume(counted);
    assert.equal(refused.allowed, false);
    const [state] = refused.states;
    assert.ok(state && !state.allowed && state.remaining === 0 && state.retryMs > 55_000 && state.retryMs <= 60_000);
  });

  it("a window that is over begins anew with the next request", async () => {
    const counted = bucket(window(1, 1000));
    assert.equal((await consume(counted)).allowed, true);
    const refused = await consume(counted);
    assert.equal(refused.allowed, false);
    await delay((refused.states[0]?.retryMs ?? 0) + 20);
    assert.equal((await consume(counted)).allowed, true);
    assert.equal((await consume(counted)).allowed, false);
  });

  it("A4 spread limits let a burst pass, then one by one", async () => {
    // One a second, of which five at once.
    const counted = bucket({ algorithm: "smooth", limit: 60, windowMs: 60_000, burst: 5 });
    const outcomes = await Promise.all(Array.from({ length: 50 }, () => consume(counted)));
    assert.equal(outcomes.filter(({ allowed }) => allowed).length, 5);
    const refused = outcomes.find(({ allowed }) => !allowed)?.states[0];
    assert.ok(refused && refused.retryMs > 0 && refused.retryMs <= 1000, String(refused?.retryMs));
    await delay(refused.retryMs + 20);
    assert.equal((await consume(counted)).allowed, true);
  });

  it("forced counts are taken whatever the limit says, and refuse nobody", async () => {
    const dry = bucket(window(3), { force: true });
    const real = bucket(window(100));
    const first = await consume({ ...dry, cost: 50 }, real);
    assert.equal(first.allowed, true, "the limit is exceeded, but only for the record");
    assert.equal(first.states[0]?.allowed, false);
    assert.equal(first.states[1]?.remaining, 99);
    assert.equal((await consume({ ...dry, force: false })).allowed, false, "it was counted");
  });

  it("D2 what was counted can be taken back, at most all of it", async () => {
    for (const spec of [window(3), { algorithm: "smooth", limit: 3, windowMs: HOUR_MS, burst: 3 } as const]) {
      const counted = bucket(spec);
      const left = async (cost: number): Promise<number | undefined> =>
        (await consume({ ...counted, cost, force: cost < 0 })).states[0]?.remaining;
      const remaining: (number | undefined)[] = [];
      for (const cost of [1, 1, -1, 1, 1, -1_000_000_000, -1, 1, 1, 1]) remaining.push(await left(cost));
      assert.deepEqual(remaining, [2, 1, 2, 1, 0, 3, 3, 2, 1, 0], spec.algorithm);
      assert.equal((await consume(counted)).allowed, false, "nothing was given that was not taken");
    }
  });

  it("D2 repeat offenders are blocked, each time for twice as long", async () => {
    const penalty = { strikes: 3, strikeWindowMs: HOUR_MS, blockMs: 2000, mostBlockMs: 60_000 };
    const counted = bucket({ ...window(1, 1000), penalty });
    await consume(counted);
    const retries: number[] = [];
    for (let strike = 0; strike < 3; strike += 1) retries.push((await consume(counted)).states[0]?.retryMs ?? 0);
    const blocked = retries[2] ?? 0;
    assert.ok(blocked > 1000 && blocked <= 2000, `the third refusal blocks: ${retries.join(", ")}`);
    // The window is long over, the block is not; and what is refused during a block does not make it longer.
    await delay(1050);
    const during = await consume(counted);
    assert.equal(during.allowed, false);
    await delay((during.states[0]?.retryMs ?? 0) + 20);
    assert.equal((await consume(counted)).allowed, true, "the block is over");
    for (let strike = 0; strike < 2; strike += 1) await consume(counted);
    const again = (await consume(counted)).states[0]?.retryMs ?? 0;
    assert.ok(again > 2000 && again <= 4000, `the second block is twice as long: ${again}`);
  });

  it("any sequence of costs: what passes never adds up to more than the limit, and nothing is refused that fits", async () => {
    const call = fc.record({ who: fc.nat(2), cost: fc.integer({ min: 1, max: 4 }) });
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: 1, max: 20 }), fc.array(call, { maxLength: 40 }), async (limit, calls) => {
        const buckets = [0, 1, 2].map(() => bucket(window(limit)));
        const used = [0, 0, 0];
        for (const { who, cost } of calls) {
          const before = used[who] ?? 0;
          const counted = buckets[who];
          assert.ok(counted);
          const { allowed, states } = await consume({ ...counted, cost });
          assert.equal(allowed, before + cost <= limit);
          if (allowed) used[who] = before + cost;
          assert.equal(states[0]?.remaining, limit - (used[who] ?? 0));
        }
      }),
      { numRuns: 40 },
    );
  });

  it("the clock of this machine set an hour ahead or back changes nothing", async () => {
    const counted = bucket(window(5, 60_000));
    const real = Date.now;
    try {
      for (const shift of [0, HOUR_MS, -HOUR_MS, HOUR_MS, 0]) {
        Date.now = () => real() + shift;
        assert.equal((await consume(counted)).allowed, true);
      }
      const refused = await consume(counted);
      assert.equal(refused.allowed, false);
      assert.ok((refused.states[0]?.retryMs ?? Infinity) <= 60_000);
    } finally {
      Date.now = real;
    }
  });
}
