import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import pino from "pino";
import type { Cache } from "../../app/src/cache/cache";
import { createCache } from "../../app/src/cache/config";
import { RedisFence, type RedisSite } from "../../app/src/cache/fence";
import { createId } from "../../app/src/db/id";
import { migrate } from "../../app/src/db/migrate";
import { SqliteDatabase } from "../../app/src/db/sqlite";
import { RedisConnection } from "../../app/src/redis/client";
import { RedisSessions } from "../../app/src/session/redis-sessions";
import type { SharedSession } from "../../app/src/session/session-store";
import { MIGRATIONS } from "../app/db/support";
import { eventually } from "../support/services/container";
import { type RedisService, startRedis } from "../support/services/redis";

const logger = pino({ level: "silent" });

/** A tenth of what the app goes by, and less. */
const POLL_MS = 50;
const BEAT_MS = 200;
const SILENCE_MS = 2000;

interface Site {
  readonly cache: Cache;
  readonly fence: RedisFence;
  readonly sessions: RedisSessions;
  readonly redis: RedisConnection;
  end(): Promise<void>;
}

describe("A16 two regions on one database, each with a Redis of its own", function () {
  this.timeout(120_000);
  let servers: Readonly<Record<RedisSite, RedisService>>;
  let directory: string;
  const open = new Set<Site>();

  before(async () => {
    const [active, standby] = await Promise.all([startRedis({ role: "cache" }), startRedis({ role: "cache" })]);
    servers = { active, standby };
  });
  after(() => Promise.all(Object.values(servers).map((server) => server.remove())));
  beforeEach(() => (directory = mkdtempSync(path.join(tmpdir(), "phased-sites-"))));
  afterEach(async () => {
    await Promise.all([...open].map((site) => site.end()));
    rmSync(directory, { recursive: true });
  });

  /** A process of a region. */
  async function start(site: RedisSite): Promise<Site> {
    const database = await SqliteDatabase.open({ file: path.join(directory, "app.db"), changeMarkHoldsMs: 0 });
    await migrate(database, MIGRATIONS);
    const redis = new RedisConnection({ url: servers[site].url, name: "cache", commandTimeoutMs: 5000, logger });
    await redis.started();
    const appName = path.basename(directory);
    const timing = { pollMs: POLL_MS, beatMs: BEAT_MS, silenceMs: SILENCE_MS };
    const fence = new RedisFence({ database, connection: redis, logger, appName, site, ...timing });
    await fence.started();
    const config = { maxEntries: 1000, maxMb: 8, ttlMs: 300_000, warmCompanies: 0 };
    const cache = createCache({ config, appName, appVersion: "1", database, redis, fence, now: Date.now, logger });
    const started: Site = {
      ...{ cache, fence, redis, sessions: new RedisSessions(redis, fence, logger) },
      async end() {
        open.delete(started);
        cache.close();
        fence.close();
        await redis.close();
        await database.close();
      },
    };
    open.add(started);
    return started;
  }

  const believes = ({ fence }: Site): boolean => fence.prefix() !== undefined;
  const read = (site: Site, companyId: string, value: string): Promise<string> =>
    site.cache.getOrSet({ companyId }, "k", () => Promise.resolve(value), { tags: ["orders"] });

  it("A16 one Redis is believed, that of the active region; a change in either is seen by both", async () => {
    const standby = await start("standby");
    const active = await start("active");
    assert.ok(believes(active), "at once");
    await eventually("the other one knows", () => standby.fence.standsBy());
    const companyId = createId();
    assert.deepEqual([await read(active, companyId, "one"), await read(standby, companyId, "two")], ["one", "two"]);
    await active.cache.invalidateNamespace(companyId, "orders");
    assert.deepEqual([await read(standby, companyId, "three"), await read(active, companyId, "four")], ["three", "four"]);
    const epoch = active.fence.prefix();
    await standby.cache.invalidateNamespace(companyId, "orders");
    assert.equal(await read(standby, companyId, "five"), "five");
    await eventually("the active one goes by a new epoch", () => believes(active) && active.fence.prefix() !== epoch);
    assert.equal(await read(active, companyId, "six"), "six");
    // As long as it is heard of, nobody steps in.
    await new Promise((resolve) => setTimeout(resolve, 2 * SILENCE_MS));
    assert.deepEqual([believes(active), believes(standby)], [true, false]);
  });

  it("A16 when the active region falls silent the other one steps in, gives way when it is back, and never brings anything back", async () => {
    const [standby, second] = [await start("standby"), await start("standby")];
    const first = await start("active");
    const companyId = createId();
    const session: SharedSession = {
      ...{ companyId, userId: createId(), role: "admin", platformAdmin: false, plan: "free" },
      ...{ expiresAt: new Date(Date.now() + 3_600_000).toISOString(), checkedAt: Date.now() },
    };
    await first.end();
    await eventually("both processes of the other region believe theirs", () => believes(standby) && believes(second));
    assert.equal(standby.fence.prefix(), second.fence.prefix());
    assert.equal(await read(standby, companyId, "before"), "before");
    assert.equal(await read(second, companyId, "not asked"), "before", "shared by Redis");
    await standby.sessions.write("hash", session);
    assert.deepEqual(await second.sessions.read("hash"), session);

    const back = await start("active");
    assert.ok(believes(back), "at once");
    await eventually("the other region gives way", () => !believes(standby) && !believes(second));
    await back.sessions.revoke(["hash"]);
    await back.cache.invalidateNamespace(companyId, "orders");
    assert.equal(await read(back, companyId, "after"), "after");
    assert.equal(await read(standby, companyId, "after, too"), "after, too");

    await back.end();
    await eventually("the other region steps in again", () => believes(standby) && believes(second));
    assert.equal(await second.sessions.read("hash"), undefined, "its Redis still has the session under the former epoch");
    assert.notEqual(await read(second, companyId, "later"), "before");
  });

  it("A16 an active region whose Redis is away, or another one, takes its turn back by itself", async () => {
    const standby = await start("standby");
    const active = await start("active");
    await servers.active.stop();
    try {
      await eventually("the other one steps in", () => believes(standby));
    } finally {
      await servers.active.start();
    }
    await eventually("back", () => believes(active) && !believes(standby));
  });
});
