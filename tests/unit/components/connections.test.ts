import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import * as pulumi from "@pulumi/pulumi";
import type { BackingServices } from "../../../components/contract";
import { App, type AppArgs } from "../../../components/local/app";
import { appEnvironment, CONTRACT_VARIABLES } from "../../../components/local/app/environment";
import { PgBouncer, type PgBouncerArgs } from "../../../components/local/pgbouncer";
import { Redis, type RedisArgs, redisContainerMb } from "../../../components/local/redis";
import { SecretFiles } from "../../../components/local/secret-files";
import { canary, isMarkedSecret, Recorder, settled, valueOf } from "../../support/pulumi-mocks";

const databaseServices = {
  database: {
    kind: "postgres",
    primary: { host: "pgbouncer", port: 6432 },
    readers: [
      { host: "pgbouncer", port: 6432, database: "app_pg-1" },
      { host: "pgbouncer", port: 6432, database: "app_pg-2" },
    ],
    database: "app",
    user: "app",
    password: { path: "/run/secrets/database_password" },
    directUrl: { path: "/run/secrets/database_direct_url" },
  },
  redis: { cache: { path: "/run/secrets/redis_url" }, limits: { path: "/run/secrets/redis_limits_url" } },
  sessionSecret: { path: "/run/secrets/session_secret" },
  adminToken: { path: "/run/secrets/admin_token" },
} satisfies BackingServices;

