import assert from "node:assert/strict";
import fc from "fast-check";
import pino from "pino";
import type { Cache } from "../../../app/src/cache/cache";
import { createCache } from "../../../app/src/cache/config";
import type { Database } from "../../../app/src/db/database";
import { createId } from "../../../app/src/db/id";
import { companies } from "../../../app/src/db/tables";
import { TenantScope } from "../../../app/src/db/tenant";
import { HttpProblem } from "../../../app/src/http/problem";
import { eventually } from "../../support/services/container";

/** One process of the app, as far as the cache is concerned. */
export interface CacheProcess {
  readonly cache: Cache;
  readonly database: Database;
}

/** Two processes on the same database, and on the same Redis where there is one. */
export interface CacheRig {
  readonly processes: readonly [CacheProcess, CacheProcess];
  /** Moves the clock that both go by, milliseconds. */
  advance(byMs: number): void;
  readonly close: () => Promise<void>;
}

const TTL_MS = 300_000;

/** Two processes on one database and without Redis. @param open a connection to a database whose schema is up to date. */
export async function memoryOnlyRig(open: () => Promise<Database>): Promise<CacheRig> {
  const logger = pino({ level: "silent" });
  let now = Date.now();
  const start = async (): Promise<CacheProcess> => {
    const database = await open();
    const config = { maxEntries: 1000, maxMb: 8, ttlMs: TTL_MS, warmCompanies: 0 };
    const cache = createCache({
      config,
      appName: "test",
      appVersion: "1",
      database,
      redis: undefined,
      fence: undefined,
      now: () => now,
      logger,
    });
    return { cache, database };
  };
  const processes = [await start(), await start()] as const;
  return {
    processes,
    advance: (byMs) => (now += byMs),
    close: async () => {
      for (const { cache, database } of processes) {
        cache.close();
        await database.close();
      }
    },
  };
}

/**
 * What a {@link Cache} promises with any make-up; run it against each.
 * @param shares whether one process finds what another one kept.
 */
