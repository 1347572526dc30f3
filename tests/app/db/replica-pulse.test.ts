import assert from "node:assert/strict";
import pino from "pino";
import type { Database } from "../../../app/src/db/database";
import { ReplicaPulse } from "../../../app/src/db/replica-pulse";
import { eventually } from "../../support/services/container";
import { withDatabase } from "./support";

const TIMES = { everyMs: 20, leaseMs: 200 } as const;
const silent = pino({ level: "silent" });

interface Turn {
  readonly owner: string;
  readonly until: string;
}

async function turnIn(database: Database): Promise<Turn | undefined> {
  return (await database.all<Turn>("SELECT owner, expires_at AS until FROM leases WHERE name = 'replica-pulse'"))[0];
}

/** Two turns in a row, some writes apart. */
async function written(database: Database): Promise<readonly [Turn, Turn]> {
  let first: Turn | undefined;
  await eventually("a first write", async () => (first = await turnIn(database)) !== undefined);
  let later: Turn | undefined;
  await eventually("a later write", async () => (later = await turnIn(database))?.until !== first?.until);
  return [first!, later!];
}

describe("A14 writes that let ReplicaLag of RDS tell the lag", function () {
  this.timeout(20_000);

  it("A17 go on in each of several databases, whatever another one does", () =>
    withDatabase((first) =>
      withDatabase(async (second) => {
        const away = { kind: "postgres", run: () => new Promise<number>(() => undefined) } as unknown as Database;
        const pulse = new ReplicaPulse({ databases: [away, first, second], logger: silent, ...TIMES });
        pulse.start();
        const [, there] = await written(second);
        const [, here] = await written(first);
        assert.equal(here.owner, there.owner);
        pulse.close();
      }),
    ));

  it("are one process's, and another's when that one is gone", () =>
    withDatabase(async (database) => {
      const pulses = [1, 2].map(() => new ReplicaPulse({ databases: [database], logger: silent, ...TIMES }));
      const [leader, follower] = pulses;
      leader?.start();
      const [{ owner }] = await written(database);
      follower?.start();
      const [before, after] = await written(database);
      assert.deepEqual([before.owner, after.owner], [owner, owner]);
      leader?.close();
      await eventually("another goes on", async () => (await turnIn(database))?.owner !== owner);
      follower?.close();
    }));

  it("say once why they fail, and go on when the database is back", () =>
    withDatabase(async (database) => {
      const lines: { readonly level: number; readonly reason?: string }[] = [];
      const logger = pino({ level: "debug" }, { write: (text: string) => lines.push(JSON.parse(text) as { level: number }) });
      let away = true;
      const flaky = {
        kind: database.kind,
        run: (sql: string, values: readonly string[]) => (away ? Promise.reject(new Error("read-only")) : database.run(sql, values)),
      } as unknown as Database;
      const pulse = new ReplicaPulse({ databases: [flaky], logger, everyMs: 20, leaseMs: 30 });
      pulse.start();
      await eventually("three failures", () => lines.length >= 3);
      assert.deepEqual(
        lines.slice(0, 3).map(({ level, reason }) => [level, reason]),
        [
          [40, "read-only"],
          [20, "read-only"],
          [20, "read-only"],
        ],
      );
      away = false;
      await written(database);
      pulse.close();
      const told = lines.length;
      away = true;
      const last = await turnIn(database);
      await new Promise((resolve) => setTimeout(resolve, 150));
      assert.deepEqual([await turnIn(database), lines.length], [last, told], "silent after it is closed");
    }));
});
