import assert from "node:assert/strict";
import { writeFile } from "node:fs/promises";
import path from "node:path";
import pino from "pino";
import { ConfigError, loadConfig } from "../../../app/src/config";
import { serversOf } from "../../../app/src/db/open";
import { checkSchema, migrateSchema } from "../../../app/src/db/schema";
import { nameShard, verifyDirectory, verifyShardName } from "../../../app/src/db/shards/names";
import { SqliteDatabase } from "../../../app/src/db/sqlite";
import { laterMark, markOnShard, onShard, UNSEEN } from "../../../app/src/db/write-mark";
import { inDirectory, withDatabase } from "../db/support";

const MACHINE = { parallelism: 2, cpuQuota: undefined, memoryLimitMb: undefined };
const URL_OF_FIRST = "postgres://app@pg1/app";

function violation(environment: Record<string, string>): string {
  try {
    loadConfig(environment, MACHINE);
  } catch (error) {
    assert.ok(error instanceof ConfigError);
    assert.equal(error.violations.length, 1, error.message);
    return error.violations[0] ?? "";
  }
  return assert.fail("it was allowed");
}

describe("A17 configuration of several databases", () => {
  it("A17 names, addresses past the pooler and replicas are put together; the password is added to each", () => {
    const config = loadConfig(
      {
        DATABASE_URL: URL_OF_FIRST,
        DATABASE_PASSWORD: "hush",
        DATABASE_SHARDS: "s2=postgres://app@bouncer2:6432/app, s3=postgres://app:own@pg3/app",
        DATABASE_SHARDS_DIRECT: "s2=postgres://owner@pg2/app",
        DATABASE_SHARDS_REPLICAS: "s2=postgres://app@r2a/app,s2=postgres://app@r2b/app",
        DATABASE_SHARDS_FOR_NEW: "s3,first",
      },
      MACHINE,
    );
    assert.deepEqual(config.postgres?.shards, [
      {
        name: "s2",
        url: "postgres://app:hush@bouncer2:6432/app",
        directUrl: "postgres://owner:hush@pg2/app",
        replicaUrls: ["postgres://app:hush@r2a/app", "postgres://app:hush@r2b/app"],
      },
      { name: "s3", url: "postgres://app:own@pg3/app", directUrl: "postgres://app:own@pg3/app", replicaUrls: [] },
    ]);
    assert.deepEqual(config.postgres.shardsForNew, ["s3", "first"]);
    const servers = serversOf(config);
    assert.deepEqual(
      servers.map(({ name, config: { postgres } }) => [name, postgres?.url, postgres?.shards]),
      [
        ["first", "postgres://app:hush@pg1/app", []],
        ["s2", "postgres://app:hush@bouncer2:6432/app", []],
        ["s3", "postgres://app:own@pg3/app", []],
      ],
    );
  });

  it("A17 a database may have a password of its own, also from a file; the others have the common one", () =>
    inDirectory(async (directory) => {
      const file = path.join(directory, "password");
      await writeFile(file, "from, a file\n");
      const { postgres } = loadConfig(
        {
          DATABASE_URL: URL_OF_FIRST,
          DATABASE_PASSWORD: "hush",
          DATABASE_SHARDS: "s2=postgres://owner@pg2/app,s3=postgres://owner@pg3/app,eu-4=postgres://owner@pg4/app",
          DATABASE_SHARDS_DIRECT: "eu-4=postgres://owner@direct4/app",
          DATABASE_SHARDS_REPLICAS: "s2=postgres://owner@r2/app",
          DATABASE_SHARD_S2_PASSWORD: "own",
          DATABASE_SHARD_EU_4_PASSWORD_FILE: file,
        },
        MACHINE,
      );
      assert.equal(postgres?.url, "postgres://app:hush@pg1/app");
      assert.deepEqual(
        postgres.shards.map(({ url, directUrl, replicaUrls }) => [url, directUrl, ...replicaUrls]),
        [
          ["postgres://owner:own@pg2/app", "postgres://owner:own@pg2/app", "postgres://owner:own@r2/app"],
          ["postgres://owner:hush@pg3/app", "postgres://owner:hush@pg3/app"],
          ["postgres://owner:from%2C%20a%20file@pg4/app", "postgres://owner:from%2C%20a%20file@direct4/app"],
        ],
      );
    }));

  it("A17 without DATABASE_SHARDS there is one database, as ever", () => {
    const { postgres } = loadConfig({ DATABASE_URL: URL_OF_FIRST }, MACHINE);
    assert.deepEqual(postgres?.shards, []);
    assert.equal(serversOf(loadConfig({}, MACHINE)).length, 1);
  });

  it("A17 what does not go together is refused in one sentence, and no address is shown", () => {
    const first = { DATABASE_URL: URL_OF_FIRST };
    const shards = (text: string): Record<string, string> => ({ ...first, DATABASE_SHARDS: text });
    assert.match(violation({ DATABASE_SHARDS: "s2=postgres://pg2/app" }), /^DATABASE_SHARDS: set without DATABASE_URL/);
    for (const text of ["postgres://pg2/app", "s2=mysql://pg2/app", "S2=postgres://pg2/app", "s2=postgres://pg2/app,"]) {
      const sentence = violation(shards(text));
      assert.match(sentence, /^DATABASE_SHARDS: the given value \(\d+ characters\) is not allowed; use names and addresses such as s2=/);
    }
    assert.match(violation(shards("s2=postgres://a/app,s2=postgres://b/app")), /"s2" is there twice/);
    assert.match(violation(shards("first=postgres://a/app")), /"first" is the database of DATABASE_URL/);
    assert.match(violation(shards("s2=postgres://other@pg1:5432/app")), /"s2" is the same database as DATABASE_URL/);
    assert.match(violation(shards("s2=postgres://a/app,s3=postgres://a/app")), /"s3" is the same database as "s2"/);
    const two = shards("s2=postgres://a/app");
    assert.match(violation({ ...two, DATABASE_SHARDS_REPLICAS: "s3=postgres://r/app" }), /^DATABASE_SHARDS_REPLICAS: "s3" is not in/);
    assert.match(violation({ ...two, DATABASE_SHARDS_DIRECT: "s3=postgres://r/app" }), /^DATABASE_SHARDS_DIRECT: "s3" is not in/);
    assert.match(violation({ ...two, DATABASE_SHARDS_FOR_NEW: "s3" }), /"s3" is not in DATABASE_SHARDS; use one or more of first, s2\.$/);
    assert.match(violation(shards("s2=postgres://a/app?sslmode=prefer")), /^DATABASE_SHARDS: .*sslmode/);
    const password = { DATABASE_SHARD_S3_PASSWORD: "canary" };
    for (const given of [two, first]) {
      assert.match(
        violation({ ...given, ...password }),
        /^DATABASE_SHARD_S3_PASSWORD: DATABASE_SHARDS has no such name; use one that it has/,
      );
    }
    assert.match(violation({ ...two, DATABASE_SHARD_S2_PASSWORD_FILE: "/nowhere" }), /^DATABASE_SHARD_S2_PASSWORD_FILE: cannot read/);
    const tls = { DATABASE_URL: `${URL_OF_FIRST}?sslmode=verify-full`, DATABASE_SHARDS: "s2=postgres://app@a/app?sslmode=verify-full" };
    const tokens = { ...tls, DATABASE_LOGIN: "iam", AWS_REGION: "eu-central-1" };
    assert.match(
      violation({ ...tokens, DATABASE_SHARD_S2_PASSWORD: "canary" }),
      /^DATABASE_SHARD_S2_PASSWORD: set with DATABASE_LOGIN iam/,
    );
  });
});

