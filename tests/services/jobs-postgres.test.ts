import pino from "pino";
import { migratePostgresQueues, postgresBackend } from "../../app/src/jobs/backends";
import { BullJobQueue } from "../../app/src/jobs/bullmq";
import { describeQueueContract } from "../app/jobs/queue-contract";
import { type PostgresGroup, type PostgresUrls, startPostgres } from "../support/services/postgres";

const logger = pino({ level: "silent" });

describe("D5 job queue on Postgres", function () {
  this.timeout(120_000);
  let server: PostgresGroup;
  let urls: PostgresUrls;
  const queues: BullJobQueue[] = [];

  before(async () => {
    server = await startPostgres();
    urls = await server.createDatabase();
    // Every instance does this at its start: again changes nothing.
    await migratePostgresQueues({ url: urls.url });
    await migratePostgresQueues({ url: urls.url });
  });
  after(() => server.remove());

  describeQueueContract("BullMQ on Postgres", () => ({
    open({ leaseMs = 2000, timeoutMs } = {}) {
      const queue = new BullJobQueue(postgresBackend({ url: urls.appUrl }), logger, {
        leaseMs,
        retryBaseMs: 20,
        ...(timeoutMs !== undefined && { timeoutMs }),
      });
      queues.push(queue);
      return Promise.resolve(queue);
    },
    async reset() {
      await Promise.all(queues.splice(0).map((queue) => queue.close()));
      // A database of its own for each test: BullMQ's tables are its own business.
      urls = await server.createDatabase();
      await migratePostgresQueues({ url: urls.url });
    },
  }));
});
