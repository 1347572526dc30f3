import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { isDeepStrictEqual } from "node:util";
import pino from "pino";
import { type Backplane, RedisBackplane } from "../../app/src/realtime/backplane";
import { RedisConnection } from "../../app/src/redis/client";
import { backplaneContract, type BackplaneMembers, collector } from "../app/realtime/backplane-contract";
import { openAtOnce, TestSocket, ticketOf } from "../app/realtime/support";
import { destroyInstances, startInstance, type Instance } from "../faults/support/instance";
import { eventually } from "../support/services/container";
import { type RedisService, startRedis } from "../support/services/redis";

const logger = pino({ level: process.env["TEST_LOG"] ?? "silent" });

/** The feature's promise, with the machine's own pauses left out: how long other instances may stay unheard once Redis is back. */
const BACK_WITHIN_MS = 5000;

/** Members of instances of their own, and until told otherwise of one app. */
async function redisMembers(
  redis: RedisService,
  instances: readonly string[],
  appName = randomUUID(),
): Promise<BackplaneMembers & { gaps: (() => number)[] }> {
  const connections = instances.map(
    (_, index) => new RedisConnection({ url: redis.url, name: `test-${index}`, commandTimeoutMs: 500, logger }),
  );
  await Promise.all(connections.map((connection) => connection.started()));
  const collected = instances.map(collector);
  const members: Backplane[] = connections.map(
    (connection, index) =>
      new RedisBackplane(collected[index]!.listener, { connection, instanceId: instances[index]!, appName, logger, pingMs: 500 }),
  );
  await eventually("all are connected", () => members.every((member) => member.connected()));
  return {
    members,
    received: collected.map(({ received }) => received),
    gaps: collected.map(({ gaps }) => gaps),
    close: async () => {
      await Promise.all(members.map((member) => member.close()));
      await Promise.all(connections.map((connection) => connection.close()));
    },
  };
}

describe("D7 realtime over Redis", function () {
  this.timeout(120_000);
  let redis: RedisService;
  before(async () => (redis = await startRedis({ role: "cache" })));
  after(() => redis?.remove());

  backplaneContract("redis", (count) =>
    redisMembers(
      redis,
      Array.from({ length: count }, () => randomUUID()),
    ),
  );

  it("D7 what comes from the own instance is left to the own backplane: no loops, nothing twice", async () => {
    const rig = await redisMembers(redis, ["same", "same", "other"]);
    try {
      rig.members[0]!.publish({ kind: "end-sessions", idHashes: ["x"] });
      await eventually("the other instance heard it", () => rig.received[2]!.length === 1);
      rig.members[2]!.publish({ kind: "end-sessions", idHashes: ["y"] });
      await eventually("the first two heard the other", () => rig.received[0]!.length === 1 && rig.received[1]!.length === 1);
      assert.deepEqual(rig.received[1], [{ kind: "end-sessions", idHashes: ["y"] }]);
    } finally {
      await rig.close();
    }
  });

  it("D7 what another program sends on the channel harms nobody", async () => {
    const appName = randomUUID();
    const rig = await redisMembers(redis, ["a", "b"], appName);
    try {
      const client = redis.client();
      for (const text of ["", "{", "null", "[]", '{"instance":1}', '{"instance":"z","message":{"kind":"shutdown"}}']) {
        await client.publish(`${appName}:realtime`, text);
      }
      rig.members[0]!.publish({ kind: "end-sessions", idHashes: ["x"] });
      await eventually("it still works", () => rig.received[1]!.length === 1);
    } finally {
      await rig.close();
    }
  });

  for (const [what, disturb, repair] of [
    ["killed and started again", (service: RedisService) => service.kill(), (service: RedisService) => service.start()],
    ["frozen and thawed", (service: RedisService) => service.pause(), (service: RedisService) => service.unpause()],
  ] as const) {
    it(`D7 D14 Redis ${what}: members know that they may have missed something, and hear each other again`, async () => {
      const rig = await redisMembers(redis, ["a", "b"]);
      try {
        await disturb(redis);
        await eventually("they know", () => rig.members.every((member) => !member.connected()), 30_000);
        rig.members[0]!.publish({ kind: "end-sessions", idHashes: ["meanwhile"] });
        await repair(redis);
        await eventually("they are back", () => rig.members.every((member) => member.connected()), BACK_WITHIN_MS);
        assert.ok(
          rig.gaps.every((gaps) => gaps() >= 1),
          "nobody was told of the gap",
        );
        rig.members[0]!.publish({ kind: "end-sessions", idHashes: ["after"] });
        const after = { kind: "end-sessions", idHashes: ["after"] };
        await eventually("they hear each other", () => rig.received[1]!.some((message) => isDeepStrictEqual(message, after)));
        assert.ok(rig.received[1]!.length <= 2, "nothing comes twice");
      } finally {
        await rig.close();
      }
    });
  }
});

