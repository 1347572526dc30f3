import assert from "node:assert/strict";
import { Client, DatabaseError } from "pg";
import { DatabaseUnavailableError } from "../../app/src/db/database";
import type { PostgresDatabase } from "../../app/src/db/postgres";
import { openPostgres } from "../support/database";
import { dockerCommand, eventually } from "../support/services/container";
import { startPostgres, type PostgresGroup } from "../support/services/postgres";

/** What a server refuses cleanly is tried again until it passes, for as long as there is time, and has its effect once. */
describe("C1 D4 F2 refusals of Postgres that pass", function () {
  this.timeout(120_000);
  let postgres: PostgresGroup;
  let direct: PostgresDatabase;
  before(async () => {
    postgres = await startPostgres();
    direct = await openPostgres(postgres.url);
    await direct.run("CREATE TABLE kept (id BIGINT NOT NULL)");
  });
  after(async () => {
    await direct.close();
    await postgres.remove();
  });
  beforeEach(() => direct.run("DELETE FROM kept"));

  const stored = async (): Promise<number[]> => (await direct.all<{ id: number }>("SELECT id FROM kept ORDER BY id")).map(({ id }) => id);
  /** Not idempotent on purpose: done twice, it would show. */
  const INSERT = "INSERT INTO kept (id) VALUES (?)";
  const inTransaction = (database: PostgresDatabase, id: number) =>
    database.transaction((transaction) => transaction.run(INSERT, [id]), { lock: "kept" });

  /** Connects as the app does, says one thing, and resolves with the SQLSTATE it was refused with. */
  async function refusal(sql: string): Promise<string | undefined> {
    const client = new Client({ connectionString: postgres.url });
    client.on("error", () => undefined);
    try {
      await client.connect();
      await client.query(sql);
      return undefined;
    } catch (error) {
      return error instanceof DatabaseError ? error.code : String(error);
    } finally {
      await client.end().catch(() => undefined);
    }
  }

  /** Begins writes while the server refuses them, ends the refusal once both were repeated, and looks that both happened once. */
  async function passesOver(database: PostgresDatabase, end: () => Promise<unknown>): Promise<void> {
    const writing = Promise.all([inTransaction(database, 1), database.run(INSERT, [2])]);
    writing.catch(() => undefined);
    await eventually("both are tried again and again", () => database.figures().retries >= 6);
    await end();
    assert.deepEqual(await writing, [1, 1]);
    assert.deepEqual(await stored(), [1, 2]);
  }

  it("25006: a server that is no primary any more is asked again until there is one; nothing is written meanwhile, reads go on", async () => {
    const readOnly = async (on: boolean): Promise<void> => {
      await postgres.admin(`ALTER SYSTEM ${on ? "SET default_transaction_read_only = on" : "RESET default_transaction_read_only"}`);
      await postgres.admin("SELECT pg_reload_conf()");
      await eventually("the setting is in force", async () => (await refusal("CREATE TEMP TABLE probe ()")) === (on ? "25006" : undefined));
    };
    const [patient, hasty] = [await openPostgres(postgres.url), await openPostgres(postgres.url, { retryMs: 300 })];
    // A connection from before the change, as pools have them.
    await patient.get("SELECT 1 AS one");
    await readOnly(true);
    try {
      assert.equal(await refusal("INSERT INTO kept (id) VALUES (99)"), "25006");
      for (const write of [() => inTransaction(hasty, 3), () => hasty.run(INSERT, [4])]) {
        await assert.rejects(write(), (error) => error instanceof DatabaseUnavailableError && /read-only/.test(error.message));
      }
      assert.deepEqual(await hasty.get("SELECT count(*) AS count FROM kept"), { count: 0 });
      await passesOver(patient, () => readOnly(false));
    } finally {
      await readOnly(false);
      await Promise.all([patient.close(), hasty.close()]);
    }
  });

  it("53300: too many connections: tried again until one is free, or refused in time", async () => {
    const [patient, hasty] = [await openPostgres(postgres.url), await openPostgres(postgres.url, { retryMs: 300 })];
    await direct.close();
    await postgres.admin("ALTER ROLE owner CONNECTION LIMIT 1");
    const holder = new Client({ connectionString: postgres.url });
    await eventually("one connection takes the only place", async () => {
      const [row] = await postgres.admin<{ count: string }>("SELECT count(*) FROM pg_stat_activity WHERE usename = 'owner'");
      return row?.count === "0";
    });
    await holder.connect();
    try {
      assert.equal(await refusal("SELECT 1"), "53300");
      for (const ask of [() => inTransaction(hasty, 3), () => hasty.run(INSERT, [4]), () => hasty.get("SELECT 1 AS one")]) {
        await assert.rejects(ask(), (error) => error instanceof DatabaseUnavailableError && /too many connections/.test(error.message));
      }
      const writing = Promise.all([inTransaction(patient, 1), patient.get("SELECT 1 AS one")]);
      writing.catch(() => undefined);
      await eventually("both are tried again and again", () => patient.figures().retries >= 6);
      await holder.end();
      assert.deepEqual(await writing, [1, { one: 1 }]);
    } finally {
      await holder.end();
      await postgres.admin("ALTER ROLE owner CONNECTION LIMIT -1");
      await Promise.all([patient.close(), hasty.close()]);
      direct = await openPostgres(postgres.url);
    }
    assert.deepEqual(await stored(), [1]);
  });

  it("53100: no space on the server's disk: tried again until there is, or refused in time as what passes", async () => {
    const [patient, hasty] = [await openPostgres(postgres.url), await openPostgres(postgres.url, { retryMs: 300 })];
    // What a full disk is like for a statement, without filling the disk of whoever runs this; the suite chaos fills one.
    await direct.run("CREATE TABLE full_disk (is_full BOOLEAN)");
    await direct.run(`CREATE FUNCTION extend() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
      IF EXISTS (SELECT FROM full_disk) THEN RAISE 'could not extend file' USING ERRCODE = 'disk_full'; END IF; RETURN NEW; END $$`);
    await direct.run("CREATE TRIGGER extend BEFORE INSERT ON kept FOR EACH ROW EXECUTE FUNCTION extend()");
    await direct.run("INSERT INTO full_disk VALUES (true)");
    try {
      assert.equal(await refusal("INSERT INTO kept (id) VALUES (99)"), "53100");
      for (const write of [() => inTransaction(hasty, 3), () => hasty.run(INSERT, [4])]) {
        await assert.rejects(write(), (error) => error instanceof DatabaseUnavailableError && /could not extend/.test(error.message));
      }
      await passesOver(patient, () => direct.run("DELETE FROM full_disk"));
    } finally {
      await direct.run("DROP TRIGGER extend ON kept");
      await direct.run("DROP FUNCTION extend");
      await direct.run("DROP TABLE full_disk");
      await Promise.all([patient.close(), hasty.close()]);
    }
  });

  it("57P03: a server that shuts down or starts is asked again until it is there, and the write happens once", async () => {
    const [patient, hasty] = [await openPostgres(postgres.url, { retryMs: 60_000 }), await openPostgres(postgres.url, { retryMs: 300 })];
    // Shutting down the smart way, it waits for this one and takes no others.
    const last = new Client({ connectionString: postgres.adminUrl });
    last.on("error", () => undefined);
    await last.connect();
    await direct.close();
    try {
      await dockerCommand(["kill", "--signal", "TERM", postgres.container]);
      await eventually("it refuses to connect", async () => (await refusal("SELECT 1")) === "57P03");
      for (const ask of [() => inTransaction(hasty, 3), () => hasty.get("SELECT 1 AS one")]) {
        await assert.rejects(ask(), (error) => error instanceof DatabaseUnavailableError && /shutting down/.test(error.message));
      }
      await passesOverAfterRestart(patient, last);
    } finally {
      await Promise.all([patient.close(), hasty.close()]);
      direct = await openPostgres(postgres.url);
    }
    assert.deepEqual(await stored(), [1, 2]);
  });

  async function passesOverAfterRestart(database: PostgresDatabase, last: Client): Promise<void> {
    const writing = Promise.all([inTransaction(database, 1), database.run(INSERT, [2])]);
    writing.catch(() => undefined);
    await eventually("both are tried again and again", () => database.figures().retries >= 6);
    await last.end();
    await eventually("it has stopped", async () => {
      return (await dockerCommand(["inspect", "--format", "{{.State.Running}}", postgres.container])).trim() === "false";
    });
    await postgres.start();
    assert.deepEqual(await writing, [1, 1]);
  }
});
