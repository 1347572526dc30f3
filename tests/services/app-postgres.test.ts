import path from "node:path";
import { onPostgres, testDatabase } from "../support/test-database";

/**
 * Tests of `tests/app` that run here once more, on Postgres; `PHASED_TEST_DATABASE=postgres` runs any of them on it. Chosen for what differs
 * between the two: order and paging, numbers without gaps, conflicts, exact counts under concurrency, locks, and the outbox.
 */
const FILES = [
  "http/orders.test.ts",
  "http/users.test.ts",
  "http/pagination.test.ts",
  "domain/quotas.test.ts",
  "events/outbox.test.ts",
  "events/relay.test.ts",
  "events/handler.test.ts",
];

describe("C1 E1 the app's own tests on Postgres", function () {
  this.timeout(120_000);
  onPostgres(() => {
    before(() => {
      if (testDatabase() !== "postgres") throw new Error("these tests would run on SQLite");
    });
    for (const file of FILES) {
      const module = require.resolve(path.join(__dirname, "../app", file));
      // Loading a file defines its tests, here: also when this run has loaded it before.
      Reflect.deleteProperty(require.cache, module);
      // eslint-disable-next-line @typescript-eslint/no-require-imports -- an import cannot be inside of a suite
      require(module);
    }
  });
});
