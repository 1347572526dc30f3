import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import path from "node:path";
import type { Stack } from "@pulumi/pulumi/automation";
import { Redis } from "ioredis";
import { containerAddress, dockerCommand } from "../support/services/container";
import { copyProject, type ProjectCopy } from "../support/project";

/** What connects the app to its services, by itself: no Postgres is needed to see how it is replaced. */
const PROGRAM = `
import * as pulumi from "@pulumi/pulumi";
import { Network } from "../components/local/network";
import { PgBouncer } from "../components/local/pgbouncer";
import { Redis } from "../components/local/redis";

export = async () => {
  const config = new pulumi.Config();
  const { networkName } = new Network("network");
  const common = (name: string) => ({ networkName, platform: "linux/amd64", contextDirectory: \`.build/\${name}/\${pulumi.getStack()}\` });
  const redis = new Redis("redis-cache", { ...common("redis"), role: "cache", maxMemoryMb: config.requireNumber("redisMb"), protect: false });
  const pgbouncer = new PgBouncer("pgbouncer", {
    ...common("pgbouncer"),
    settings: { serverHost: "nowhere", nodes: ["pg-1"], poolSize: config.requireNumber("pool") },
    users: { app: pulumi.secret(config.require("password")) },
  });
  return {
    url: redis.url,
    operatorPassword: pgbouncer.operatorPassword,
    redis: redis.nodes.container.name,
    pgbouncer: pgbouncer.nodes.container.name,
  };
};
`;

interface Outputs {
  readonly url: string;
  readonly operatorPassword: string;
  readonly redis: string;
  readonly pgbouncer: string;
}

describe("B3 A8 F2 pulumi up replaces Redis and PgBouncer", function () {
  this.timeout(400_000);
  let project: ProjectCopy;
  let stack: Stack;
  let clients: Redis[] = [];
  before(async () => {
    project = copyProject();
    writeFileSync(path.join(project.directory, "stacks/index.ts"), PROGRAM);
    stack = await project.createStack({ redisMb: "16", pool: "5", password: "first-password" });
  });
  afterEach(() => {
    for (const client of clients) client.disconnect();
    clients = [];
  });
  after(async () => {
    await stack?.destroy({ remove: true });
    project?.remove();
  });

  const outputs = async (): Promise<Outputs> =>
    Object.fromEntries(Object.entries(await stack.outputs()).map(([key, { value }]) => [key, value as string])) as unknown as Outputs;
  const up = async (config: Readonly<Record<string, string>> = {}): Promise<Readonly<Record<string, number>>> => {
    for (const [key, value] of Object.entries(config)) await stack.setConfig(`phased-stack:${key}`, { value });
    return (await stack.up()).summary.resourceChanges ?? {};
  };
  const connect = async ({ url, redis }: Outputs): Promise<Redis> => {
    const address = new URL(url);
    address.hostname = await containerAddress(redis);
    const client = new Redis(address.href, { maxRetriesPerRequest: 0 });
    client.on("error", () => undefined);
    clients.push(client);
    return client;
  };
  const running = async (service: string): Promise<number> => {
    const filters = [`label=phased-stack.stack=${stack.name}`, `label=phased-stack.service=${service}`, "status=running"];
    const printed = await dockerCommand(["ps", "--quiet", ...filters.flatMap((filter) => ["--filter", filter])]);
    return printed.split("\n").filter((line) => line !== "").length;
  };
  /** Least and most containers of a service that ran at the same time while `work` did. */
  async function counted<Result>(service: string, work: Promise<Result>): Promise<{ result: Result; least: number; most: number }> {
    let [done, least, most] = [false, Infinity, 0];
    const counting = (async () => {
      while (!done) {
        const count = await running(service);
        [least, most] = [Math.min(least, count), Math.max(most, count)];
      }
    })();
    try {
      return { result: await work, least, most };
    } finally {
      done = true;
      await counting;
    }
  }

  it("a second up changes nothing; secrets are where only their service reads them", async () => {
    await up();
    assert.deepEqual(Object.keys(await up()), ["same"]);
    const { redis, pgbouncer, operatorPassword, url } = await outputs();
    const inside = (container: string, ...command: string[]): Promise<string> => dockerCommand(["exec", container, ...command]);
    assert.equal((await inside(redis, "stat", "--format", "%a %U", "/run/secrets")).trim(), "750 redis");
    assert.equal((await inside(pgbouncer, "stat", "--format", "%a %U", "/run/secrets")).trim(), "750 bouncer");
    assert.equal((await inside(redis, "ls", "/run/secrets")).trim(), "redis.acl");
    const users = await inside(pgbouncer, "cat", "/run/secrets/pgbouncer-users");
    assert.equal(users, `"app" "first-password"\n"operator" "${operatorPassword}"\n`);
    const inspected = await dockerCommand(["inspect", redis, pgbouncer]);
    for (const secret of [operatorPassword, "first-password", new URL(url).password]) {
      assert.ok(!inspected.includes(secret), "docker inspect shows a secret");
      assert.ok(!project.rawState(stack.name).includes(secret), "the state shows a secret");
    }
  });

  it("B3 Redis with more memory is another container with the same data and password; never two at one time", async () => {
    const before = await outputs();
    const writer = await connect(before);
    await writer.set("kept", "value");
    await writer.zadd("scores", 1, "one");
    const { result: changes, most } = await counted("redis-cache", up({ redisMb: "32" }));
    assert.ok((changes["replace"] ?? 0) >= 1, JSON.stringify(changes));
    const after = await outputs();
    assert.notEqual(after.redis, before.redis);
    assert.equal(after.url, before.url);
    assert.equal(after.pgbouncer, before.pgbouncer, "nothing else was touched");
    assert.equal(most, 1);
    const reader = await connect(after);
    assert.deepEqual([await reader.get("kept"), await reader.zscore("scores", "one")], ["value", "1"]);
  });

  it("A8 PgBouncer with another pool, or another password of a user, is replaced without a moment without it", async () => {
    for (const change of [{ pool: "6" }, { password: "second-password" }]) {
      const before = await outputs();
      const { least } = await counted("pgbouncer", up(change));
      const after = await outputs();
      assert.notEqual(after.pgbouncer, before.pgbouncer);
      assert.equal(after.operatorPassword, before.operatorPassword);
      assert.equal(after.redis, before.redis, "nothing else was touched");
      assert.ok(least >= 1, JSON.stringify(change));
    }
    const { pgbouncer } = await outputs();
    assert.match(await dockerCommand(["exec", pgbouncer, "cat", "/run/secrets/pgbouncer-users"]), /"second-password"/);
    assert.match(await dockerCommand(["exec", pgbouncer, "grep", "default_pool_size", "/etc/pgbouncer/pgbouncer.ini"]), / 6$/m);
  });
});
