import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import path from "node:path";
import { loadConfig } from "../../app/src/config";
import { abortMove } from "../../app/src/db/shards/move/abort";
import { closeSessions, openSessions } from "../../app/src/db/shards/move/command";
import { type MoveOptions, type MoveSessions, MoveStopped } from "../../app/src/db/shards/move/types";
import { BATCH_ROWS, COMPANY, MoveRig } from "../support/services/company-move";
import { type PostgresGroup, rowsOf, startPostgres } from "../support/services/postgres";

const ROOT = path.resolve(__dirname, "../..");

describe("A17 a move that is interrupted", function () {
  this.timeout(300_000);
  let postgres: PostgresGroup;
  let rig: MoveRig;
  before(async () => {
    postgres = await startPostgres();
  });
  after(() => postgres.remove());
  beforeEach(async () => {
    rig = await MoveRig.start(postgres);
  });
  afterEach(() => rig.stop());

  it("A17 stopped in the middle of a table it goes on from there; what changed meanwhile is carried as well", async () => {
    const running = rig.write();
    const stop = new AbortController();
    const stopped = rig.move("s2", {
      signal: stop.signal,
      onProgress({ table = "", rows = 0 }) {
        if (table === "orders" && rows >= 3 * BATCH_ROWS) stop.abort();
      },
    });
    await assert.rejects(stopped, MoveStopped);
    assert.equal(await rig.place(), "first");
    const there = (await rig.rowsIn("s2"))["orders"] ?? 0;
    assert.equal(there, 3 * BATCH_ROWS, "what was copied stays");
    await running.more(20);
    const again: Record<string, number> = {};
    const result = await rig.move("s2", {
      onProgress({ step, table = "", rows = 0 }) {
        if (step === "copying") again[table] = rows;
      },
    });
    assert.equal(result.resumed, true);
    assert.equal(again["users"], undefined, "tables that were there are not copied again");
    await running.stop();
    assert.deepEqual(running.failures, []);
    await rig.assertMoved("s2", running.acknowledged);
  });

  it("A17 a move that lost its lock without knowing decides nothing once somebody wrote", async () => {
    const running = rig.write();
    // As if the server had failed over: the connection lives, and the lock is gone.
    const lockless = ({ holder, ...others }: MoveSessions): MoveSessions => {
      const without = {
        shard: holder.shard,
        script: (sql: string) => holder.script(sql),
        run: (sql: string, parameters?: readonly unknown[]) =>
          sql.includes("pg_advisory_xact_lock") ? Promise.resolve(0) : holder.run(sql, parameters),
        transaction: (work: () => Promise<unknown>) => holder.transaction(work),
      };
      return { ...others, holder: without as unknown as MoveSessions["holder"] };
    };
    const outcome = await rig.move("s2", {}, lockless).then(
      () => "moved",
      (error: unknown) => (error as Error).message,
    );
    assert.match(outcome, /could not be held for long enough; it is where it was/);
    assert.equal(await rig.place(), "first");
    await running.more(20);
    assert.deepEqual(running.failures, []);
    await rig.move("s2");
    await running.stop();
    assert.deepEqual(running.failures, []);
    await rig.assertMoved("s2", running.acknowledged);
  });

  it("A17 what was copied is deleted by --abort; a company that has arrived cannot be aborted, and rows of nobody's move are not overwritten", async () => {
    const stop = new AbortController();
    const onProgress: MoveOptions["onProgress"] = ({ table }) => {
      if (table === "orders") stop.abort();
    };
    await assert.rejects(rig.move("s2", { signal: stop.signal, onProgress }), MoveStopped);
    const sessions = await openSessions(loadConfig(rig.environment), "first", "s2");
    try {
      assert.ok((await abortMove(sessions, COMPANY)).rows > 0);
      assert.deepEqual(await rig.rowsIn("s2"), {});
      await assert.rejects(abortMove(sessions, COMPANY), /there is no unfinished move of the company to "s2"/);
      for (const name of ["first", "s2"]) {
        const url = rig.urls[name] ?? "";
        for (const sql of [
          "SELECT 1 FROM shard_fences",
          "SELECT 1 FROM shard_changes",
          "SELECT 1 FROM pg_trigger WHERE tgname LIKE 'shard_move_%'",
        ])
          assert.deepEqual(await rowsOf(url, sql), [], `${sql} in ${name}`);
      }
      const row = "INSERT INTO companies (id, name, created_at, updated_at) VALUES ($1, 'Other', '', '')";
      await rowsOf(rig.urls["s2"] ?? "", row, [COMPANY]);
      await assert.rejects(rig.move("s2"), /"s2" has rows of the company in companies already/);
      await rowsOf(rig.urls["s2"] ?? "", "DELETE FROM companies WHERE id = $1", [COMPANY]);
      await rig.move("s2");
      await assert.rejects(abortMove(sessions, COMPANY), /the company is in "s2" already/);
      await rig.assertMoved("s2", []);
    } finally {
      await closeSessions(sessions);
    }
  });

  it("A17 killed at any moment the company answers from where it was, or from its new place, and the same command goes on", async () => {
    const running = rig.write();
    const args = ["--import", "tsx", path.join(ROOT, "app/src/main.ts"), "move-company", `--company=${COMPANY}`, "--to=s2"];
    const stops = [/^copying/m, /^catching up/m, /^waiting/m, /^comparing/m, /^holding/m, /^deleting/m];
    for (const stop of stops) {
      const child = spawn(process.execPath, args, { cwd: ROOT, env: { ...process.env, ...rig.environment } });
      let told = "";
      child.stderr.on("data", (chunk: Buffer) => {
        told += chunk.toString();
        if (stop.test(told)) child.kill("SIGKILL");
      });
      const [, signal] = (await once(child, "close")) as [number | null, string | null];
      assert.equal(signal, "SIGKILL", `it was to be killed at ${stop}: ${told}`);
      await running.more(4);
      assert.deepEqual(running.failures, [], `after it was killed at ${stop}`);
    }
    const result = await rig.move("s2");
    assert.equal(result.resumed, true);
    await running.stop();
    assert.deepEqual(running.failures, []);
    await rig.assertMoved("s2", running.acknowledged);
  });
});
