import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { Client } from "pg";
import { migrate, type Migration } from "../../app/src/db/migrate";
import { openPostgres, POSTGRES_MIGRATIONS } from "../support/database";
import { eventually } from "../support/services/container";
import { type PostgresGroup, type PostgresUrls, startPostgres } from "../support/services/postgres";

const added = (sql: string): Migration => {
  const version = POSTGRES_MIGRATIONS.length + 1;
  return { version, name: `${String(version).padStart(4, "0")}_added.sql`, sql, checksum: createHash("sha256").update(sql).digest("hex") };
};

describe("B13 D12 migrations while the app serves", function () {
  this.timeout(120_000);
  let postgres: PostgresGroup;
  let urls: PostgresUrls;
  before(async () => {
    postgres = await startPostgres();
  });
  beforeEach(async () => {
    urls = await postgres.createDatabase();
  });
  after(() => postgres.remove());

  it("three instances start at once: each migration is applied once, by the owner; the app may use what it made and change no table", async () => {
    const owners = await Promise.all([1, 2, 3].map(() => openPostgres(urls.url, { pool: { max: 1 }, lockWaitMs: 60_000 })));
    const app = await openPostgres(urls.appUrl);
    try {
      const applied = await Promise.all(owners.map((owner) => migrate(owner, POSTGRES_MIGRATIONS)));
      assert.deepEqual(
        applied.flat().sort(),
        POSTGRES_MIGRATIONS.map(({ name }) => name),
      );
      assert.deepEqual(await app.get("SELECT count(*) AS count FROM companies"), { count: 0 });
      for (const sql of ["CREATE TABLE mine (id BIGINT)", "ALTER TABLE companies ADD extra TEXT", "DROP TABLE orders", "TRUNCATE orders"])
        await assert.rejects(app.run(sql), /permission denied|must be owner/, sql);
    } finally {
      await Promise.all([app, ...owners].map((database) => database.close()));
    }
  });

  it("one that needs a table in use lets requests pass again and again, and is applied once the table is free", async () => {
    const owner = await openPostgres(urls.url, { pool: { max: 1 }, lockWaitMs: 60_000 });
    const app = await openPostgres(urls.appUrl);
    await migrate(owner, POSTGRES_MIGRATIONS);
    // A report of the old version: it reads for longer than a request waits for a lock.
    const report = new Client({ connectionString: urls.appUrl });
    await report.connect();
    let [stop, longest, answered] = [false, 0, 0];
    const request = async (): Promise<void> => {
      while (!stop) {
        const start = performance.now();
        await app.get("SELECT count(*) AS count FROM orders");
        longest = Math.max(longest, performance.now() - start);
        answered += 1;
      }
    };
    const waiting = async (): Promise<boolean> =>
      (await postgres.admin("SELECT 1 FROM pg_locks WHERE NOT granted AND mode = 'AccessExclusiveLock'")).length > 0;
    try {
      await report.query("BEGIN; SELECT count(*) FROM orders");
      const requests = Promise.all([request(), request()]);
      const migrated = migrate(owner, [...POSTGRES_MIGRATIONS, added("ALTER TABLE orders ADD extra TEXT")]);
      // It has waited, given way, and waits again.
      for (const expected of [true, false, true])
        await eventually("the migration waits, or not", async () => (await waiting()) === expected);
      const before = answered;
      await eventually("requests go on", () => answered > before + 20);
      await report.query("COMMIT");
      assert.deepEqual(await migrated, [added("").name]);
      stop = true;
      await requests;
      // The second it may wait, and what a busy machine adds; without giving way it were as long as the report.
      assert.ok(longest < 5000, `a request waited ${Math.round(longest)} ms`);
      assert.ok(longest > 200, "nobody waited behind the migration: the test tests nothing");
      assert.deepEqual(await app.all("SELECT extra FROM orders"), []);
    } finally {
      stop = true;
      await report.end();
      await Promise.all([app.close(), owner.close()]);
    }
  });
});
