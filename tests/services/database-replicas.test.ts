import assert from "node:assert/strict";
import type { PostgresDatabase } from "../../app/src/db/postgres";
import { openPostgres, type OpenOptions } from "../support/database";
import { eventually } from "../support/services/container";
import { startPostgres, type PostgresGroup, type PostgresService } from "../support/services/postgres";

describe("E8 read replicas", function () {
  this.timeout(120_000);
  let postgres: PostgresGroup;
  let replicas: readonly [PostgresService, PostgresService];
  before(async () => {
    postgres = await startPostgres({ replicas: 2 });
    const [one, two] = postgres.replicas;
    assert.ok(one && two);
    replicas = [one, two];
    const database = await openPostgres(postgres.url);
    await database.run("CREATE TABLE numbers (id BIGINT PRIMARY KEY)");
    await database.close();
  });
  // Each test by itself, in any order and any number of times.
  beforeEach(() => postgres.admin("TRUNCATE numbers"));
  after(() => postgres.remove());

  async function withReplicas(work: (database: PostgresDatabase) => Promise<void>, options: OpenOptions = {}): Promise<void> {
    await postgres.replicated();
    const database = await openPostgres(postgres.url, { replicas: replicas.map(({ url }) => url), ...options });
    try {
      await eventually("both replicas are read", () => database.figures().replicas.every(({ healthy }) => healthy));
      await work(database);
    } finally {
      await database.close();
    }
  }

  const WHO = "SELECT pg_is_in_recovery() AS replica, (SELECT count(*) FROM numbers) AS count, inet_server_addr()::text AS address";
  interface Who {
    readonly replica: number;
    readonly count: number;
    readonly address: string;
  }
  const ask = async (database: PostgresDatabase, mark?: string): Promise<Who> => {
    const who = await database.reader(mark).get<Who>(WHO);
    assert.ok(who);
    return who;
  };
  const insert = (database: PostgresDatabase, id: number): Promise<number> =>
    database.transaction((transaction) => transaction.run("INSERT INTO numbers (id) VALUES (?)", [id]));
  const pauseReplay = (paused: boolean) =>
    Promise.all(replicas.map((replica) => replica.admin(`SELECT pg_wal_replay_${paused ? "pause" : "resume"}()`)));

  it("reads go to each in turn, writes and everything else to the primary", () =>
    withReplicas(async (database) => {
      const seen = new Map<string, number>();
      for (let index = 0; index < 20; index++) {
        const { replica, address } = await ask(database);
        assert.equal(replica, 1);
        seen.set(address, (seen.get(address) ?? 0) + 1);
      }
      assert.deepEqual([...seen.values()], [10, 10]);
      assert.equal((await database.get<Who>(WHO))?.replica, 0);
      assert.equal(await database.reader().run("INSERT INTO numbers (id) VALUES (1000)"), 1);
      const returned = await database.reader().get<{ id: number }>("INSERT INTO numbers (id) VALUES (1001) RETURNING id");
      assert.equal(returned?.id, 1001);
      const { replicas: figures, fallbacks } = database.figures();
      assert.ok(
        figures.every(({ reads, latencyMs, lagMs, failures }) => reads === 10 && latencyMs !== null && lagMs !== null && failures === 0),
      );
      assert.deepEqual(fallbacks, { behind: 0, unhealthy: 0, failed: 0 });
    }));

  it("whoever wrote sees it: a replica that has not replayed the write is passed over, one that has is read again", () =>
    withReplicas(async (database) => {
      await pauseReplay(true);
      try {
        const before = (await database.get<Who>(WHO))?.count ?? 0;
        await insert(database, 1);
        const afterTransaction = database.writeMark();
        assert.deepEqual([(await ask(database, afterTransaction)).replica, (await ask(database, afterTransaction)).count], [0, before + 1]);
        assert.deepEqual(await ask(database).then(({ replica, count }) => [replica, count]), [1, before], "others may read the past");
        await database.run("INSERT INTO numbers (id) VALUES (2)");
        const afterStatement = database.writeMark();
        assert.notEqual(afterStatement, afterTransaction);
        assert.deepEqual((await ask(database, afterStatement)).count, before + 2);
        assert.ok(database.figures().fallbacks.behind >= 3);
        await pauseReplay(false);
        await eventually("the replicas are read again", async () => (await ask(database, afterStatement)).replica === 1);
        assert.equal((await ask(database, afterStatement)).count, before + 2);
      } finally {
        await pauseReplay(false);
      }
    }));

  it("a replica that lags is left, whoever reads, and read again once it has caught up", () =>
    withReplicas(
      async (database) => {
        await pauseReplay(true);
        try {
          await insert(database, 3);
          await eventually("reads leave the replicas", async () => (await ask(database)).replica === 0);
          const { replicas: figures, fallbacks } = database.figures();
          assert.ok(figures.every(({ healthy, lagMs }) => !healthy && (lagMs ?? 0) > 200));
          assert.match(figures[0]?.lastError ?? "", /ms behind the primary/);
          assert.ok(fallbacks.unhealthy > 0);
        } finally {
          await pauseReplay(false);
        }
        await eventually("reads come back", async () => (await ask(database)).replica === 1);
      },
      { replica: { maxLagMs: 200 } },
    ));

  it("an idle primary makes nobody late", () =>
    withReplicas(
      async (database) => {
        // Far longer than the lag that is allowed; nothing is written meanwhile.
        const until = performance.now() + 1000;
        await eventually("a second without a write has passed", () => performance.now() > until);
        assert.ok(database.figures().replicas.every(({ healthy }) => healthy));
      },
      { replica: { maxLagMs: 200 } },
    ));

  it("one replica killed under reads: every read is answered, by the other or the primary, and it is read again once it is back", () =>
    withReplicas(async (database) => {
      let stop = false;
      let answered = 0;
      const errors: unknown[] = [];
      const readers = Array.from({ length: 4 }, async () => {
        while (!stop) {
          await ask(database).then(
            () => (answered += 1),
            (error: unknown) => errors.push(error),
          );
        }
      });
      await replicas[0].kill();
      await eventually("it is known to be down", () => database.figures().replicas[0]?.healthy === false);
      const before = answered;
      await eventually("reads go on", () => answered > before + 50);
      assert.notEqual(database.figures().replicas[0]?.lastError, null);
      await replicas[0].start();
      await eventually("it is read again", () => database.figures().replicas[0]?.healthy === true);
      stop = true;
      await Promise.all(readers);
      assert.deepEqual(errors, []);
    }));

  it("whoever has been answered by the primary is not answered by an older replica afterwards", () =>
    withReplicas(
      async (database) => {
        const reader = database.reader();
        const who = async (): Promise<number | undefined> => (await reader.get<Who>(WHO))?.replica;
        assert.equal(await who(), 1);
        await Promise.all(replicas.map((replica) => replica.stop()));
        assert.equal(await who(), 0);
        await Promise.all(replicas.map((replica) => replica.start()));
        await eventually("both are read again", () => database.figures().replicas.every(({ healthy }) => healthy));
        assert.deepEqual([await who(), (await ask(database)).replica], [0, 1]);
      },
      { retryMs: 3000 },
    ));

  it("one replica paused under reads: those that wait for it are answered elsewhere as soon as that is noticed", () =>
    withReplicas(async (database) => {
      await replicas[1].pause();
      try {
        const answers = await Promise.all(Array.from({ length: 10 }, () => ask(database)));
        assert.equal(answers.length, 10);
        assert.equal(database.figures().replicas[1]?.healthy, false);
        assert.ok(database.figures().fallbacks.failed > 0);
      } finally {
        await replicas[1].unpause();
      }
      await eventually("it is read again", () => database.figures().replicas[1]?.healthy === true);
    }));

  it("all replicas away: the primary answers; the primary away: the replicas still do", () =>
    withReplicas(
      async (database) => {
        await Promise.all(replicas.map((replica) => replica.stop()));
        assert.equal((await ask(database)).replica, 0);
        await Promise.all(replicas.map((replica) => replica.start()));
        await eventually("both are read again", () => database.figures().replicas.every(({ healthy }) => healthy));
        await postgres.pause();
        try {
          assert.equal((await ask(database)).replica, 1);
        } finally {
          await postgres.unpause();
        }
      },
      { retryMs: 3000 },
    ));
});
