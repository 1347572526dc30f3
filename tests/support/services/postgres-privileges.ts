import assert from "node:assert/strict";

/** Runs statements in the database `app`, or another one, as one of the roles. */
export type RunAs = (role: "owner" | "app" | "readonly" | "monitor", sql: string, database?: "postgres") => Promise<object[]>;

const DENIED = /permission denied/;

/**
 * What the roles of a cluster may do, and what they must not (least privilege). The same statements run in clusters that Patroni made and in
 * those that entrypoint.sh made by itself.
 * @param run called once the cluster is there.
 */
export function describePrivileges(run: RunAs): void {
  before(async () => {
    await run("owner", "CREATE TABLE rows (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, text text NOT NULL)");
    await run("owner", "CREATE TABLE numbered (id bigserial PRIMARY KEY, text text NOT NULL)");
    await run("owner", "CREATE SCHEMA other");
    await run("owner", "CREATE TABLE other.rows (text text NOT NULL)");
    await run("owner", "CREATE VIEW shown AS SELECT text FROM rows");
  });
  after(async () => {
    await run("owner", "DROP SCHEMA other CASCADE");
    await run("owner", "DROP TABLE rows, numbered CASCADE");
  });

  it("app reads and writes the rows of everything that migrations make", async () => {
    for (const table of ["rows", "numbered", "other.rows"]) {
      await run("app", `INSERT INTO ${table} (text) VALUES ('one')`);
      await run("app", `UPDATE ${table} SET text = 'two'`);
      assert.deepEqual(await run("app", `SELECT text FROM ${table}`), [{ text: "two" }], table);
    }
    assert.deepEqual(await run("app", "SELECT text FROM shown"), [{ text: "two" }]);
    await run("app", "DELETE FROM numbered");
  });

  it("app changes nothing else: no tables, temporary ones included, no schemas, no roles, no other database", async () => {
    const refused = [
      "CREATE TABLE own (id int)",
      "CREATE TEMPORARY TABLE own (id int)",
      "CREATE SCHEMA own",
      "CREATE FUNCTION own() RETURNS int LANGUAGE sql AS 'SELECT 1'",
      "CREATE ROLE own",
      "CREATE DATABASE own",
      "TRUNCATE rows",
      "SELECT pg_read_file('/etc/passwd')",
      "COPY rows TO PROGRAM 'cat'",
      "SELECT passwd FROM pg_shadow",
      "SET ROLE owner",
    ];
    for (const sql of refused) await assert.rejects(run("app", sql), DENIED, sql);
    for (const sql of ["ALTER TABLE rows ADD COLUMN more int", "DROP TABLE rows", "CREATE INDEX ON rows (text)"])
      await assert.rejects(run("app", sql), /must be owner of/, sql);
    await assert.rejects(run("app", "SELECT 1", "postgres"), /permission denied for database "postgres"/);
  });

  it("readonly reads, and writes nothing, also when it asks for a session that may", async () => {
    assert.deepEqual(await run("readonly", "SELECT text FROM rows"), [{ text: "two" }]);
    assert.deepEqual(await run("readonly", "SELECT text FROM other.rows"), [{ text: "two" }]);
    for (const sql of [
      "INSERT INTO rows (text) VALUES ('x')",
      "UPDATE rows SET text = 'x'",
      "DELETE FROM rows",
      "SELECT nextval('numbered_id_seq')",
    ]) {
      await assert.rejects(run("readonly", sql), /read-only transaction|permission denied/, sql);
      await assert.rejects(run("readonly", `BEGIN READ WRITE; ${sql}`), DENIED, sql);
    }
    await assert.rejects(run("readonly", "BEGIN READ WRITE; CREATE TEMPORARY TABLE own (id int)"), DENIED);
    await assert.rejects(run("readonly", "SELECT 1", "postgres"), /permission denied for database/);
  });

  it("monitor sees the server's figures, those of others included, and no rows", async () => {
    const [activity] = (await run(
      "monitor",
      "SELECT count(*)::int AS all, count(*) FILTER (WHERE query LIKE '<insuff%')::int AS hidden FROM pg_stat_activity",
    )) as {
      all: number;
      hidden: number;
    }[];
    assert.ok(Number(activity?.all) > 0);
    assert.equal(activity?.hidden, 0);
    assert.equal((await run("monitor", "SELECT pg_database_size('app') > 0 AS sized")).length, 1);
    assert.equal((await run("monitor", "SELECT 1 AS one", "postgres")).length, 1);
    await run("monitor", "CHECKPOINT", "postgres");
    for (const sql of [
      "SELECT text FROM public.rows",
      "SELECT text FROM public.shown",
      "SELECT text FROM other.rows",
      "INSERT INTO public.rows (text) VALUES ('x')",
    ])
      await assert.rejects(run("monitor", sql), DENIED, sql);
    await assert.rejects(run("monitor", "CREATE TEMPORARY TABLE own (id int)"), DENIED);
  });

  it("owner owns its database and nothing beyond", async () => {
    for (const sql of ["CREATE ROLE own", "CREATE DATABASE own", "SELECT passwd FROM pg_shadow", "SELECT pg_read_file('/etc/passwd')"])
      await assert.rejects(run("owner", sql), DENIED, sql);
    await assert.rejects(run("owner", "SELECT 1", "postgres"), /permission denied for database/);
  });
}
