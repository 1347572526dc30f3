import pino from "pino";
import { redisBackend } from "../../app/src/jobs/backends";
import { BullJobQueue } from "../../app/src/jobs/bullmq";
import { RedisConnection } from "../../app/src/redis/client";
import { describeQueueContract } from "../app/jobs/queue-contract";
import { type RedisService, startRedis } from "../support/services/redis";

const logger = pino({ level: "silent" });

describe("D5 job queue on Redis", function () {
  this.timeout(120_000);
  let server: RedisService;
  const queues: BullJobQueue[] = [];
  const connections: RedisConnection[] = [];

  before(async () => (server = await startRedis({ role: "limits" })));
  after(() => server.remove());

  describeQueueContract("BullMQ on Redis", () => ({
    async open({ leaseMs = 2000, timeoutMs } = {}) {
      const connection = new RedisConnection({ url: server.url, name: "limits", commandTimeoutMs: 500, logger });
      connections.push(connection);
      await connection.started();
      const queue = new BullJobQueue(redisBackend(connection), logger, {
        leaseMs,
        retryBaseMs: 20,
        ...(timeoutMs !== undefined && { timeoutMs }),
      });
      queues.push(queue);
      return queue;
    },
    async reset() {
      await Promise.all(queues.splice(0).map((queue) => queue.close()));
      await Promise.all(connections.splice(0).map((connection) => connection.close()));
      const client = server.client();
      for await (const keys of client.scanStream({ match: "bull:*", count: 500 })) {
        if ((keys as string[]).length > 0) await client.unlink(...(keys as string[]));
      }
      client.disconnect();
    },
  }));
});
