import assert from "node:assert/strict";
import type { ReplicaFigures } from "../../app/src/db/database";
import type { PostgresDatabase } from "../../app/src/db/postgres";
import { openPostgres } from "../support/database";
import { eventually } from "../support/services/container";
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
