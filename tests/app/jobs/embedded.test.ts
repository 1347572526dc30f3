import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import pino from "pino";
import { migrate } from "../../../app/src/db/migrate";
import { SqliteDatabase } from "../../../app/src/db/sqlite";
import { KEEP_DEAD_MS, KEEP_FINISHED_MS } from "../../../app/src/jobs/definitions";
import { EmbeddedJobQueue } from "../../../app/src/jobs/embedded";
import { EmbeddedStore } from "../../../app/src/jobs/embedded-store";
import { PermanentJobError } from "../../../app/src/jobs/queue";
import { eventually } from "../../support/services/container";
import { MIGRATIONS, withDatabase } from "../db/support";
import { describeQueueContract } from "./queue-contract";

const logger = pino({ level: "silent" });

describe("embedded job queue", function () {
  this.timeout(20_000);
  let directory = "";
  const databases: SqliteDatabase[] = [];
  const queues: EmbeddedJobQueue[] = [];

  before(() => (directory = mkdtempSync(path.join(tmpdir(), "phased-jobs-"))));
  after(() => rmSync(directory, { recursive: true, force: true }));

  /** A connection each, as processes have. */
  const connect = async (): Promise<SqliteDatabase> => {
    const database = await SqliteDatabase.open({ file: path.join(directory, "app.db") });
    await migrate(database, MIGRATIONS);
    databases.push(database);
    return database;
  };

  describeQueueContract("embedded on SQLite", () => ({
    async open({ leaseMs = 2000, timeoutMs } = {}) {
      const queue = new EmbeddedJobQueue(await connect(), logger, {
        leaseMs,
        pollMs: 20,
        retryBaseMs: 20,
        ...(timeoutMs !== undefined && { timeoutMs }),
      });
      queues.push(queue);
      return queue;
    },
    async reset() {
      await Promise.all(queues.splice(0).map((queue) => queue.close()));
      const [first] = databases;
      await first?.run("DELETE FROM queued_jobs");
      await first?.run("DELETE FROM paused_queues");
      await Promise.all(databases.splice(0).map((database) => database.close()));
    },
  }));

  it("D5 a lease that is not renewed is lost: once more, then a dead letter; its former owner can no longer decide", () =>
    withDatabase(async (database) => {
      const store = new EmbeddedStore(database, 30);
      const id = await store.add("tax-computation", {}, 2, {});
      const first = await store.claim("tax-computation");
      assert.ok(first);
      assert.deepEqual(await store.recover(), [], "not yet");
      await eventually(
        "it is taken back",
        async () => (await store.recover()).some((lost) => lost.id === id && lost.state === "waiting"),
        5000,
        5,
      );
      assert.equal(await store.finish(first, "completed", { late: true }, null), false);
      assert.equal((await store.renew([first])).get(first.owner), "lost");
      assert.equal(await store.handBack(first), false);
      const second = await store.claim("tax-computation");
      assert.equal(second?.attempt, 2);
      await eventually(
        "it is dead",
        async () => (await store.recover()).some((lost) => lost.id === id && lost.state === "failed"),
        5000,
        5,
      );
      assert.equal((await store.get(id))?.error, "Its worker was lost while it ran.");
      assert.deepEqual(
        (await store.deadLetters("tax-computation", 5, 0)).map((job) => job.id),
        [id],
      );
    }));

  it("D5 a damaged payload is a dead letter and stops nobody", () =>
    withDatabase(async (database) => {
      const queue = new EmbeddedJobQueue(database, logger, { pollMs: 10 });
      const id = await queue.add("tax-computation", {});
      await database.run("UPDATE queued_jobs SET payload = ? WHERE id = ?", ["{not json", id]);
      const good = await queue.add("tax-computation", {});
      await queue.work({ "tax-computation": () => Promise.resolve({}) });
      await eventually("both are over", async () => (await queue.stats())["tax-computation"].completed === 1, 5000, 10);
      assert.equal((await queue.get(good))?.state, "completed");
      assert.equal((await queue.get(id))?.state, "failed");
      assert.equal((await queue.get(id))?.error, "Its payload is damaged.");
      await queue.close();
    }));

  it("D5 finished jobs are forgotten after an hour, dead letters after two weeks", () =>
    withDatabase(async (database) => {
      const store = new EmbeddedStore(database, 1000);
      const queue = new EmbeddedJobQueue(database, logger, { pollMs: 10 });
      const done = await queue.add("tax-computation", { good: true });
      const dead = await queue.add("tax-computation", {});
      const waits = await queue.add("ocr-processing", {});
      await queue.work({
        "tax-computation": ({ payload }) => (payload["good"] === true ? Promise.resolve({}) : Promise.reject(new PermanentJobError("bad"))),
      });
      await eventually(
        "both are over",
        async () => typeof (await queue.get(dead))?.finishedAt === "string" && typeof (await queue.get(done))?.finishedAt === "string",
        5000,
        10,
      );
      await queue.close();
      await store.purge(Date.now() + KEEP_FINISHED_MS - 10_000);
      assert.ok(await store.get(done));
      await store.purge(Date.now() + KEEP_FINISHED_MS + 10_000);
      assert.equal(await store.get(done), undefined);
      assert.ok(await store.get(dead));
      await store.purge(Date.now() + KEEP_DEAD_MS + 10_000);
      assert.equal(await store.get(dead), undefined);
      assert.ok(await store.get(waits));
    }));
});
