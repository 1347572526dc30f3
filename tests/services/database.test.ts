import assert from "node:assert/strict";
import { describeDatabaseContract } from "../app/db/database-contract";
import { openPostgres } from "../support/database";
import { rowsOf, startPostgres, type PostgresGroup } from "../support/services/postgres";
import { describePrivileges } from "../support/services/postgres-privileges";

describe("C1 D4 the database on Postgres", function () {
  this.timeout(120_000);
  let postgres: PostgresGroup;
  before(async () => (postgres = await startPostgres()));
  after(() => postgres.remove());

  describeDatabaseContract("Postgres", async () => {
    const database = await openPostgres((await postgres.createDatabase()).url);
    return { database, close: () => database.close() };
  });

  describe("least privilege in a cluster of one server", () => {
    describePrivileges((role, sql, database) => rowsOf(postgres.urlOf(role, database), sql));
  });

  it("gives numbers, 0 and 1, and text, whatever the type", async () => {
    const database = await openPostgres(postgres.url);
    const row = await database.get(
      `SELECT 1 = 1 AS yes, 1 = 2 AS no, count(*) AS count, sum(x) AS sum, 1.5::float8 AS float, '2026-01-02T03:04:05Z'::timestamptz AS time,
        '{"a":1}'::jsonb AS json, NULL::int AS nothing FROM (VALUES (1::bigint), (2)) AS t (x)`,
    );
    assert.deepEqual(row, { yes: 1, no: 0, count: 2, sum: 3, float: 1.5, time: "2026-01-02 03:04:05+00", json: '{"a": 1}', nothing: null });
    await assert.rejects(database.get("SELECT 9007199254740993::bigint AS big"), /beyond what a JavaScript number keeps/);
    await database.close();
  });
});
