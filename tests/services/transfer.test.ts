import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { writeFileSync } from "node:fs";
import path from "node:path";
import { migrate } from "../../app/src/db/migrate";
import { SqliteDatabase } from "../../app/src/db/sqlite";
import { openSource, openTarget, parseAddress } from "../../app/src/transfer/address";
import { CARRIED_TABLES } from "../../app/src/transfer/tables";
import { transfer, type TransferOptions, type TransferResult } from "../../app/src/transfer/transfer";
import { inDirectory, MIGRATIONS } from "../app/db/support";
import { openPostgres } from "../support/database";
import { eventually } from "../support/services/container";
import { type PostgresGroup, startPostgres } from "../support/services/postgres";
import { fillTables } from "../support/transfer-rows";

const ROOT = path.resolve(__dirname, "../..");

async function run(from: string, to: string, options: TransferOptions = {}): Promise<TransferResult> {
  const source = await openSource(parseAddress("--from", from));
  const target = await openTarget(parseAddress("--to", to), options.dryRun === true);
  try {
    return await transfer(source, target, options);
  } finally {
    await Promise.all([source.close(), target.close()]);
  }
}

/** A SQLite file with rows in every table. */
async function filled(directory: string, companies?: number, orders?: number): Promise<string> {
  const file = path.join(directory, "from.db");
  const database = await SqliteDatabase.open({ file });
  await migrate(database, MIGRATIONS);
  await fillTables(database, companies, orders);
  await database.close();
  return file;
}

interface Ended {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** `npm run migrate:data`, as a process of its own. */
function command(args: readonly string[]): { kill(signal: NodeJS.Signals): void; readonly ended: Promise<Ended> } {
  const child = spawn(process.execPath, ["--import", "tsx", path.join(ROOT, "toolchain/main.ts"), "migrate-data", ...args], { cwd: ROOT });
  let [stdout, stderr] = ["", ""];
  child.stdout.on("data", (chunk: Buffer) => (stdout += chunk.toString()));
  child.stderr.on("data", (chunk: Buffer) => (stderr += chunk.toString()));
  const ended = once(child, "close").then(([code]) => ({ code: code as number | null, stdout, stderr }));
  return { kill: (signal) => child.kill(signal), ended };
}

describe("F1 A10 migrate:data between SQLite and Postgres", function () {
  this.timeout(120_000);
  let postgres: PostgresGroup;
  before(async () => {
    postgres = await startPostgres();
  });
  after(() => postgres.remove());

  it("SQLite to Postgres, on to another Postgres and back to SQLite: every row and every value arrives, each time with the same checksum", () =>
    inDirectory(async (directory) => {
      const first = await filled(directory);
      const [one, two] = [await postgres.createDatabase(), await postgres.createDatabase()];
      const last = path.join(directory, "to.db");
      const steps = [await run(first, one.url), await run(one.url, two.url), await run(two.url, last)];
      for (const { outcome, tables } of steps) {
        assert.equal(outcome, "complete");
        assert.deepEqual(tables, steps[0]?.tables);
      }
      const [before, after] = await Promise.all([SqliteDatabase.open({ file: first }), SqliteDatabase.open({ file: last })]);
      for (const table of CARRIED_TABLES) {
        const rows = await before.all(`SELECT * FROM ${table}`);
        assert.ok(rows.length > 0, table);
        assert.deepEqual(await after.all(`SELECT * FROM ${table}`), rows, table);
      }
      const epoch = await after.get<{ epoch: number }>("SELECT epoch FROM redis_fence");
      assert.equal(epoch?.epoch, 10);
      await Promise.all([before.close(), after.close()]);
      // The app's own login works with what the owner carried, and positions of events go on after the last one that was ever given.
      const app = await openPostgres(two.appUrl);
      const insert = `INSERT INTO event_outbox (id, company_id, number, type, payload, occurred_at) VALUES ('new', 'c', 9, 't', '{}', '') RETURNING position`;
      assert.deepEqual(await app.all(insert), [{ position: 7 }]);
      await app.close();
    }));

  it("refuses a Postgres with rows, and tells of a server or a login that does not work, without the password", () =>
    inDirectory(async (directory) => {
      const file = await filled(directory, 1, 1);
      const { url } = await postgres.createDatabase();
      await run(file, url);
      const other = path.join(directory, "other.db");
      const copy = await SqliteDatabase.open({ file: other });
      await migrate(copy, MIGRATIONS);
      await copy.close();
      await assert.rejects(run(other, url), /has rows already: companies \(1\), users \(2\)/);
      await assert.rejects(run(file, "postgres://owner:secret@127.0.0.1:1/app"), {
        message: /^postgres:\/\/127\.0\.0\.1:1\/app cannot be used: .*ECONNREFUSED/,
      });
      await assert.rejects(run(file, url.replace(/:[^:@]+@/, ":wrong@")), /cannot be used: password authentication failed/);
    }));

  it("killed in the middle and begun again it goes on from where it was; Ctrl-C ends it with 130, and the result is one JSON document", () =>
    inDirectory(async (directory) => {
      const file = await filled(directory, 10, 2000);
      const { url } = await postgres.createDatabase();
      const address = path.join(directory, "to.txt");
      writeFileSync(address, url);
      const args = ["--from", file, "--to", `file:${address}`, "--json"];
      const app = await openPostgres(url);
      const copied = async (): Promise<number> => {
        const table = await app.get("SELECT 1 AS found WHERE to_regclass('data_transfer_tables') IS NOT NULL");
        if (table === undefined) return 0;
        return (await app.get<{ copied: number }>("SELECT copied FROM data_transfer_tables WHERE table_name = 'orders'"))?.copied ?? 0;
      };
      for (const [signal, least] of [
        ["SIGKILL", 1],
        ["SIGINT", 6000],
      ] as const) {
        const killed = command(args);
        await eventually(`more than ${least} orders are copied`, async () => (await copied()) > least, 60_000);
        killed.kill(signal);
        const { code, stderr } = await killed.ended;
        if (signal === "SIGINT") assert.equal(code, 130, stderr);
        assert.ok((await copied()) < 20_000, "it was killed in the middle");
      }
      const { code, stdout, stderr } = await command(args).ended;
      assert.equal(code, 0, stderr);
      const result = JSON.parse(stdout) as TransferResult;
      assert.deepEqual([result.outcome, result.resumed], ["complete", true]);
      assert.equal(result.tables.find(({ table }) => table === "orders")?.rows, 20_000);
      assert.deepEqual(await app.all("SELECT count(*) AS orders, count(DISTINCT id) AS ids FROM orders"), [
        { orders: 20_000, ids: 20_000 },
      ]);
      assert.doesNotMatch(stdout + stderr, /owner:/);
      await app.close();
    }));
});
