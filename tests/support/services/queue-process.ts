import pino from "pino";
import { redisBackend } from "../../../app/src/jobs/backends";
import { BullJobQueue } from "../../../app/src/jobs/bullmq";
import { RedisConnection } from "../../../app/src/redis/client";

/** By then each connection of BullMQ is most of the time between two attempts as well. */
const ATTEMPTS = 5;

/** A process that works on the jobs of a Redis until that is away for a while, then closes its queue and has nothing more to do. */
async function main([url = ""]: readonly string[]): Promise<void> {
  const logger = pino({ level: "silent" });
  const connection = new RedisConnection({ url, name: "limits", commandTimeoutMs: 500, logger });
  await connection.started();
  const queue = new BullJobQueue(redisBackend(connection), logger, { leaseMs: 2000 });
  await queue.work({ "tax-computation": () => Promise.resolve({}) });
  console.log("working");
  await new Promise<void>((resolve) => {
    let attempts = 0;
    connection.redis.on("reconnecting", () => {
      attempts += 1;
      if (attempts === ATTEMPTS) resolve();
    });
  });
  await queue.close();
  await connection.close();
  console.log("closed");
}

void main(process.argv.slice(2));
