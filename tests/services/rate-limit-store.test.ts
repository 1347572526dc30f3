import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import pino from "pino";
import { RedisStore } from "../../app/src/rate-limit/redis-store";
import type { LimitSpec } from "../../app/src/rate-limit/types";
import { RedisConnection } from "../../app/src/redis/client";
import { limitStoreContract } from "../app/rate-limit/store-contract";
import { type RedisService, startRedis } from "../support/services/redis";

/** A wait that a busy test machine does not exceed: these tests are about counting, not about slowness. */
const PATIENT_MS = 10_000;

describe("limits in Redis", () => {
  let server: RedisService;
  let connection: RedisConnection;
  let store: RedisStore;
  const connect = async (): Promise<RedisConnection> => {
    const made = new RedisConnection({ url: server.url, name: "limits", commandTimeoutMs: PATIENT_MS, logger: pino({ level: "silent" }) });
    await made.started();
    return made;
  };

  before(async () => {
    server = await startRedis();
    connection = await connect();
    store = new RedisStore(connection);
  });
  after(async () => {
    await connection?.close();
    await server?.remove();
  });

  limitStoreContract(() => store);

  it("F4 one command a request, whatever the number of its buckets", async () => {
    const client = server.client();
    const calls = async (): Promise<Record<string, number>> => {
      const info = await client.info("commandstats");
      return Object.fromEntries([...info.matchAll(/cmdstat_(\w+):calls=(\d+)/g)].map(([, name, count]) => [String(name), Number(count)]));
    };
    const spec: LimitSpec = { algorithm: "window", limit: 1000, windowMs: 60_000 };
    const before = await calls();
    for (let request = 0; request < 50; request += 1) {
      await store.consume([1, 2, 3, 4, 5].map((number) => ({ spec, key: `round:${request}:${number}` })));
    }
    const after = await calls();
    assert.equal((after["evalsha"] ?? 0) - (before["evalsha"] ?? 0), 50);
  });

  it("F4 three clients share a limit exactly", async () => {
    const clients = await Promise.all([connect(), connect(), connect()]);
    try {
      const bucket = { spec: { algorithm: "window", limit: 100, windowMs: 60_000 } as const, key: `shared:${randomUUID()}` };
      const stores = clients.map((client) => new RedisStore(client));
      const outcomes = await Promise.all(
        Array.from({ length: 1000 }, (_, request) => (stores[request % stores.length] ?? store).consume([bucket])),
      );
      assert.equal(outcomes.filter(({ allowed }) => allowed).length, 100);
    } finally {
      for (const client of clients) await client.close();
    }
  });

  it("leaves nothing behind: every count ends by itself", async () => {
    const client = server.client();
    const key = `ends:${randomUUID()}`;
    await store.consume([{ spec: { algorithm: "window", limit: 5, windowMs: 60_000 }, key }]);
    const left = await client.pttl(`{limits}:${key}`);
    assert.ok(left > 50_000 && left <= 60_010, String(left));
  });

  it("a restarted server, which has forgotten the script, is taught it again and keeps the counts", async () => {
    const bucket = { spec: { algorithm: "window", limit: 3, windowMs: 600_000 } as const, key: `kept:${randomUUID()}` };
    await store.consume([bucket]);
    await store.consume([bucket]);
    await server.stop();
    const back = new Promise<void>((resolve) => connection.onAvailable(resolve));
    await server.start();
    await back;
    assert.equal((await store.consume([bucket])).allowed, true);
    assert.equal((await store.consume([bucket])).allowed, false, "the append-only file has the first two");
  });
});
