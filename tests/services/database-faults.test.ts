import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer, type AddressInfo } from "node:net";
import { CommitUnknownError, DatabaseUnavailableError, PoolExhaustedError } from "../../app/src/db/database";
import type { PostgresDatabase } from "../../app/src/db/postgres";
import { openPostgres, type OpenOptions } from "../support/database";
import { eventually } from "../support/services/container";
import { startPostgres, type PostgresGroup } from "../support/services/postgres";
import { startTcpProxy, type TcpProxy } from "../support/tcp-proxy";

describe("C1 D4 Postgres under faults", function () {
  this.timeout(120_000);
  let postgres: PostgresGroup;
  let direct: PostgresDatabase;
  before(async () => {
    postgres = await startPostgres();
    direct = await openPostgres(postgres.url);
    await direct.run("CREATE TABLE kept (id BIGINT PRIMARY KEY)");
  });
  after(async () => {
    await direct.close();
    await postgres.remove();
  });
  beforeEach(() => direct.run("DELETE FROM kept"));

  const stored = async (): Promise<number[]> => (await direct.all<{ id: number }>("SELECT id FROM kept ORDER BY id")).map(({ id }) => id);
  const insert = (database: PostgresDatabase, id: number, idempotent = false): Promise<unknown> =>
    database.transaction(
      async (transaction) => {
        if ((await transaction.get("SELECT id FROM kept WHERE id = ?", [id])) === undefined) {
          await transaction.run("INSERT INTO kept (id) VALUES (?)", [id]);
        }
      },
      { idempotent },
    );

  async function throughProxy(
    work: (proxy: TcpProxy, database: PostgresDatabase) => Promise<void>,
    options: OpenOptions = {},
  ): Promise<void> {
    const proxy = await startTcpProxy(postgres.port);
    const url = new URL(postgres.url);
    url.port = String(proxy.port);
    const database = await openPostgres(url.href, options);
    try {
      await work(proxy, database);
    } finally {
      proxy.onRequest = undefined;
      await database.close();
      await proxy.close();
    }
  }

  const isCommit = (chunk: Buffer): boolean => chunk.includes("COMMIT");

  it("the primary is killed and comes back under writes: no acknowledged write is lost, and writes go on by themselves", async () => {
    const database = await openPostgres(postgres.url);
    const acknowledged: number[] = [];
    const failures: unknown[] = [];
    let next = 0;
    let stop = false;
    const writers = Array.from({ length: 6 }, async () => {
      while (!stop) {
        const id = (next += 1);
        await insert(database, id).then(
          () => acknowledged.push(id),
          (error: unknown) => failures.push(error),
        );
      }
    });
    await eventually("writes are acknowledged", () => acknowledged.length > 20);
    await postgres.kill();
    const before = acknowledged.length;
    await postgres.start();
    await eventually("writes are acknowledged again", () => acknowledged.length > before + 20);
    stop = true;
    await Promise.all(writers);
    const rows = new Set(await stored());
    assert.deepEqual(
      acknowledged.filter((id) => !rows.has(id)),
      [],
      "acknowledged and gone",
    );
    assert.ok(
      failures.every((error) => error instanceof CommitUnknownError),
      failures.map(String).join("\n"),
    );
    assert.ok(failures.length <= writers.length, "only what was being committed is uncertain; everything else was tried again");
    assert.ok(database.figures().retries > 0);
    await database.close();
  });

  it("a connection lost during COMMIT is not repeated: the caller hears that it is not known", () =>
    throughProxy(async (proxy, database) => {
      for (const [id, verdict, expected] of [
        [1, "cut-after", [1]],
        [2, "cut", [1]],
      ] as const) {
        let commits = 0;
        proxy.onRequest = (chunk) => {
          if (!isCommit(chunk)) return "pass";
          commits += 1;
          return verdict;
        };
        await assert.rejects(insert(database, id), CommitUnknownError);
        assert.equal(commits, 1);
        assert.deepEqual(await stored(), expected, verdict);
      }
      proxy.onRequest = undefined;
      await insert(database, 3);
      assert.deepEqual(await stored(), [1, 3], "and it goes on");
    }));

  it("E8 a write of which it is not known whether it was kept may be on no replica, until the next one", () =>
    throughProxy(
      async (proxy, database) => {
        const unseen = "FFFFFFFF/FFFFFFFF";
        await insert(database, 1);
        assert.notEqual(database.writeMark(), unseen);
        proxy.onRequest = (chunk) => (isCommit(chunk) ? "cut-after" : "pass");
        await assert.rejects(insert(database, 2), CommitUnknownError);
        assert.equal(database.writeMark(), unseen);
        proxy.onRequest = (chunk) => (chunk.includes("DELETE") ? "cut-after" : "pass");
        await insert(database, 3);
        assert.notEqual(database.writeMark(), unseen);
        await assert.rejects(database.run("DELETE FROM kept"), CommitUnknownError);
        assert.equal(database.writeMark(), unseen);
      },
      { replicas: [postgres.url] },
    ));

  it("a lost COMMIT stays unknown when there is no server to look it up, however often it may be repeated", () =>
    throughProxy(
      async (proxy, database) => {
        proxy.onRequest = (chunk) => {
          if (!isCommit(chunk)) return "pass";
          proxy.target = undefined;
          return "cut-after";
        };
        await assert.rejects(insert(database, 1, true), CommitUnknownError);
        assert.deepEqual(await stored(), [1]);
        proxy.target = postgres.port;
      },
      { retryMs: 500 },
    ));

  it("a connection lost during COMMIT is repeated when that does no harm", () =>
    throughProxy(async (proxy, database) => {
      for (const [id, verdict] of [
        [1, "cut-after"],
        [2, "cut"],
      ] as const) {
        let commits = 0;
        proxy.onRequest = (chunk) => (isCommit(chunk) && (commits += 1) === 1 ? verdict : "pass");
        await insert(database, id, true);
        assert.equal(commits, 2);
      }
      assert.deepEqual(await stored(), [1, 2]);
    }));

  it("a connection lost before COMMIT is repeated and has its effect once; a single write is not repeated, a read is", () =>
    throughProxy(async (proxy, database) => {
      const once = (text: string, verdict: "cut" | "cut-after"): void => {
        let seen = 0;
        proxy.onRequest = (chunk) => (chunk.includes(text) && (seen += 1) === 1 ? verdict : "pass");
      };
      for (const text of ["BEGIN", "INSERT"]) {
        for (const verdict of ["cut", "cut-after"] as const) {
          once(text, verdict);
          await insert(database, 1);
          await direct.run("DELETE FROM kept");
        }
      }
      once("INSERT", "cut-after");
      await assert.rejects(database.run("INSERT INTO kept (id) VALUES (?)", [7]), CommitUnknownError);
      assert.deepEqual(await stored(), [7]);
      once("count", "cut");
      assert.deepEqual(await database.get("SELECT count(*) AS count FROM kept"), { count: 1 });
    }));

  it("no server to be had: tried again until it comes back, or refused within the time there is", () =>
    throughProxy(
      async (proxy, database) => {
        proxy.target = undefined;
        proxy.cutAll();
        await assert.rejects(
          insert(database, 1),
          (error) => error instanceof DatabaseUnavailableError && !(error instanceof PoolExhaustedError),
        );
        const waiting = insert(database, 2);
        proxy.target = postgres.port;
        await waiting;
        assert.deepEqual(await stored(), [2]);
      },
      { retryMs: 700 },
    ));

  it("a server that is paused: whoever waits is refused in bounded time, nothing crashes, and it goes on afterwards", async () => {
    const options = { statementTimeoutMs: 500, connectTimeoutMs: 300, max: 3 };
    const database = await openPostgres(postgres.url, { pool: options, retryMs: 1000 });
    await insert(database, 1);
    await postgres.pause();
    const results = await Promise.allSettled([
      ...Array.from({ length: 8 }, (_, index) => insert(database, 10 + index)),
      ...Array.from({ length: 4 }, () => database.get("SELECT 1 AS one")),
    ]);
    await postgres.unpause();
    for (const result of results) {
      assert.equal(result.status, "rejected");
      assert.ok(result.reason instanceof DatabaseUnavailableError, String(result.reason));
    }
    await insert(database, 2);
    assert.deepEqual(await stored(), [1, 2], "nothing of what was refused happened");
    await database.close();
  });

  it("every connection in use: the next is refused after the wait, counted as waiting meanwhile, and served once one is free", async () => {
    const database = await openPostgres(postgres.url, { pool: { max: 2, connectTimeoutMs: 300 } });
    let release!: () => void;
    const held = new Promise<void>((resolve) => (release = resolve));
    const holders = [1, 2].map((id) =>
      database.transaction(async (transaction) => {
        await transaction.run("INSERT INTO kept (id) VALUES (?)", [id]);
        await held;
      }),
    );
    await eventually("both are in use", () => database.figures().pool?.inUse === 2);
    const refused = assert.rejects(database.get("SELECT 1"), PoolExhaustedError);
    await eventually("one waits", () => database.figures().pool?.waiting === 1);
    await refused;
    const patient = database.get("SELECT 1 AS one");
    release();
    assert.deepEqual(await patient, { one: 1 });
    await Promise.all(holders);
    assert.deepEqual(await stored(), [1, 2]);
    await database.close();
  });

  it("a commit that gives up waiting for its standby counts as failed, although the primary keeps it", async () => {
    await postgres.admin("ALTER SYSTEM SET synchronous_standby_names = 'nobody'");
    await postgres.admin("SELECT pg_reload_conf()");
    await eventually("commits wait for a standby", async () => {
      const [row] = await postgres.admin<{ names: string }>("SELECT current_setting('synchronous_standby_names') AS names");
      return row?.names === "nobody";
    });
    try {
      const database = await openPostgres(postgres.url, { pool: { applicationName: "waits for a standby" } });
      for (const write of [() => insert(database, 1, true), () => database.run("INSERT INTO kept (id) VALUES (2)")]) {
        const writing = assert.rejects(write(), (error) => error instanceof CommitUnknownError && /standby/.test(error.message));
        await eventually("the commit waits, and is cancelled", async () => {
          const cancel =
            "SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE application_name = 'waits for a standby' AND wait_event = 'SyncRep'";
          return (await postgres.admin(cancel)).length === 1;
        });
        await writing;
      }
      assert.deepEqual(await stored(), [1, 2]);
      await database.close();
    } finally {
      await postgres.admin("ALTER SYSTEM RESET synchronous_standby_names");
      await postgres.admin("SELECT pg_reload_conf()");
    }
  });

  it("a port where nobody speaks Postgres, and a wrong password, are told apart from a server that is away", async () => {
    // It reads, and so hears of the end of a connection.
    const silent = createServer((socket) => void socket.resume().on("error", () => undefined));
    silent.listen(0, "127.0.0.1");
    await once(silent, "listening");
    const url = new URL(postgres.url);
    url.port = String((silent.address() as AddressInfo).port);
    const nobody = await openPostgres(url.href, { pool: { connectTimeoutMs: 200 }, retryMs: 300 });
    await assert.rejects(nobody.get("SELECT 1"), DatabaseUnavailableError);
    await nobody.close();
    silent.close();
    const wrong = new URL(postgres.url);
    wrong.password = "wrong";
    const stranger = await openPostgres(wrong.href);
    await assert.rejects(stranger.get("SELECT 1"), /password authentication failed/);
    await stranger.close();
  });
});
