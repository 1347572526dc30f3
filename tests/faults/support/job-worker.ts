/**
 * A process that runs jobs, for `jobs.test.ts`. Its job writes a line `<pid> <attempt> start` to the file of its payload, then does what the
 * payload says: `end`, `hang` until it is killed, or `hang-once`. Argument: the path of a SQLite database, or the URL of a Redis server.
 */
import { appendFileSync, writeSync } from "node:fs";
import pino from "pino";
import { SqliteDatabase } from "../../../app/src/db/sqlite";
import { redisBackend } from "../../../app/src/jobs/backends";
import { BullJobQueue } from "../../../app/src/jobs/bullmq";
import { EmbeddedJobQueue } from "../../../app/src/jobs/embedded";
import type { JobQueue, Processor } from "../../../app/src/jobs/queue";
import { RedisConnection } from "../../../app/src/redis/client";

/** Short, so that a lost worker is noticed at once; the tests' processes are expected to answer within it even on a busy machine. */
export const LEASE_MS = 3000;

const logger = pino({ level: "silent" });

export async function openQueue(where: string): Promise<{ readonly queue: JobQueue; close(): Promise<void> }> {
  const settings = { leaseMs: LEASE_MS, retryBaseMs: 20 };
  if (where.startsWith("redis://")) {
    const connection = new RedisConnection({ url: where, name: "limits", commandTimeoutMs: 1000, logger });
    await connection.started();
    const queue = new BullJobQueue(redisBackend(connection), logger, settings);
    return {
      queue,
      async close() {
        await queue.close();
        await connection.close();
      },
    };
  }
  const database = await SqliteDatabase.open({ file: where });
  const queue = new EmbeddedJobQueue(database, logger, { ...settings, pollMs: 20 });
  return {
    queue,
    async close() {
      await queue.close();
      await database.close();
    },
  };
}

const processor: Processor = ({ payload, attempt }) => {
  appendFileSync(String(payload["log"]), `${process.pid} ${attempt} start\n`);
  const hangs = payload["does"] === "hang" || (payload["does"] === "hang-once" && attempt === 1);
  if (hangs) return new Promise(() => undefined);
  appendFileSync(String(payload["log"]), `${process.pid} ${attempt} end\n`);
  return Promise.resolve({ by: process.pid, attempt });
};

async function main(): Promise<void> {
  const { queue } = await openQueue(process.argv[2] ?? "");
  await queue.work({ "tax-computation": processor }, { concurrency: { "tax-computation": 1 } });
  // Synchronous, so that the test knows when to begin.
  writeSync(1, "ready\n");
}

if (require.main === module) {
  main().catch((error: unknown) => {
    process.stderr.write(`${String(error)}\n`);
    process.exitCode = 1;
  });
}
