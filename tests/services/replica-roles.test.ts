import assert from "node:assert/strict";
import { CommitUnknownError, type ReplicaFigures } from "../../app/src/db/database";
import type { PostgresDatabase } from "../../app/src/db/postgres";
import { openPostgres } from "../support/database";
import { eventually } from "../support/services/container";
import { type PatroniGroup, type PatroniNode, startPatroni, streaming } from "../support/services/patroni";
import { type PostgresPlane, startPlane } from "../support/services/postgres-plane";
import { startPgbouncer, type PgbouncerService } from "../support/services/pgbouncer";
import { startPostgres, type PostgresGroup, type PostgresService } from "../support/services/postgres";

const WHO = "SELECT pg_is_in_recovery() AS replica, inet_server_addr()::text AS address";
const who = (database: PostgresDatabase) => database.reader().get<{ replica: number; address: string }>(WHO);
const standings = (database: PostgresDatabase): string[] =>
  database.figures().replicas.map(({ primary, healthy }: ReplicaFigures) => (primary ? "primary" : healthy ? "replica" : "unfit"));

/** Every server is named as a replica, as the stack does it: which of them is read follows from what each is at the moment. */
describe("E8 A8 the primary among the replicas, each through a database of PgBouncer's", function () {
  this.timeout(120_000);
  let postgres: PostgresGroup;
  let replica: PostgresService;
  let pgbouncer: PgbouncerService;
  let database: PostgresDatabase;
  before(async () => {
    postgres = await startPostgres({ replicas: 1 });
    [replica] = postgres.replicas as [PostgresService];
    pgbouncer = await startPgbouncer(postgres, { nodes: [postgres.networkHost, replica.networkHost], nodePoolSize: 4 });
    database = await openPostgres(pgbouncer.url, { replicas: pgbouncer.nodeUrls });
    await eventually("the replica is read", () => standings(database).includes("replica"));
  });
  after(async () => {
    await database.close();
    await pgbouncer.remove();
    await postgres.remove();
  });

  it("only the replica is read; the primary among them is not, and nothing is wrong with it", async () => {
    assert.deepEqual(standings(database), ["primary", "replica"]);
    for (let index = 0; index < 10; index += 1) assert.equal((await who(database))?.replica, 1);
    const [primary, follower] = database.figures().replicas;
    assert.deepEqual([primary?.reads, primary?.lastError, follower?.reads], [0, null, 10]);
    assert.match(follower?.name ?? "", /\/app_replica-1$/, "two servers at one port have names of their own");
  });

  it("its console is for those who need it: the monitor looks, the operator pauses, the app does neither", async () => {
    const databases = await pgbouncer.show<{ name: string; host: string; pool_size: string }>("DATABASES");
    assert.deepEqual(
      databases.filter(({ name }) => name.startsWith("app_")).map(({ name, host, pool_size: size }) => [name, host, Number(size)]),
      [["app_primary", "primary", 4], ["app_replica-1", "replica-1", 4]], // prettier-ignore
    );
    await assert.rejects(pgbouncer.command("PAUSE app", "monitor"), /admin access needed/);
    await assert.rejects(pgbouncer.command("SHOW POOLS", "app"), /not allowed/);
    await pgbouncer.command("PAUSE app");
    const asked = database.get("SELECT 1 AS one");
    assert.deepEqual((await who(database))?.replica, 1, "the nodes' own databases go on");
    await pgbouncer.command("RESUME app");
    assert.deepEqual(await asked, { one: 1 });
  });

  it("one that starts again without a primary is not read: what it has may be another line's; one that only lost it, is", async () => {
    const [row] = await replica.admin<{ conninfo: string }>("SELECT current_setting('primary_conninfo') AS conninfo");
    const follow = async (conninfo: string): Promise<void> => {
      await replica.admin(`ALTER SYSTEM SET primary_conninfo = '${conninfo.replaceAll("'", "''")}'`);
      await replica.admin("SELECT pg_reload_conf()");
      const [receiving] = [conninfo !== ""];
      await eventually("the setting is in force", async () => {
        const [{ count } = {}] = await replica.admin<{ count: string }>("SELECT count(*) FROM pg_stat_wal_receiver");
        return (count === "1") === receiving;
      });
    };
    await follow("");
    try {
      assert.equal((await who(database))?.replica, 1, "it was in the line, and has nothing of its own");
      await replica.stop();
      await replica.start();
      await eventually("it was looked at", () => /does not follow a primary yet/.test(database.figures().replicas[1]?.lastError ?? ""));
      assert.equal((await who(database))?.replica, 0);
    } finally {
      await follow(row!.conninfo);
    }
    await eventually("it is read again", () => standings(database)[1] === "replica");
  });

  it("one that is promoted is not read any more, as soon as it is looked at; every read is answered meanwhile", async () => {
    const errors: unknown[] = [];
    let stop = false;
    let answered = 0;
    const readers = Array.from({ length: 3 }, async () => {
      while (!stop)
        await who(database).then(
          () => (answered += 1),
          (error: unknown) => errors.push(error),
        );
    });
    await replica.admin("SELECT pg_promote()");
    await eventually("it is known to be the primary", () => standings(database)[1] === "primary", 5000, 5);
    const before = database.figures().replicas[1]?.reads;
    const seen = answered;
    await eventually("reads go on", () => answered > seen + 20);
    stop = true;
    await Promise.all(readers);
    assert.equal(database.figures().replicas[1]?.reads, before);
    assert.deepEqual(errors, []);
  });
});

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