describe("what connects the app to its services", () => {
  let recorder: Recorder;
  let directory: string;

  beforeEach(async () => {
    recorder = await Recorder.install();
    directory = mkdtempSync(path.join(tmpdir(), "phased-connection-"));
  });

  afterEach(() => rmSync(directory, { recursive: true, force: true }));

  /** Name and content of every file that the writer of a SecretFiles carries. */
  const filesOf = (writer: string): [string, string][] =>
    (recorder.get(writer).inputs["uploads"] as { file: string; content: string }[]).map(({ file, content }) => [file, content]);

  describe("SecretFiles", () => {
    it("puts files together of what it generated and of other secrets; nothing of it is in plain", async () => {
      const secrets = new SecretFiles("sec", {
        generate: ["password", "token"],
        withoutFile: ["password"],
        render: ({ password }) => ({
          "redis.acl": pulumi.interpolate`user ${password}`,
          "direct-url": pulumi.secret("canary-given"),
          plain: "canary-plain",
        }),
        image: "any:1",
      });
      await settled();
      assert.deepEqual(filesOf("sec-writer"), [
        ["/run/secrets/direct-url", "canary-given"],
        ["/run/secrets/plain", "canary-plain"],
        ["/run/secrets/redis.acl", `user ${canary("sec-password")}`],
        ["/run/secrets/token", canary("sec-token")],
      ]);
      assert.equal(secrets.files["redis.acl"].path, "/run/secrets/redis.acl");
      assert.ok(!("password" in secrets.files));
      for (const value of Object.values(secrets.values)) assert.equal(await isMarkedSecret(value), true);
      assert.equal(await valueOf(secrets.values["redis.acl"]), `user ${canary("sec-password")}`);
      for (const resource of recorder.resources) assert.ok(!resource.plain.includes("canary"), `${resource.name} shows a secret`);
      assert.ok(recorder.get("sec-writer").secrets.includes("canary-plain"));
      assert.deepEqual(recorder.get("sec-writer").ignoreChanges, ["image"], "another content is another writer, and so another revision");
    });

    it("refuses names that would lead out of the directory, or be there twice", () => {
      for (const name of ["../x", "a/b", "", "A", ".x", "a..b", "a\n"]) {
        const render = (): Record<string, string> => ({ [name]: "x" });
        assert.throws(
          () => new SecretFiles(`sec-${JSON.stringify(name)}`, { generate: [], render, image: "any:1" }),
          /not usable as file names/,
        );
      }
      assert.throws(
        () => new SecretFiles("sec", { generate: ["a"], render: () => ({ a: "x" }), image: "any:1" }),
        /sec: both generated and rendered: a; give them different names/,
      );
    });
  });

  describe("A8 PgBouncer", () => {
    const args = (change: Partial<PgBouncerArgs> = {}): PgBouncerArgs => ({
      settings: { serverHost: "postgres-proxy", serverPort: 5000, nodes: ["pg-1", "pg-2"] },
      users: { app: pulumi.secret("canary-app"), monitor: pulumi.secret("canary-monitor") },
      networkName: "net-1",
      platform: "linux/amd64",
      contextDirectory: path.join(directory, "pgbouncer"),
      ...change,
    });

    it("is replaced beside the old one, has its users in a file of its own, and publishes nothing", async () => {
      const pgbouncer = new PgBouncer("pgbouncer", args({ cpus: 0.5 }));
      await settled();
      const { inputs, deleteBeforeReplace } = recorder.get("pgbouncer-container");
      assert.equal(deleteBeforeReplace, false);
      assert.deepEqual(
        [inputs["ports"], inputs["wait"], inputs["readOnly"], inputs["memory"], inputs["cpus"]],
        [undefined, true, true, 128, "0.5"],
      );
      assert.deepEqual(inputs["networksAdvanced"], [{ name: "net-1", aliases: ["pgbouncer"] }]);
      assert.deepEqual(inputs["volumes"], [
        { volumeName: "pgbouncer-secrets-volume-1a2b3c4", containerPath: "/run/secrets", readOnly: true },
      ]);
      assert.ok(JSON.stringify(inputs["labels"]).includes("pgbouncer-secrets-writer-id"), "other users replace it");
      assert.deepEqual(filesOf("pgbouncer-secrets-writer"), [
        [
          "/run/secrets/pgbouncer-users",
          `"app" "canary-app"\n"monitor" "canary-monitor"\n"operator" "${canary("pgbouncer-secrets-operator-password")}"\n`,
        ],
      ]);
      assert.equal(await isMarkedSecret(pgbouncer.operatorPassword), true);
      assert.equal(await valueOf(pgbouncer.operatorPassword), canary("pgbouncer-secrets-operator-password"));
      for (const resource of recorder.resources) assert.ok(!resource.plain.includes("canary"), `${resource.name} shows a secret`);
    });

    it("F2 goes to a proxy on its host by sockets, which it may not change, and is made when that runs", async () => {
      const container = new pulumi.ComponentResource("test:Proxy", "proxy");
      const sockets = { volumeName: "sockets-1", containerPath: "/run/postgres-proxy", readOnly: true };
      new PgBouncer("pgbouncer", args({ server: { sockets, container } }));
      await settled();
      const { inputs } = recorder.get("pgbouncer-container");
      assert.deepEqual((inputs["volumes"] as readonly unknown[])[1], sockets);
    });

    it("C7 gives more time to stop than the app's longest statement takes", async () => {
      new PgBouncer("pgbouncer", args());
      await settled();
      const { stopTimeout, destroyGraceSeconds } = recorder.get("pgbouncer-container").inputs as Record<string, number>;
      assert.deepEqual([stopTimeout, destroyGraceSeconds], [15, 15]);
    });

    it("refuses a user of the database with the name of its own operator", () => {
      assert.throws(() => new PgBouncer("pgbouncer", args({ users: { operator: "x" } })), /users has "operator", who is PgBouncer's own/);
    });
  });

  describe("B3 Redis", () => {
    const args = (change: Partial<RedisArgs> = {}): RedisArgs => ({
      role: "cache",
      maxMemoryMb: 64,
      protect: false,
      networkName: "net-1",
      platform: "linux/amd64",
      contextDirectory: path.join(directory, "redis"),
      ...change,
    });

    it("one volume has one server: deleted first, and the data stay", async () => {
      new Redis("redis-cache", args());
      await settled();
      const { inputs, deleteBeforeReplace } = recorder.get("redis-cache-container");
      assert.equal(deleteBeforeReplace, true);
      assert.deepEqual(inputs["volumes"], [
        { volumeName: "redis-cache-data-1a2b3c4", containerPath: "/data" },
        { volumeName: "redis-cache-secrets-volume-1a2b3c4", containerPath: "/run/secrets", readOnly: true },
      ]);
      assert.deepEqual([inputs["memory"], inputs["ports"]], [redisContainerMb(64), undefined]);
      assert.deepEqual(recorder.get("redis-cache-data").ignoreChanges, ["labels"]);
    });

    it("B4 each role has a name of its own in the network, and data that may be protected", async () => {
      const limits = new Redis("redis-limits", args({ role: "limits", protect: true }));
      await settled();
      assert.equal(limits.host, "redis-limits");
      assert.deepEqual(recorder.get("redis-limits-container").inputs["networksAdvanced"], [{ name: "net-1", aliases: ["redis-limits"] }]);
      const { protect, retainOnDelete } = recorder.get("redis-limits-data");
      assert.deepEqual([protect, retainOnDelete], [true, true]);
    });

    it("the server gets a hash, the app the password, and only the URL leads from one to the other", async () => {
      const cache = new Redis("redis-cache", args());
      assert.equal(await isMarkedSecret(cache.url), true);
      const password = canary("redis-cache-secrets-password");
      assert.equal(await valueOf(cache.url), `redis://app:${password}@redis-cache:6379`);
      await settled();
      const [[file, acl] = []] = filesOf("redis-cache-secrets-writer");
      assert.equal(file, "/run/secrets/redis.acl");
      assert.ok(acl?.includes(createHash("sha256").update(password).digest("hex")) && !acl.includes(password));
      for (const resource of recorder.resources) assert.ok(!resource.plain.includes("canary"), `${resource.name} shows a secret`);
    });

    it("whoever has its URL does not depend on its container: a change of the one must not delete the other first", async () => {
      const cache = new Redis("redis-cache", args());
      new SecretFiles("app", { generate: [], render: () => ({ redis_url: cache.url }), image: "any:1" });
      await settled();
      const { dependencies } = recorder.get("app-writer");
      assert.ok(
        dependencies.some((urn) => urn.endsWith("::redis-cache-secrets-password")),
        dependencies.join(", "),
      );
      assert.ok(!dependencies.some((urn) => urn.endsWith("::redis-cache-container")));
    });
  });

  describe("A18 App in roles", () => {
    const args = (role?: "web" | "jobs" | "consumer"): AppArgs => ({
      image: "localhost/test/app:1",
      instances: 1,
      memoryMb: 512,
      networkName: "net-1",
      services: databaseServices,
      settings: { appName: "test", version: "1", role },
      mounts: [],
      secretsRevision: "revision-1",
    });

    it("each role is found under a name and a label of its own; without one an instance does everything as `app`", async () => {
      for (const role of [undefined, "web", "jobs", "consumer"] as const) new App(role ?? "all", args(role));
      await settled();
      for (const [name, alias, variable] of [
        ["all-0", "app", undefined],
        ["web-0", "app", "ROLE=web"],
        ["jobs-0", "jobs", "ROLE=jobs"],
        ["consumer-0", "consumer", "ROLE=consumer"],
      ] as const) {
        const { inputs } = recorder.get(name);
        assert.deepEqual(inputs["networksAdvanced"], [{ name: "net-1", aliases: [alias, `${alias}-spare`] }]);
        assert.ok(
          (inputs["labels"] as object[]).some((label) => JSON.stringify(label) === `{"label":"phased-stack.service","value":"${alias}"}`),
          name,
        );
        assert.equal(
          (inputs["envs"] as string[]).find((text) => text.startsWith("ROLE=")),
          variable,
        );
      }
    });

    it("waits for names of services that are known later, and refuses wrong variables at once", async () => {
      const host = pulumi.output(Promise.resolve("db.example"));
      const services = { ...databaseServices, database: { ...databaseServices.database, primary: { host, port: 5432 } } };
      new App("app", { ...args(), services });
      await settled();
      assert.ok((recorder.get("app-0").inputs["envs"] as string[]).includes("DATABASE_URL=postgres://app@db.example:5432/app"));
      assert.throws(
        () => new App("other", { ...args(), settings: { appName: "a", version: "b", extra: { ROLE: "web" } } }),
        /by hand: ROLE/,
      );
    });
  });

  describe("the app's environment on Postgres and Redis", () => {
    const settings = {
      appName: "shop",
      version: "abc",
      documentsPath: "/data/documents",
      pools: { max: 12, min: 3, replicaMax: 8, replicaMin: 2 },
    };

    it("A1 has addresses in plain and secrets as files, every server as a replica, and no SQLite", () => {
      const environment = appEnvironment(databaseServices, settings);
      const services = Object.fromEntries(
        Object.entries(environment).filter(([name]) => /^(?:DATABASE|DB|REDIS|KAFKA|SQLITE|DOCUMENTS)/.test(name)),
      );
      assert.deepEqual(services, {
        DATABASE_DIRECT_URL_FILE: "/run/secrets/database_direct_url",
        DATABASE_PASSWORD_FILE: "/run/secrets/database_password",
        DATABASE_READ_REPLICAS: "postgres://app@pgbouncer:6432/app_pg-1,postgres://app@pgbouncer:6432/app_pg-2",
        DATABASE_URL: "postgres://app@pgbouncer:6432/app",
        DB_POOL_MAX: "12",
        DB_POOL_MIN: "3",
        DB_PREPARED_STATEMENTS: "true",
        DB_REPLICA_POOL_MAX: "8",
        DB_REPLICA_POOL_MIN: "2",
        DOCUMENTS_PATH: "/data/documents",
        REDIS_LIMITS_URL_FILE: "/run/secrets/redis_limits_url",
        REDIS_URL_FILE: "/run/secrets/redis_url",
      });
      assert.deepEqual(Object.keys(environment), Object.keys(environment).sort());
    });

    it("A14 without the owner's address it does not migrate: somebody else has", () => {
      const { database } = databaseServices;
      const external = appEnvironment({ ...databaseServices, database: { ...database, directUrl: undefined } }, settings);
      assert.deepEqual([external["MIGRATIONS"], external["DATABASE_DIRECT_URL_FILE"]], ["external", undefined]);
      assert.equal(appEnvironment(databaseServices, settings)["MIGRATIONS"], undefined);
    });

    it("leaves out what a phase does not have, and names brokers as Kafka's clients take them", () => {
      const environment = appEnvironment(
        {
          ...databaseServices,
          redis: undefined,
          database: { ...databaseServices.database, readers: [] },
          kafka: {
            brokers: [
              { host: "kafka-1", port: 9092 },
              { host: "kafka-2", port: 9092 },
            ],
          },
        },
        { appName: "shop", version: "abc" },
      );
      assert.equal(environment["KAFKA_BROKERS"], "kafka-1:9092,kafka-2:9092");
      for (const name of ["REDIS_URL_FILE", "DATABASE_READ_REPLICAS", "DB_POOL_MAX", "ROLE"]) assert.ok(!(name in environment), name);
    });

    it("nobody sets by hand what it sets", () => {
      const extra = (name: string): unknown => appEnvironment(databaseServices, { ...settings, extra: { [name]: "x" } });
      for (const name of Object.keys(appEnvironment(databaseServices, { ...settings, role: "web" })))
        assert.throws(() => extra(name), new RegExp(name));
      assert.ok(CONTRACT_VARIABLES.includes("DOCUMENTS_PATH"));
    });
  });
});
