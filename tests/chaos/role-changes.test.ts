import assert from "node:assert/strict";
import { CommitUnknownError, type ReplicaFigures } from "../../app/src/db/database";
import type { PostgresDatabase } from "../../app/src/db/postgres";
import { openPostgres } from "../support/database";
import { eventually } from "../support/services/container";
import { type PatroniGroup, type PatroniNode, startPatroni, streaming } from "../support/services/patroni";
import { type PostgresPlane, startPlane } from "../support/services/postgres-plane";

const WHO = "SELECT pg_is_in_recovery() AS replica, inet_server_addr()::text AS address";
const who = (database: PostgresDatabase) => database.reader().get<{ replica: number; address: string }>(WHO);
const standings = (database: PostgresDatabase): string[] =>
  database.figures().replicas.map(({ primary, healthy }: ReplicaFigures) => (primary ? "primary" : healthy ? "replica" : "unfit"));

/** Every server is named as a replica, as the stack does it; what each is alone is in tests/services/replica-roles.test.ts. */
describe("E8 A7 F2 two nodes change their roles under reads and writes", function () {
  this.timeout(180_000);
  let group: PatroniGroup;
  let plane: PostgresPlane;
  let primary: PatroniNode;
  let database: PostgresDatabase;
  before(async () => {
    group = await startPatroni(2);
    primary = await streaming(group);
    await primary.sql("CREATE TABLE noted (id BIGINT PRIMARY KEY)", [], "owner");
    plane = await startPlane(group);
    const url = (name: string): string =>
      `postgres://app:${encodeURIComponent(group.password("app"))}@127.0.0.1:${plane.pgbouncer.port}/${name}`;
    database = await openPostgres(url("app"), {
      // How long a switchover takes is tested elsewhere; a busy machine may hold writes longer than the app waits by default.
      pool: { min: 4, statementTimeoutMs: 60_000 },
      replicas: group.nodes.map(({ name }) => url(plane.nodeDatabase(name))),
      replica: { checkMs: 100 },
      retryMs: 30_000,
    });
  });
  after(async () => {
    await database?.close();
    await plane?.remove();
    await group?.remove();
  });

  const expected = (first: PatroniNode): string[] => group.nodes.map((node) => (node === first ? "primary" : "replica"));

  const WRITERS = 2;

  /** Writes rows, and after each reads with its mark, while `disturb` runs and until roles are as they should be afterwards. */
  async function underLoad(disturb: () => Promise<PatroniNode>, mayBeUnknown = false): Promise<PatroniNode> {
    const errors: unknown[] = [];
    const unseen: number[] = [];
    const acknowledged: number[] = [];
    const readFrom = new Set<number>();
    let [stop, id, reads] = [false, Date.now(), 0];
    const busy = async (work: () => Promise<unknown>): Promise<void> => {
      while (!stop) await work().catch((error: unknown) => errors.push(error));
    };
    const all = [
      ...Array.from({ length: WRITERS }, () =>
        busy(async () => {
          const mine = (id += 1);
          await database.transaction((transaction) => transaction.run("INSERT INTO noted (id) VALUES (?)", [mine]));
          acknowledged.push(mine);
          const row = await database
            .reader(database.writeMark())
            .get<{ count: number; replica: number }>("SELECT count(*) AS count, pg_is_in_recovery() AS replica FROM noted WHERE id = ?", [
              mine,
            ]);
          if (row?.count !== 1) unseen.push(mine);
          readFrom.add(row?.replica ?? -1);
        }),
      ),
      ...[1, 2].map(() => busy(() => who(database).then(() => (reads += 1)))),
    ];
    try {
      const next = await disturb();
      await eventually("both are what they are", () => standings(database).join() === expected(next).join());
      const before = reads;
      await eventually("reads go on", () => reads > before + 20);
      return next;
    } finally {
      stop = true;
      await Promise.all(all);
      const wrong = errors.filter((error) => !(mayBeUnknown && error instanceof CommitUnknownError));
      assert.deepEqual(wrong.map(String), []);
      const stored = new Set((await database.all<{ id: number }>("SELECT id FROM noted")).map((row) => row.id));
      assert.deepEqual(
        acknowledged.filter((mine) => !stored.has(mine)),
        [],
        "nothing that was acknowledged is lost",
      );
      assert.deepEqual(unseen, [], "whoever wrote it sees it");
      assert.ok(!readFrom.has(-1));
    }
  }

  it("a switchover: every read and write is answered, everybody sees what they wrote, and reads change over", async () => {
    await eventually("roles are known", () => standings(database).join() === expected(primary).join());
    const other = group.nodes.find((node) => node !== primary)!;
    primary = await underLoad(async () => {
      // One that takes too long is called off; reads and writes have to go on through that as well.
      await eventually("it is handed over", async () => {
        const answer = await plane.ask("/switchover", {
          method: "POST",
          headers: { Authorization: `Bearer ${group.password("patroni")}`, "Content-Type": "application/json" },
          body: JSON.stringify({ from: primary.name, to: other.name }),
        });
        return answer.status === 200;
      });
      return other;
    });
    await eventually("the former primary is read", async () => (await who(database))?.replica === 1);
  });

  it("the primary is killed and comes back: reads and writes are answered all the time, and it is read once it follows", async () => {
    const old = await streaming(group);
    const other = group.nodes.find((node) => node !== old)!;
    primary = await underLoad(async () => {
      await old.kill();
      await eventually("the other one is the primary", async () => (await other.api("GET", "/primary")).status === 200);
      await old.start();
      return other;
      // Whoever was in a COMMIT when the server died, or was cut off by a proxy that looked too late, cannot know.
    }, true);
  });
});
