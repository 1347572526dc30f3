import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { createServer, Socket, type AddressInfo } from "node:net";
import { Dialer } from "../../../app/src/db/dial";
import { PostgresPool } from "../../../app/src/db/postgres-pool";

/** Listens with room for one connection and takes none, so that the kernel drops what comes after: it stops itself. */
const DEAF = `require("node:net").createServer().listen({ host: "127.0.0.1", port: 0, backlog: 1 }, function () {
  require("node:fs").writeSync(1, String(this.address().port) + "\\n");
  process.kill(process.pid, "SIGSTOP");
})`;

async function failure(socket: Socket): Promise<NodeJS.ErrnoException> {
  const [error] = (await once(socket, "error")) as [NodeJS.ErrnoException];
  return error;
}

describe("E1 making a connection", () => {
  it("E1 is given up when nothing answers, and tried for longer each time, up to the longest", async () => {
    const dialer = new Dialer({ firstMs: 10, longestMs: 35 });
    for (const limitMs of [10, 20, 35, 35]) {
      assert.equal(dialer.limitMs, limitMs);
      const error = await failure(dialer.socket());
      assert.deepEqual([error.code, error.message], ["ETIMEDOUT", `no connection within ${limitMs} ms`]);
    }
  });

  it("E1 a connection that was made stays, also when this process was busy meanwhile, and the limit is the first one again", async () => {
    const server = createServer().listen(0, "127.0.0.1");
    await once(server, "listening");
    const dialer = new Dialer({ firstMs: 200, longestMs: 5000 });
    await failure(dialer.socket());
    assert.equal(dialer.limitMs, 400);
    const socket = dialer.socket();
    socket.connect((server.address() as AddressInfo).port, "127.0.0.1");
    const busyUntil = performance.now() + 500;
    while (performance.now() < busyUntil);
    await once(socket, "connect");
    assert.ok(dialer.limitMs >= 200 && dialer.limitMs <= 5000, `${dialer.limitMs} ms`);
    await new Promise(setImmediate);
    await new Promise(setImmediate);
    assert.equal(socket.destroyed, false);
    const quick = dialer.socket();
    quick.connect((server.address() as AddressInfo).port, "127.0.0.1");
    await once(quick, "connect");
    assert.equal(dialer.limitMs, 200);
    for (const each of [socket, quick]) each.destroy();
    server.close();
  });

  it("E1 by name as well: the lookup of one is not held against the server", async () => {
    const server = createServer().listen(0, "localhost");
    await once(server, "listening");
    const dialer = new Dialer({ firstMs: 200, longestMs: 5000 });
    const socket = dialer.socket();
    socket.connect((server.address() as AddressInfo).port, "localhost");
    const busyUntil = performance.now() + 500;
    while (performance.now() < busyUntil);
    await once(socket, "connect");
    assert.equal(dialer.limitMs, 200);
    socket.destroy();
    server.close();
  });

  it("E1 a pool does not wait for a server whose kernel drops what it is sent until TCP asks again", async function () {
    if (process.platform !== "linux") this.skip();
    const deaf = spawn(process.execPath, ["-e", DEAF], { stdio: ["ignore", "pipe", "inherit"] });
    const queued: Socket[] = [];
    try {
      const [line] = (await once(deaf.stdout, "data")) as [Buffer];
      const port = Number(line.toString());
      // Two fit.
      for (const socket of [new Socket(), new Socket()]) {
        queued.push(socket);
        socket.connect(port, "127.0.0.1");
        await once(socket, "connect");
      }
      const sizes = { max: 1, min: 0, maxUses: 100, maxLifetimeSeconds: 60 };
      const times = { connectTimeoutMs: 30_000, idleTimeoutMs: 1000, statementTimeoutMs: 1000 };
      const pool = new PostgresPool({ url: `postgres://app@127.0.0.1:${port}/app`, ...sizes, ...times, applicationName: "test" });
      await assert.rejects(
        pool.use(() => Promise.resolve()),
        /^ConnectFailedError: Postgres at 127\.0\.0\.1:\d+\/app cannot be reached \(ETIMEDOUT: no connection within 400 ms\)$/,
      );
      await pool.close();
    } finally {
      for (const socket of queued) socket.destroy();
      deaf.kill("SIGKILL");
    }
  });
});
