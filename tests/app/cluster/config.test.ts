import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import fc from "fast-check";
import { ConfigError, detectPhase, loadConfig } from "../../../app/src/config";
import { environmentSchema, SECRET_NAMES } from "../../../app/src/config/environment";

const MACHINE = { parallelism: 6, cpuQuota: undefined, memoryLimitMb: undefined };

function violations(environment: Record<string, string>): readonly string[] {
  try {
    loadConfig(environment, MACHINE);
  } catch (error) {
    assert.ok(error instanceof ConfigError);
    return error.violations;
  }
  return [];
}

describe("the app's configuration", () => {
  it("C2 nothing set: development, one process, everything at its default", () => {
    const config = loadConfig({}, MACHINE);
    assert.equal(config.cluster.workers, 1);
    assert.equal(config.port, 3001);
    assert.equal(config.phase, "cluster");
    assert.deepEqual([config.drainDelayMs, config.shutdownTimeoutMs, config.keepAliveTimeoutMs], [3000, 30_000, 65_000]);
    assert.deepEqual([config.cluster.healthIntervalMs, config.cluster.healthMisses, config.cluster.respawnLimit], [30_000, 3, 10]);
  });

  it("C2 production uses all cores; a number always wins", () => {
    assert.equal(loadConfig({ NODE_ENV: "production" }, MACHINE).cluster.workers, 6);
    assert.equal(loadConfig({ NODE_ENV: "production", WORKERS: "2" }, MACHINE).cluster.workers, 2);
    assert.equal(loadConfig({ NODE_ENV: "development", WORKERS: "auto" }, MACHINE).cluster.workers, 6);
  });

  it("B13 A9 heap limit: configured, or the worker's part of the container's memory", () => {
    assert.equal(loadConfig({ WORKERS: "2", WORKER_HEAP_MB: "4096" }, MACHINE).cluster.heapMb, 4096);
    assert.equal(loadConfig({ WORKERS: "2" }, { ...MACHINE, memoryLimitMb: 512 }).cluster.heapMb, 162);
    assert.equal(loadConfig({ WORKERS: "2" }, MACHINE).cluster.heapMb, undefined);
  });

  it("every numeric and enumerated variable refuses nonsense with its name, the value and what is allowed", () => {
    const freeText = ["SQLITE_PATH", "DATABASE_CA", "REDIS_CA", "DOCUMENTS_PATH", "KAFKA_TLS_CA_FILE", "KAFKA_SASL_USERNAME"];
    const names = Object.keys(environmentSchema.shape).filter((name) => ![...freeText, ...SECRET_NAMES].includes(name));
    const found = violations(Object.fromEntries(names.map((name) => [name, "-1 \n"])));
    assert.deepEqual(found.map((text) => text.split(":")[0]).sort(), [...names].sort());
    for (const text of found) assert.match(text, /^[A-Z0-9_]+: "-1 \n" is not allowed; use [^]+\.$/);
  });

  it("numbers out of range, fractions and exponents are refused", () => {
    for (const port of ["65536", "1e3", "3001.5", "0x10", " 80", "+80", "080"]) assert.equal(violations({ PORT: port }).length, 1, port);
    fc.assert(fc.property(fc.integer({ min: 0, max: 65_535 }), (port) => loadConfig({ PORT: String(port) }, MACHINE).port === port));
  });

  it("an empty variable counts as absent", () => {
    assert.equal(loadConfig({ PORT: "", SESSION_SECRET: "", REDIS_URL: "" }, MACHINE).port, 3001);
  });

  describe("secrets", () => {
    let directory: string;
    before(() => (directory = mkdtempSync(path.join(tmpdir(), "phased-config-"))));
    after(() => rmSync(directory, { recursive: true, force: true }));

    it("come from files, without the line's end", () => {
      const file = path.join(directory, "secret");
      writeFileSync(file, `${"s".repeat(40)}\n`);
      assert.equal(loadConfig({ SESSION_SECRET_FILE: file }, MACHINE).sessionSecret, "s".repeat(40));
    });

    it("never appear in a message", () => {
      const [text, ...others] = violations({ ADMIN_TOKEN: "canary-7f3a" });
      assert.deepEqual(others, []);
      assert.doesNotMatch(text ?? "", /canary/);
      assert.match(text ?? "", /^ADMIN_TOKEN: the given value \(11 characters\) is not allowed; use at least 16/);
    });

    it("set twice, in a missing file, or in an empty one are violations", () => {
      const empty = path.join(directory, "empty");
      writeFileSync(empty, "\n");
      assert.deepEqual(violations({ SESSION_SECRET: "x".repeat(32), SESSION_SECRET_FILE: empty, ADMIN_TOKEN_FILE: `${directory}/none` }), [
        "SESSION_SECRET: set both directly and as SESSION_SECRET_FILE; keep one of them.",
        `ADMIN_TOKEN_FILE: cannot read ${directory}/none (ENOENT); give the path of a readable file with the secret.`,
      ]);
      assert.deepEqual(violations({ ADMIN_TOKEN_FILE: empty }), [`ADMIN_TOKEN_FILE: ${empty} is empty; write the secret into it.`]);
    });
  });

  it("E1 E8 E12 Postgres: connections are divided among workers, the password comes from its own variable, nonsense is refused", () => {
    const environment = {
      DATABASE_URL: "postgres://app@pgbouncer:6432/app",
      DATABASE_DIRECT_URL: "postgres://app:other@pg:5432/app",
      DATABASE_READ_REPLICAS: "postgres://app@r1/app, postgres://app@r2/app",
      DATABASE_PASSWORD: "a/b@c%",
      WORKERS: "4",
    };
    const postgres = loadConfig(environment, MACHINE).postgres;
    assert.equal(postgres?.url, "postgres://app:a%2Fb%40c%25@pgbouncer:6432/app");
    assert.equal(postgres.directUrl, environment.DATABASE_DIRECT_URL, "a password that is there stays");
    assert.deepEqual(
      postgres.replicaUrls.map((url) => new URL(url).host),
      ["r1", "r2"],
    );
    const { poolMax, poolMin, replicaPoolMax, replicaPoolMin, connectTimeoutMs, idleTimeoutMs, maxUses } = postgres;
    assert.deepEqual([poolMax, poolMin, replicaPoolMax, replicaPoolMin], [5, 2, 7, 2], "20, 5, 30 and 5 for four workers");
    assert.deepEqual([connectTimeoutMs, idleTimeoutMs, maxUses], [2000, 30_000, 7500]);
    assert.equal(loadConfig({ ...environment, DB_POOL_MAX: "100", WORKERS: "1" }, MACHINE).postgres?.poolMax, 100);
    assert.equal(loadConfig({ ...environment, DB_POOL_MAX: "2" }, MACHINE).postgres?.poolMax, 1, "never none");
    assert.equal(loadConfig({}, MACHINE).postgres, undefined);
    assert.equal(postgres.preparedStatements, false, "RDS Proxy pins connections on them");
    assert.equal(loadConfig({ ...environment, DB_PREPARED_STATEMENTS: "true" }, MACHINE).postgres?.preparedStatements, true);
    assert.deepEqual(violations({ DB_PREPARED_STATEMENTS: "yes" }), ['DB_PREPARED_STATEMENTS: "yes" is not allowed; use true or false.']);

    assert.match(violations({ DB_POOL_MAX: "0" })[0] ?? "", /^DB_POOL_MAX: "0" is not allowed; use a whole number from 1 to/);
    assert.deepEqual(violations({ DATABASE_URL: "postgres://db/app", DB_POOL_MAX: "3", DB_POOL_MIN: "5" }), [
      'DB_POOL_MIN: "5" is not allowed; use a whole number from 0 to DB_POOL_MAX, which is 3.',
    ]);
    for (const url of ["mysql://db/app", "postgres:app", "db:5432"]) {
      const [text = ""] = violations({ DATABASE_URL: url });
      assert.match(text, /^DATABASE_URL: the given value \(\d+ characters\) is not allowed; use an address such as postgres:/);
    }
    assert.match(violations({ DATABASE_READ_REPLICAS: "postgres://r/app" })[0] ?? "", /^DATABASE_READ_REPLICAS: set without DATABASE_URL/);
  });

  it("A14 the app's login: user and password together, not the owner, and nothing that a role cannot be called", () => {
    const owner = { DATABASE_URL: "postgres://owner:x@db/app" };
    const login = { DATABASE_APP_USER: "app", DATABASE_APP_PASSWORD: "hush-hush-hush" };
    assert.deepEqual(loadConfig({ ...owner, ...login }, MACHINE).postgres?.appLogin, { user: "app", password: "hush-hush-hush" });
    assert.equal(loadConfig(owner, MACHINE).postgres?.appLogin, undefined);
    assert.equal(loadConfig(owner, MACHINE).migrations, "auto");
    const refusedText = (changes: Record<string, string>): string => violations({ ...owner, ...changes }).join();
    assert.match(
      refusedText({ DATABASE_APP_USER: "app" }),
      /^DATABASE_APP_PASSWORD: not set, but DATABASE_APP_USER is; set both, or none\.$/,
    );
    assert.match(refusedText({ DATABASE_APP_PASSWORD: "hush-hush-hush" }), /^DATABASE_APP_USER: not set/);
    assert.match(refusedText({ ...login, DATABASE_APP_USER: "owner" }), /^DATABASE_APP_USER: "owner" is the owner who migrates/);
    for (const user of ["App", 'a"b', "pg_monitor", "public", "1st", "a".repeat(64)])
      assert.match(
        refusedText({ ...login, DATABASE_APP_USER: user }),
        /^DATABASE_APP_USER: .* is not allowed; use 1 to 63 small letters/,
        user,
      );
    for (const password of ["short", "with a space in it", "ümlaut-ümlaut"]) {
      const text = refusedText({ ...login, DATABASE_APP_PASSWORD: password });
      assert.match(text, /^DATABASE_APP_PASSWORD: the given value \(\d+ characters\) is not allowed; use 12 to 1000 printable/);
    }
    assert.match(violations(login).join(), /DATABASE_APP_USER: set without DATABASE_URL/);
  });

  it("A1 the phase follows from what is configured, never from what answers", () => {
    assert.deepEqual(detectPhase({}), { phase: "cluster", because: [] });
    assert.equal(detectPhase({ DATABASE_URL: "postgres://db" }).phase, "database");
    assert.equal(detectPhase({ DATABASE_URL_FILE: "/run/secrets/url" }).phase, "database");
    assert.equal(detectPhase({ REDIS_URL: "redis://cache", KUBERNETES_SERVICE_HOST: "10.0.0.1" }).phase, "cloud");
    assert.equal(detectPhase({ S3_BUCKET: "files" }).phase, "cloud");
    assert.equal(detectPhase({ KUBERNETES_SERVICE_HOST: "10.0.0.1" }).phase, "cluster", "a platform alone is no backing service");
  });

  it("A21 a bucket for documents: AWS' own, or an endpoint elsewhere; what belongs to a bucket needs one", () => {
    assert.equal(loadConfig({}, MACHINE).documents.bucket, undefined);
    const bucket = (more: Record<string, string>) => loadConfig({ S3_BUCKET: "shop-uploads", ...more }, MACHINE).documents.bucket;
    assert.deepEqual(bucket({ AWS_REGION: "eu-central-1" }), {
      ...{ name: "shop-uploads", prefix: "uploads/", region: "eu-central-1", endpoint: undefined },
      ...{ directUploads: false, incomingPrefix: "incoming/", cdn: undefined },
    });
    assert.equal(bucket({ S3_REGION: "eu-west-1", S3_DIRECT_UPLOADS: "on" })?.directUploads, true);
    assert.equal(bucket({ AWS_REGION: "eu-central-1", S3_REGION: "eu-west-1" })?.region, "eu-west-1");
    assert.equal(bucket({ S3_ENDPOINT: "http://minio:9000" })?.region, "us-east-1", "requests are signed with some region");
    assert.equal(bucket({ S3_PREFIX: "shop/files/" })?.prefix, "shop/files/");
    for (const prefix of ["uploads", "/", "a//", "a b/"]) assert.match(violations({ S3_PREFIX: prefix }).join(), /^S3_PREFIX: /, prefix);
    assert.deepEqual(violations({ S3_ENDPOINT: "http://minio:9000" }), [
      "S3_ENDPOINT: set without S3_BUCKET; set S3_BUCKET too, or remove the variable.",
    ]);
    assert.match(violations({ S3_DIRECT_UPLOADS: "on" }).join(), /^S3_DIRECT_UPLOADS: set without S3_BUCKET/);
    const direct = { S3_BUCKET: "shop-uploads", S3_DIRECT_UPLOADS: "on" };
    assert.match(violations(direct).join(), /^S3_DIRECT_UPLOADS: on, but the bucket's region is not known; set S3_REGION/);
    for (const [prefix, incoming] of [
      ["a/", "a/b/"],
      ["a/b/", "a/"],
      ["a/", "a/"],
    ] as const) {
      const both = { ...direct, S3_REGION: "eu-west-1", S3_PREFIX: prefix, S3_INCOMING_PREFIX: incoming };
      assert.match(violations(both).join(), /^S3_INCOMING_PREFIX: .* are not apart/, incoming);
    }
  });
});