describe("D7 D14 realtime between instances", function () {
  this.timeout(120_000);
  let redis: RedisService;
  let instances: readonly Instance[];
  let token: string;
  let directory: string;

  const post = async (instance: Instance, where: string, json: unknown): Promise<Record<string, unknown>> => {
    const answer = await fetch(`${instance.url}${where}`, {
      method: "POST",
      headers: { "Content-Type": "application/json", Connection: "close", ...(token !== "" && { Authorization: `Bearer ${token}` }) },
      body: JSON.stringify(json),
    });
    assert.ok(answer.ok, await answer.clone().text());
    return (await answer.json()) as Record<string, unknown>;
  };
  const order = (instance: Instance) => post(instance, "/api/orders", { customerName: "Customer", totalCents: 100 });

  before(async () => {
    redis = await startRedis({ role: "cache" });
    // Two instances of a host share the database file, as in phase "cluster".
    directory = mkdtempSync(path.join(tmpdir(), "phased-realtime-"));
    const environment = {
      ...{
        WORKERS: "2",
        REDIS_URL: redis.url,
        SQLITE_PATH: path.join(directory, "app.db"),
        RATE_LIMITS: "off",
        OVERLOAD_DELAY_MS: "60000",
        // On a busy machine an answer may take longer than the app waits for by default, and a ticket is then good for nobody.
        REDIS_COMMAND_TIMEOUT_MS: "2000",
      },
      REALTIME_MAX_PER_USER: "50",
    };
    instances = [await startInstance("app", environment), await startInstance("app", environment)];
    token = "";
    const account = { companyName: "Company", name: "Admin", email: `${randomUUID()}@example.org`, password: "correct horse battery" };
    token = (await post(instances[0]!, "/api/auth/signup", account))["token"] as string;
  });
  after(async () => {
    await destroyInstances();
    await redis?.remove();
    rmSync(directory, { recursive: true, force: true });
  });

  it("D7 D14 a message of one instance reaches the sockets of all, once each", async () => {
    const sockets = await Promise.all(instances.flatMap(({ url }) => [1, 2, 3, 4].map(() => TestSocket.withToken(url, token))));
    for (const instance of instances) await order(instance);
    await Promise.all(sockets.map((socket) => socket.got("order.created", 2)));
    await Promise.all(sockets.map((socket) => socket.settle()));
    for (const socket of sockets) assert.equal(socket.types().filter((type) => type === "order.created").length, 2);
    for (const socket of sockets) socket.socket.terminate();
  });

  it("D7 D14 a ticket of one instance opens one WebSocket at any of them", async () => {
    for (let round = 0; round < 4; round += 1) {
      const ticket = await ticketOf(instances[round % 2]!.url, token);
      const opened = await Promise.all(instances.map(({ url }) => openAtOnce(url, ticket, 3)));
      assert.equal(opened.flat().length, 1);
      opened.flat()[0]!.socket.terminate();
    }
    const elsewhere = await TestSocket.withTicket(instances[1]!.url, await ticketOf(instances[0]!.url, token));
    await elsewhere.settle();
    elsewhere.socket.terminate();
  });

  it("D7 D14 Redis dies: every instance hears its own; back within 5 s, all hear all, and clients are told to look again", async () => {
    const [near, far] = await Promise.all(
      instances.map(({ url }) => Promise.all([1, 2, 3, 4].map(() => TestSocket.withToken(url, token)))),
    );
    await redis.kill();
    await order(instances[0]!);
    await Promise.all(near!.map((socket) => socket.got("order.created")));
    await Promise.all(far!.map((socket) => socket.settle()));
    assert.ok(
      far!.every((socket) => !socket.types().includes("order.created")),
      "there is no way it could have come",
    );
    const ticket = await ticketOf(instances[0]!.url, token);
    const [opened, ...more] = await openAtOnce(instances[0]!.url, ticket, 3);
    assert.ok(opened !== undefined && more.length === 0, "without Redis tickets are good at their own instance, once");
    opened.socket.terminate();
    await redis.start();
    const backAt = performance.now();
    await Promise.all([...near!, ...far!].map((socket) => socket.got("resync")));
    assert.ok(performance.now() - backAt < BACK_WITHIN_MS, `${Math.round(performance.now() - backAt)} ms`);
    const { id } = await order(instances[0]!);
    const copies = ({ messages }: TestSocket): number => messages.filter((message) => JSON.stringify(message).includes(String(id))).length;
    await Promise.all([...near!, ...far!].map((socket) => eventually("the new order arrives", () => copies(socket) > 0)));
    await Promise.all([...near!, ...far!].map((socket) => socket.settle()));
    assert.ok([...near!, ...far!].every((socket) => copies(socket) === 1));
    for (const socket of [...near!, ...far!]) socket.socket.terminate();
  });

  it("D7 logging out at one instance closes the sockets at the other", async () => {
    const sockets = await Promise.all(instances.map(({ url }) => TestSocket.withToken(url, token)));
    await fetch(`${instances[0]!.url}/api/auth/logout`, { method: "POST", headers: { Authorization: `Bearer ${token}` } });
    await Promise.all(sockets.map((socket) => socket.ended()));
    assert.ok(sockets.every(({ closed }) => closed?.code === 4001));
  });
});