describe("A17 which database is which", () => {
  it("A17 a database keeps the name it was given: addresses that were exchanged are noticed", () =>
    withDatabase(async (database) => {
      await assert.rejects(verifyShardName(database, "s2"), /has no name yet; run "node main.js migrate"/);
      await nameShard(database, "s2");
      await nameShard(database, "s2");
      await verifyShardName(database, "s2");
      await assert.rejects(nameShard(database, "s3"), /The database of "s3" of DATABASE_SHARDS says that it is "s2"/);
      await assert.rejects(verifyShardName(database, "first"), /The database of DATABASE_URL says that it is "s2"/);
    }));

  it("A17 what a newer version made is not known to a move, which refuses then; a start goes on", () =>
    inDirectory(async (directory) => {
      const config = loadConfig({ SQLITE_PATH: path.join(directory, "app.db") }, MACHINE);
      const logger = pino({ level: "silent" });
      await migrateSchema(config, logger);
      const database = await SqliteDatabase.open({ file: config.sqlitePath });
      await database.run("INSERT INTO schema_migrations (version, name, checksum, applied_at) VALUES (9999, '9999_later.sql', '', '')");
      await database.close();
      await checkSchema(config, logger);
      await assert.rejects(
        checkSchema(config, logger, { mayBeNewer: false }),
        /The database has 9999_later\.sql, which this version does not know/,
      );
    }));

  it("A17 a start without a database that has companies is refused", () =>
    withDatabase(async (database) => {
      await verifyDirectory(database, ["first"]);
      await database.run("INSERT INTO company_shards (company_id, shard) VALUES ('c', 's2'), ('d', 'first')");
      await verifyDirectory(database, ["first", "s2"]);
      await assert.rejects(verifyDirectory(database, ["first"]), /There are companies in "s2", which DATABASE_SHARDS does not name/);
    }));
});

describe("E8 A17 marks of writes to several databases", () => {
  it("a mark counts in its own database; in another one nothing has seen it", () => {
    assert.equal(markOnShard("s2", onShard("s2", "1/F")), "1/F");
    assert.equal(markOnShard(undefined, "1/F"), "1/F");
    assert.equal(markOnShard("s3", onShard("s2", "1/F")), UNSEEN);
    assert.equal(markOnShard(undefined, onShard("s2", "1/F")), UNSEEN);
    assert.equal(markOnShard("s2", "1/F"), UNSEEN);
    assert.equal(markOnShard("s2", UNSEEN), UNSEEN);
    assert.equal(laterMark(onShard("s2", "1/F"), onShard("s2", "1/E")), onShard("s2", "1/F"));
    assert.equal(laterMark(onShard("s2", "1/F"), "9/0"), UNSEEN, "which one is later nobody can tell");
  });
});
