import assert from "node:assert/strict";
import pino from "pino";
import { RedisConnection, RedisUnavailableError } from "../../app/src/redis/client";
import { eventually } from "../support/services/container";
import { type Proxy, startProxy } from "../support/services/proxy";
import { type RedisService, startRedis } from "../support/services/redis";

/** What calls wait at most: long enough for a busy test machine, shorter than the slowness that is tried. */
const TIMEOUT_MS = 400;

/** Feature D1: used again that soon after it is back. */
const BACK_WITHIN_MS = 5000;

describe("Redis and the app's connection to it", () => {
  let server: RedisService;
  let proxy: Proxy;
  let connection: RedisConnection;

  before(async () => {
    server = await startRedis({ role: "cache" });
  });
  after(() => server?.remove());
  beforeEach(async () => {
    proxy = await startProxy("127.0.0.1", server.port);
    const url = server.url.replace(/:\d+$/, `:${proxy.port}`);
    connection = new RedisConnection({ url, name: "test", commandTimeoutMs: TIMEOUT_MS, logger: pino({ level: "silent" }) });
    await eventually("connected", () => connection.available());
  });
  afterEach(async () => {
    await connection.close();
    await proxy.close();
  });

  const ask = (): Promise<string> => connection.call((redis) => redis.ping());

  /** Calls until the circuit is open, and says how long the slowest of them took. */
  async function callUntilOpen(): Promise<number> {
    let slowest = 0;
    await eventually("the circuit opens", async () => {
      const begun = performance.now();
      const failure = await ask().then(
        () => undefined,
        (error: unknown) => error,
      );
      slowest = Math.max(slowest, performance.now() - begun);
      assert.ok(failure === undefined || failure instanceof RedisUnavailableError, String(failure));
      return !connection.available();
    });
    return slowest;
  }

  /** While it is away a call fails in the same turn of the event loop, not after a wait. */
  async function refusesAtOnce(): Promise<void> {
    let turned = false;
    setImmediate(() => (turned = true));
    await assert.rejects(ask(), RedisUnavailableError);
    assert.equal(turned, false);
    assert.equal(connection.status().state, "down");
    assert.ok(connection.status().lastError);
  }

  it("B3 D1 serves the app with its own user, and nothing that could harm others", async () => {
    assert.equal(await ask(), "PONG");
    await eventually("its latency is known", () => connection.status().latencyMs !== undefined);
    assert.equal(connection.status().state, "up");
    for (const command of [["FLUSHALL"], ["CONFIG", "GET", "*"], ["KEYS", "*"], ["SHUTDOWN"], ["DEBUG", "SLEEP", "0"], ["ACL", "LIST"]]) {
      const [name = "", ...parameters] = command;
      await assert.rejects(
        connection.call((redis) => redis.call(name, ...parameters)),
        /NOPERM|ERR DEBUG/,
        name,
      );
    }
    assert.ok(connection.available(), "a refused command is no outage");
    const anonymous = server.client().duplicate({ username: "", password: "", lazyConnect: true, retryStrategy: () => null });
    anonymous.on("error", () => undefined);
    await assert.rejects(
      anonymous.connect().then(() => anonymous.ping()),
      /NOAUTH|WRONGPASS|closed/,
    );
    anonymous.disconnect();
  });

  it("D1 D12 stopped in its tracks: calls fail after their deadline, then at once; back soon after it goes on", async () => {
    await server.pause();
    try {
      const slowest = await callUntilOpen();
      assert.ok(slowest >= TIMEOUT_MS - 5, `${slowest} ms`);
      await refusesAtOnce();
    } finally {
      await server.unpause();
    }
    await eventually("back", () => connection.available(), BACK_WITHIN_MS);
    assert.equal(await ask(), "PONG");
  });

  it("D1 D12 half a second slow: treated as away, until it is quick again", async () => {
    proxy.delay(250);
    await callUntilOpen();
    await refusesAtOnce();
    proxy.delay(0);
    await eventually("back", () => connection.available(), BACK_WITHIN_MS);
  });

  it("D1 D12 refused: known at once, connected again when it is there", async () => {
    let announced = 0;
    connection.onAvailable(() => (announced += 1));
    await proxy.refuse();
    await eventually("noticed", () => !connection.available());
    await refusesAtOnce();
    await proxy.accept();
    await eventually("back", () => connection.available(), BACK_WITHIN_MS);
    assert.equal(announced, 1);
  });

  it("D1 D14 killed and started again: what was acknowledged more than a second ago is still there", async () => {
    const client = server.client();
    await client.set("kept", "yes");
    await eventually("it is on disk", async () => /aof_pending_bio_fsync:0/.test(await client.info("persistence")), 5000, 1100);
    await server.kill();
    await eventually("noticed", () => !connection.available());
    await server.start();
    await eventually("back", () => connection.available(), BACK_WITHIN_MS);
    assert.equal(await client.get("kept"), "yes");
  });

  it("D12 a server that is not there from the start is found when it comes", async () => {
    const later = await startProxy("127.0.0.1", server.port);
    await later.refuse();
    const url = server.url.replace(/:\d+$/, `:${later.port}`);
    const patient = new RedisConnection({ url, name: "later", commandTimeoutMs: TIMEOUT_MS, logger: pino({ level: "silent" }) });
    try {
      await patient.started();
      assert.equal(patient.available(), false);
      await assert.rejects(
        patient.call((redis) => redis.ping()),
        RedisUnavailableError,
      );
      await later.accept();
      await eventually("found", () => patient.available(), BACK_WITHIN_MS);
    } finally {
      await patient.close();
      await later.close();
    }
  });

  it("D1 a duplicate for pub/sub finds its subscriptions again after a restart", async () => {
    const subscriber = connection.duplicate();
    const received: string[] = [];
    subscriber.on("message", (_channel, message: string) => received.push(message));
    await subscriber.subscribe("news");
    await proxy.refuse();
    await proxy.accept();
    await eventually("back", () => connection.available(), BACK_WITHIN_MS);
    await eventually("a message arrives", async () => {
      await connection.call((redis) => redis.publish("news", "again"));
      return received.includes("again");
    });
  });
});
