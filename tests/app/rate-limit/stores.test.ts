import assert from "node:assert/strict";
import { mock } from "node:test";
import fc from "fast-check";
import { RateLimiterMemory, RateLimiterRes } from "rate-limiter-flexible";
import { ClusterStore, keepCountsInPrimary } from "../../../app/src/rate-limit/cluster-store";
import { FallbackStore } from "../../../app/src/rate-limit/fallback-store";
import { MemoryStore } from "../../../app/src/rate-limit/memory-store";
import type { Bucket, LimitSpec, LimitStore } from "../../../app/src/rate-limit/types";
import { limitStoreContract } from "./store-contract";

describe("limits in memory", () => {
  const store = new MemoryStore();
  limitStoreContract(() => store);

  it("keeps no more counts than it may, and those in use", () => {
    const small = new MemoryStore(undefined, 100);
    const spec: LimitSpec = { algorithm: "window", limit: 1, windowMs: 60_000 };
    small.consume([{ spec, key: "attacker" }]);
    for (let client = 0; client < 1000; client += 1) {
      small.consume([{ spec, key: `other-${client}` }]);
      assert.equal(small.consume([{ spec, key: "attacker" }]).allowed, false);
    }
    assert.equal(small.size, 100);
  });
});

describe("limits in the primary, asked from its own process", () => {
  before(() => keepCountsInPrimary());
  const store = new ClusterStore();
  limitStoreContract(() => store);
});

describe("limits that decide like rate-limiter-flexible", () => {
  const step = fc.record({ waitMs: fc.integer({ min: 0, max: 700 }), who: fc.constantFrom("a", "b") });

  /** The same sequence of requests, at the same times, to both; every decision has to agree. */
  async function compare(spec: LimitSpec, blockMs: number, steps: readonly { readonly waitMs: number; readonly who: string }[]) {
    mock.timers.enable({ apis: ["Date", "setTimeout"], now: 1_000_000 });
    try {
      const store = new MemoryStore(() => Date.now());
      const oracle = new RateLimiterMemory({ points: spec.limit, duration: spec.windowMs / 1000, blockDuration: blockMs / 1000 });
      for (const { waitMs, who } of steps) {
        mock.timers.tick(waitMs);
        const ours = store.consume([{ spec, key: who }]);
        const theirs = await oracle.consume(who).then(
          (result) => ({ allowed: true, result }),
          (result: unknown) => ({ allowed: false, result: result as RateLimiterRes }),
        );
        assert.ok(theirs.result instanceof RateLimiterRes);
        assert.equal(ours.allowed, theirs.allowed);
        const [state] = ours.states;
        assert.equal(state?.remaining, theirs.result.remainingPoints);
        assert.equal(ours.allowed ? state?.resetMs : state?.retryMs, theirs.result.msBeforeNext);
      }
    } finally {
      mock.timers.reset();
    }
  }

  it("B7 C4 windows: any requests at any times", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 1, max: 6 }),
        fc.integer({ min: 1, max: 3 }),
        fc.array(step, { maxLength: 40 }),
        (limit, seconds, steps) => compare({ algorithm: "window", limit, windowMs: seconds * 1000 }, 0, steps),
      ),
    );
  });

  it("D2 blocks: whoever exceeds the limit once is out for a while", async () => {
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: 1, max: 4 }), fc.array(step, { maxLength: 40 }), (limit, steps) => {
        const penalty = { strikes: 1, strikeWindowMs: 1, blockMs: 2000, mostBlockMs: 2000 };
        return compare({ algorithm: "window", limit, windowMs: 2000, penalty }, 2000, steps);
      }),
    );
  });
});

describe("limits without their shared store", () => {
  const spec: LimitSpec = { algorithm: "window", limit: 10, windowMs: 60_000 };
  const failing = (): LimitStore & { broken: boolean } => {
    const inner = new MemoryStore(undefined, undefined, "redis");
    return {
      kind: "redis",
      broken: false,
      consume(buckets: readonly Bucket[]) {
        return this.broken ? Promise.reject(new Error("away")) : Promise.resolve(inner.consume(buckets));
      },
    };
  };
  const passed = async (store: LimitStore, bucket: Bucket, calls: number): Promise<number> => {
    const outcomes = await Promise.all(Array.from({ length: calls }, async () => store.consume([bucket])));
    return outcomes.filter(({ allowed }) => allowed).length;
  };

  it("D12 the fallback goes on from what the shared store last said", async () => {
    const shared = failing();
    const errors: string[] = [];
    const store = new FallbackStore(shared, new MemoryStore(), { failed: ({ message }) => errors.push(message) });
    const bucket = { spec, key: "known" };
    assert.equal(await passed(store, bucket, 4), 4);
    shared.broken = true;
    assert.equal(await passed(store, bucket, 100), 6, "four of ten were used");
    assert.equal(errors.length, 100);
  });

  it("D12 a policy may have a stricter limit there", async () => {
    const shared = failing();
    const store = new FallbackStore(shared, new MemoryStore(), { failed: () => undefined });
    shared.broken = true;
    assert.equal(await passed(store, { spec, key: "strict", fallbackSpec: { ...spec, limit: 5 } }, 100), 5);
    shared.broken = false;
    assert.equal(await passed(store, { spec, key: "other", fallbackSpec: { ...spec, limit: 5 } }, 100), 10);
  });

  it("D2 D12 goes on with spread limits, too, at most with the burst it has itself", async () => {
    const spread: LimitSpec = { algorithm: "smooth", limit: 20, windowMs: 3_600_000, burst: 10 };
    const bucket = { key: "spread", spec: spread, fallbackSpec: { ...spread, limit: 10, burst: 5 } };
    for (const [used, left] of [
      [0, 5],
      [4, 1],
      [9, 0],
    ] as const) {
      const shared = failing();
      const store = new FallbackStore(shared, new MemoryStore(), { failed: () => undefined });
      assert.equal(await passed(store, bucket, used), used);
      shared.broken = true;
      assert.equal(await passed(store, bucket, 100), left, `after ${used}`);
      const [state] = (await store.consume([bucket])).states;
      assert.ok(state && state.retryMs > 0 && state.retryMs <= 360_000, "nobody waits longer than for one more");
    }
  });

  it("D2 D12 what is taken back does not come again, whichever store heard of it", async () => {
    for (const away of [false, true]) {
      const shared = failing();
      const store = new FallbackStore(shared, new MemoryStore(), { failed: () => undefined });
      const bucket = { spec, key: "taken back" };
      assert.equal(await passed(store, bucket, 9), 9);
      if (away) shared.broken = true;
      await store.consume([{ ...bucket, cost: -9, force: true }]);
      shared.broken = true;
      assert.equal(await passed(store, bucket, 100), 10, String(away));
    }
  });

  it("D12 is not asked at all while it is known to be away", async () => {
    const shared = failing();
    let asked = 0;
    const counting: LimitStore = {
      kind: "redis",
      consume(buckets) {
        asked += 1;
        return shared.consume(buckets);
      },
    };
    const store = new FallbackStore(counting, new MemoryStore(), { usable: () => false, failed: () => undefined });
    assert.equal(await passed(store, { spec, key: "away" }, 20), 10);
    assert.equal(asked, 0);
    assert.equal(store.kind, "memory");
  });
});
