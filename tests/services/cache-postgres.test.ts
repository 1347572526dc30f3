import assert from "node:assert/strict";
import pino from "pino";
import { loadConfig } from "../../app/src/config";
import { openDatabase } from "../../app/src/db/open";
import { SharedClock } from "../../app/src/session/clock";
import { describeCacheContract, memoryOnlyRig } from "../app/cache/cache-contract";
import { migrateAs } from "../support/database";
import { type PostgresService, startPostgres } from "../support/services/postgres";

const logger = pino({ level: "silent" });

describe("cache and clock on Postgres", function () {
  this.timeout(120_000);
  let postgres: PostgresService;
  before(async () => {
    postgres = await startPostgres();
    await migrateAs(postgres.url);
  });
  after(() => postgres.remove());

  const open = () => openDatabase(loadConfig({ NODE_ENV: "test", ...postgres.environment }), logger);

  describeCacheContract("memory only, two processes on one Postgres", false, () => memoryOnlyRig(open));

  it("the shared clock is the server's", async () => {
    const database = await open();
    const realNow = Date.now;
    try {
      Date.now = () => realNow() + 3_600_000;
      const clock = await SharedClock.start(database, logger);
      clock.stop();
      assert.ok(Math.abs(clock.now() - realNow()) < 5000, String(clock.now() - realNow()));
    } finally {
      Date.now = realNow;
      await database.close();
    }
  });
});
