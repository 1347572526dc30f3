import { setTimeout as delay } from "node:timers/promises";
import { isConflict } from "../db/postgres-errors";
import { IS_SEALED, MOVE_LOCK, NOTICE_MS, SEAL_TRIGGER } from "../db/postgres-seal";
import { TransferError } from "./failure";
import { connected, PostgresWriter } from "./postgres-store";
import * as state from "./state";
import { CARRIED_TABLES } from "./tables";

/** How often it is tried to have all tables at once. */
const LOCK_ATTEMPTS = 10;

/** How often others are looked for, and how long each of them may take to end, ms. */
const END_ATTEMPTS = 10;
const END_WAIT_MS = 5000;

/** What such a session calls itself. */
const SESSION_NAME = "move to SQLite";

const END_OTHERS = `SELECT pid, pg_terminate_backend(pid, ${END_WAIT_MS}) FROM pg_stat_activity
  WHERE datname = current_database() AND application_name = '${SESSION_NAME}' AND pid <> pg_backend_pid()`;

/**
 * Refuses every write to the tables that are carried, whoever writes. It is a part of the database: it outlasts the session that made it, a
 * restart and a failover. It answers as a table that is locked for too long (55P03), at once: what every version of the app makes 503 with
 * Retry-After of. Who reads notices nothing, neither when it is made (SHARE ROW EXCLUSIVE) nor afterwards.
 * @param copy for which it is made: a UUID
 */
function sealing(copy: string): string {
  return [
    `CREATE OR REPLACE FUNCTION rows_moved() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN
  RAISE lock_not_available USING MESSAGE = 'the rows were copied to SQLite, and nothing is written here any more';
END$$`,
    `COMMENT ON FUNCTION rows_moved() IS '${copy}'`,
    ...CARRIED_TABLES.flatMap((table) => [
      `CREATE OR REPLACE TRIGGER ${SEAL_TRIGGER} BEFORE INSERT OR UPDATE OR DELETE OR TRUNCATE ON ${table} FOR EACH STATEMENT EXECUTE FUNCTION rows_moved()`,
      // After a move that was given up it is there, and is switched off.
      `ALTER TABLE ${table} ENABLE TRIGGER ${SEAL_TRIGGER}`,
    ]),
  ].join(";\n");
}

const SEALED = `FROM pg_trigger WHERE ${IS_SEALED}`;

/** One statement for each table. Switched off and not dropped: that would keep readers out. */
const SWITCH_OFF = `SELECT format('ALTER TABLE %s DISABLE TRIGGER ${SEAL_TRIGGER}', tgrelid::regclass) ${SEALED}`;

/** A Postgres database that is left for SQLite, or that is gone on with after all; as the owner of its tables. */
export class HeldPostgres extends PostgresWriter {
  /**
   * Ends other sessions like this first. The newest attempt is the one that counts: an older one may run still, after its update was cancelled.
   * @throws TransferError when the server cannot be reached or refuses the login.
   */
  static async connect(url: string): Promise<HeldPostgres> {
    const postgres = new HeldPostgres(...(await connected(url, undefined)));
    try {
      await postgres.script(`SET application_name = '${SESSION_NAME}'`);
      for (let attempt = 1; (await postgres.query(END_OTHERS)).length > 0; attempt += 1)
        if (attempt === END_ATTEMPTS) throw new TransferError("an earlier move of rows to SQLite goes on and cannot be ended");
      return postgres;
    } catch (error) {
      await postgres.close();
      throw error;
    }
  }

  /**
   * Nobody writes from here on, until {@link seal} or the end of the connection. Instances of the app are told first and refuse writes by themselves
   * (db/postgres-seal.ts); who was not told waits for the lock, and is refused after a few seconds. Readers notice nothing.
   * @param more tables, beside those that are carried. @default none
   */
  async hold(more: readonly string[] = []): Promise<void> {
    // Of the session, so that nothing but its end gives it back.
    await this.query("SELECT pg_advisory_lock(?)", [String(MOVE_LOCK)]);
    // They look at it and do not answer: only time tells that all have.
    await delay(NOTICE_MS);
    for (let attempt = 1; ; attempt += 1) {
      try {
        // What it sees is fixed by the first query, which comes after the lock.
        await this.script("BEGIN ISOLATION LEVEL REPEATABLE READ");
        await this.script(`LOCK TABLE ${[...CARRIED_TABLES, ...more].join(", ")} IN SHARE ROW EXCLUSIVE MODE`);
        return;
      } catch (error) {
        // Met a transaction that has some of the tables and waits for others.
        if (!isConflict(error) || attempt === LOCK_ATTEMPTS) throw error;
        await this.script("ROLLBACK");
      }
    }
  }

  /**
   * From here on writers are refused at once, until {@link unseal}. Ends {@link hold}: nobody writes in between.
   * @param copy `run` of the SqliteWriter that made it
   */
  async seal(copy: string): Promise<void> {
    await this.script(sealing(copy));
    await this.script("COMMIT");
  }

  /** The copy it was sealed for, since which nobody has written and nobody can; `undefined` without a seal. */
  async sealedFor(): Promise<string | undefined> {
    const [row] = await this.query(`SELECT coalesce(obj_description(tgfoid, 'pg_proc'), '') ${SEALED} LIMIT 1`);
    return row?.[0] ?? undefined;
  }

  /**
   * Writers are let in again; ends {@link hold}, too. Changes nothing where there is no seal.
   * @param file {@link Reader.name} of a sealed file, which from here on counts as moved to this database
   */
  async unseal(file?: string): Promise<void> {
    await this.script("ROLLBACK");
    await this.transaction(async () => {
      for (const [statement] of await this.query(SWITCH_OFF)) await this.script(statement ?? "");
      if (file === undefined) return;
      const now = new Date().toISOString();
      await this.script(state.CREATE_STATE);
      await this.run(state.GO_ON, [file, now, now]);
    });
  }
}