export function describeCacheContract(name: string, shares: boolean, open: () => Promise<CacheRig>): void {
  describe(`cache contract: ${name}`, () => {
    let rig: CacheRig;
    let cache: Cache;
    let other: Cache;
    before(async () => {
      rig = await open();
      [cache, other] = [rig.processes[0].cache, rig.processes[1].cache];
    });
    after(() => rig.close());

    /** A company with a name. */
    async function company(): Promise<{ readonly companyId: string }> {
      const companyId = createId();
      const now = "2026-11-21T00:00:00.000Z";
      await new TenantScope(rig.processes[0].database, companyId)
        .table(companies)
        .insert({ id: companyId, name: "first", plan: "FREE", lastOrderNumber: 0, createdAt: now, updatedAt: now });
      return { companyId };
    }
    const rename = ({ database }: CacheProcess, companyId: string, text: string): Promise<boolean> =>
      new TenantScope(database, companyId).table(companies).update(companyId, { name: text });
    const readName = ({ database, cache: own }: CacheProcess, companyId: string): Promise<string | undefined> =>
      own.getOrSet({ companyId }, "name", async () => (await new TenantScope(database, companyId).table(companies).find(companyId))?.name, {
        tags: ["companies"],
      });
    /** A loader that counts. */
    function loader(): { load: () => Promise<{ readonly loads: number }>; readonly count: () => number } {
      let loads = 0;
      return { load: () => Promise.resolve({ loads: ++loads }), count: () => loads };
    }

    it("C5, E2 makes a value once and keeps it; every caller gets a value of their own", async () => {
      const scope = await company();
      const { load, count } = loader();
      const first = await cache.getOrSet(scope, "k", load);
      const second = await cache.getOrSet(scope, "k", load);
      assert.deepEqual([first, second, count()], [{ loads: 1 }, { loads: 1 }, 1]);
      assert.notEqual(first, second);
      await other.getOrSet(scope, "k", load);
      assert.equal(count(), shares ? 1 : 2);
    });

    it("E2 keeps companies apart, also when their keys are built to look like another's", async () => {
      const [one, two] = [await company(), await company()];
      const keys = ["k", `${two.companyId}:k`, "*", "x".repeat(1000)];
      for (const key of keys) {
        assert.equal(await cache.getOrSet(one, key, () => Promise.resolve(`one ${key}`)), `one ${key}`);
        assert.equal(await cache.getOrSet(two, key, () => Promise.resolve(`two ${key}`)), `two ${key}`);
        assert.equal(await cache.getOrSet(one, key, () => Promise.reject(new Error("not kept"))), `one ${key}`);
      }
    });

    it("E2 makes a value once, however many ask at the same time", async () => {
      const scope = await company();
      const { load, count } = loader();
      const slow = async () => {
        const value = await load();
        await new Promise((resolve) => setTimeout(resolve, 20));
        return value;
      };
      const askers = shares ? [cache, other] : [cache];
      await Promise.all(askers.flatMap((asked) => Array.from({ length: 100 }, () => asked.getOrSet(scope, "busy", slow))));
      assert.equal(count(), 1);
    });

    it("E2 is never behind a change that was answered, whichever process made it (property)", async function () {
      this.timeout(60_000);
      const step = fc.record({ process: fc.nat(1), text: fc.option(fc.string({ minLength: 1, maxLength: 5, unit: "grapheme-ascii" })) });
      await fc.assert(
        fc.asyncProperty(fc.array(step, { minLength: 2, maxLength: 12 }), async (steps) => {
          const { companyId } = await company();
          let expected = "first";
          for (const { process, text } of steps) {
            const where = rig.processes[process === 0 ? 0 : 1];
            if (text === null) assert.equal(await readName(where, companyId), expected);
            else {
              await rename(where, companyId, text);
              expected = text;
            }
          }
          for (const where of rig.processes) assert.equal(await readName(where, companyId), expected);
        }),
        { numRuns: 60 },
      );
    });

    it("E2 does not keep what a change overtook while it was being made, and hands it to no later question", async () => {
      const { companyId } = await company();
      let proceed!: () => void;
      const held = new Promise<void>((resolve) => (proceed = resolve));
      let entered!: () => void;
      const inside = new Promise<void>((resolve) => (entered = resolve));
      const old = cache.getOrSet(
        { companyId },
        "slow",
        async () => {
          entered();
          await held;
          return "before";
        },
        { tags: ["companies"] },
      );
      await inside;
      await rename(rig.processes[1], companyId, "second");
      assert.equal(await cache.getOrSet({ companyId }, "slow", () => Promise.resolve("after"), { tags: ["companies"] }), "after");
      proceed();
      assert.equal(await old, "before");
      assert.equal(await cache.getOrSet({ companyId }, "slow", () => Promise.resolve("later"), { tags: ["companies"] }), "after");
    });

    it("D6, E2 forgets by company, namespace, user and object in every process, and nothing else", async () => {
      const [scope, bystander] = [await company(), await company()];
      const ways: [tags: string[], invalidate: () => Promise<void>][] = [
        [["dashboard"], () => other.invalidateNamespace(scope.companyId, "dashboard")],
        [["user:7"], () => other.invalidateUser(scope.companyId, "7")],
        [["filing:9"], () => other.invalidateTag(scope.companyId, "filing:9")],
        [[], () => other.invalidateCompany(scope.companyId)],
      ];
      for (const [index, [tags, invalidate]] of ways.entries()) {
        const key = `way ${index}`;
        const { load, count } = loader();
        const untouched = loader();
        const ask = (): Promise<unknown> => cache.getOrSet(scope, key, load, { tags });
        const askOther = (): Promise<unknown> => cache.getOrSet(bystander, key, untouched.load, { tags });
        await Promise.all([ask(), askOther()]);
        await invalidate();
        await Promise.all([ask(), askOther(), other.getOrSet(bystander, key, untouched.load, { tags })]);
        assert.equal(count(), 2, key);
        assert.equal(untouched.count(), shares ? 1 : 2, key);
      }
      const kept = loader();
      await cache.getOrSet(scope, "kept", kept.load, { tags: ["orders"] });
      await other.invalidateNamespace(scope.companyId, "dashboard");
      await cache.getOrSet(scope, "kept", kept.load, { tags: ["orders"] });
      assert.equal(kept.count(), 1);
    });

    it("D6 forgets by pattern, in every process", async () => {
      const [scope, bystander] = [await company(), await company()];
      const { load, count } = loader();
      for (const key of ["report:1", "report:2", "other"]) {
        for (const asked of [cache, other]) for (const whose of [scope, bystander]) await asked.getOrSet(whose, key, load);
      }
      const before = count();
      await cache.invalidatePattern(scope.companyId, "report:*");
      for (const key of ["report:1", "report:2"]) {
        await eventually(`${key} is forgotten`, async () => {
          const value = await other.getOrSet<{ loads: number }>(scope, key, load);
          return value.loads > before;
        });
        assert.ok((await cache.getOrSet<{ loads: number }>(scope, key, load)).loads > before);
        assert.ok((await cache.getOrSet<{ loads: number }>(bystander, key, load)).loads <= before);
      }
    });

    it("B6 keeps for five minutes, up to a tenth less, and then makes anew", async () => {
      const scope = await company();
      const { load, count } = loader();
      await cache.getOrSet(scope, "timed", load);
      rig.advance(TTL_MS * 0.9 - 1000);
      await cache.getOrSet(scope, "timed", load);
      assert.equal(count(), 1);
      rig.advance(TTL_MS * 0.1 + 1001);
      await cache.getOrSet(scope, "timed", load);
      assert.equal(count(), 2);
      await cache.getOrSet(scope, "short", load, { ttlMs: 1000 });
      rig.advance(1001);
      await cache.getOrSet(scope, "short", load, { ttlMs: 1000 });
      assert.equal(count(), 4);
    });

    it("serves an old value when making a new one fails, but no refusal, nothing changed and nothing too old", async () => {
      const scope = await company();
      const options = { tags: ["companies"] };
      await cache.getOrSet(scope, "old", () => Promise.resolve("old"), options);
      rig.advance(TTL_MS + 1);
      const failing = (): Promise<never> => Promise.reject(new Error("the database is away"));
      assert.equal(await cache.getOrSet(scope, "old", failing, options), "old");
      const refused = (): Promise<never> => Promise.reject(new HttpProblem("not-found", "gone"));
      await assert.rejects(cache.getOrSet(scope, "old", refused, options), /gone/);
      await rename(rig.processes[1], scope.companyId, "changed");
      await assert.rejects(cache.getOrSet(scope, "old", failing, options), /database is away/);
      await cache.getOrSet(scope, "old", () => Promise.resolve("newer"), options);
      rig.advance(TTL_MS + 600_001);
      await assert.rejects(cache.getOrSet(scope, "old", failing, options), /database is away/);
    });

    it("E2 counts by company and in total", async () => {
      const scope = await company();
      const total = cache.stats();
      const { load } = loader();
      for (let index = 0; index < 4; index++) await cache.getOrSet(scope, "counted", load);
      assert.deepEqual(cache.companyStats(scope.companyId), { hits: 3, sharedHits: 0, misses: 1, stale: 0, hitRate: 0.75 });
      const now = cache.stats();
      assert.deepEqual([now.hits - total.hits, now.misses - total.misses], [3, 1]);
      assert.ok(now.size > 0 && now.bytes > 0 && now.maxSize === 1000);
    });

    it("an error of the maker reaches every caller and is not kept", async () => {
      const scope = await company();
      const failing = (): Promise<never> => Promise.reject(new Error("broken"));
      const asked = await Promise.allSettled([1, 2, 3].map(() => cache.getOrSet(scope, "failing", failing)));
      assert.ok(asked.every(({ status }) => status === "rejected"));
      assert.equal(await cache.getOrSet(scope, "failing", () => Promise.resolve("fine")), "fine");
    });
  });
}
