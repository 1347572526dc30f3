import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import pino from "pino";
import type { Cache } from "../../app/src/cache/cache";
import { createCache } from "../../app/src/cache/config";
import { RedisFence } from "../../app/src/cache/fence";
import { createId } from "../../app/src/db/id";
import { migrate } from "../../app/src/db/migrate";
import { SqliteDatabase } from "../../app/src/db/sqlite";
import { RedisConnection } from "../../app/src/redis/client";
import { type CacheProcess, type CacheRig, describeCacheContract } from "../app/cache/cache-contract";
import { MIGRATIONS } from "../app/db/support";
import { eventually } from "../support/services/container";
import { type RedisService, startRedis } from "../support/services/redis";

const logger = pino({ level: "silent" });

/** The contract is about a Redis that answers, however busy the machine; a request of the app does not wait that long. */
const PATIENT_MS = 5000;

interface RedisProcess extends CacheProcess {
  readonly connection: RedisConnection;
  readonly fence: RedisFence;
}

interface RedisRig extends CacheRig {
  readonly processes: readonly [RedisProcess, RedisProcess];
}

/** Two processes on one SQLite file and one Redis. */
async function openRig(redis: RedisService, appName: string, commandTimeoutMs: number): Promise<RedisRig> {
  const directory = mkdtempSync(path.join(tmpdir(), "phased-cache-"));
  let now = Date.now();
  const start = async (): Promise<RedisProcess> => {
    const database = await SqliteDatabase.open({ file: path.join(directory, "app.db"), changeMarkHoldsMs: 0 });
    await migrate(database, MIGRATIONS);
    const connection = new RedisConnection({ url: redis.url, name: "cache", commandTimeoutMs, logger });
    await connection.started();
    const fence = new RedisFence({ database, connection, logger, appName, pollMs: 100 });
    await fence.started();
    const config = { maxEntries: 1000, maxMb: 8, ttlMs: 300_000, warmCompanies: 0 };
    const cache = createCache({ config, appName, appVersion: "1", database, redis: connection, fence, now: () => now, logger });
    return { cache, database, connection, fence };
  };
  const processes = [await start(), await start()] as const;
  await Promise.all(processes.map(({ fence }) => eventually("Redis is believed", () => fence.prefix() !== undefined)));
  return {
    processes,
    advance: (byMs) => (now += byMs),
    close: async () => {
      for (const { cache, fence, connection, database } of processes) {
        cache.close();
        fence.close();
        await connection.close();
        await database.close();
      }
      rmSync(directory, { recursive: true });
    },
  };
}

describe("cache on Redis", function () {
  this.timeout(120_000);
  let redis: RedisService;
  before(async () => (redis = await startRedis({ role: "cache" })));
  after(() => redis.remove());

  describeCacheContract("with Redis, two processes", true, () => openRig(redis, "contract", PATIENT_MS));

  describe("D12 faults", () => {
    let rig: RedisRig;
    before(async () => (rig = await openRig(redis, "faults", 150)));
    after(() => rig.close());

    const read = (cache: Cache, companyId: string, value: string): Promise<string> =>
      cache.getOrSet({ companyId }, "k", () => Promise.resolve(value), { tags: ["orders"] });

    /** Both processes keep an entry, Redis goes away, one of them changes what it was made from, Redis comes back. */
    async function changeWhileAway(away: () => Promise<void>, back: () => Promise<void>): Promise<void> {
      const [{ cache: one }, { cache: two }] = rig.processes;
      const companyId = createId();
      for (const cache of [one, two]) assert.equal(await read(cache, companyId, "before"), "before");
      await away();
      try {
        await one.invalidateNamespace(companyId, "orders");
        for (const cache of [one, two]) {
          assert.equal(await read(cache, companyId, "during"), "during", "by the database's generations");
          assert.equal(await read(cache, companyId, "not asked"), "during", "kept in memory meanwhile");
        }
      } finally {
        await back();
      }
      await Promise.all(rig.processes.map(({ fence }) => eventually("Redis is believed again", () => fence.prefix() !== undefined)));
      for (const cache of [one, two])
        assert.notEqual(await read(cache, companyId, "after"), "before", "what Redis still held is out of reach");
      const later = createId();
      assert.equal(await read(one, later, "kept"), "kept");
      assert.equal(await read(two, later, "not asked"), "kept", "shared again");
    }

    it("stopped and started: nothing changed meanwhile comes back", () =>
      changeWhileAway(
        () => redis.stop(),
        () => redis.start(),
      ));

    it("killed and started, which may lose its last second: nothing comes back", () =>
      changeWhileAway(
        () => redis.kill(),
        () => redis.start(),
      ));

    it("frozen: callers go on after the command timeout, and nothing comes back after the thaw", () =>
      changeWhileAway(
        () => redis.pause(),
        () => redis.unpause(),
      ));

    it("one process cut off: the other learns of its change from the database", async () => {
      const [cutOff, other] = rig.processes;
      const companyId = createId();
      assert.equal(await read(other.cache, companyId, "before"), "before");
      cutOff.connection.redis.disconnect();
      await eventually("cut off", () => !cutOff.connection.available());
      await cutOff.cache.invalidateNamespace(companyId, "orders");
      await eventually("the epoch is known to the other", async () => (await read(other.cache, companyId, "after")) === "after");
      await cutOff.connection.redis.connect();
      await eventually("Redis is believed again", () => cutOff.fence.prefix() !== undefined);
      // Shared again or made anew, if the other kept its answer before it was told the epoch; only never the old one.
      assert.notEqual(await read(cutOff.cache, companyId, "anew"), "before");
    });

    it("what others write into Redis is no answer and ends nothing", async () => {
      const [{ cache: one, fence }] = rig.processes;
      const companyId = createId();
      const client = redis.client();
      await client.publish("faults:cache-pattern", "not JSON");
      await client.publish("faults:cache-pattern", "null");
      await client.set(`${fence.prefix() ?? ""}cache:${companyId}:k@1`, "not ours");
      assert.equal(await read(one, companyId, "made"), "made");
    });

    it("data lost by an eviction or FLUSHALL is made anew, never taken for fresh", async () => {
      const [{ cache: one }, { cache: two }] = rig.processes;
      const companyId = createId();
      await read(one, companyId, "before");
      const client = redis.client();
      let cursor = "0";
      do {
        const [next, keys] = await client.scan(cursor, "MATCH", "faults:*generations*");
        if (keys.length > 0) await client.del(...keys);
        cursor = next;
      } while (cursor !== "0");
      assert.equal(await read(two, companyId, "after"), "after");
      assert.equal(await read(one, companyId, "not asked"), "after");
    });
  });
});
