import assert from "node:assert/strict";
import { WebSocket } from "ws";
import { destroyInstances, startInstance, type Instance } from "../../faults/support/instance";
import { eventually } from "../../support/services/container";
import { openAtOnce, refusedUpgrade, TestSocket, ticketOf } from "./support";

const PASSWORD = "correct horse battery";
let count = 0;

async function post(instance: Instance, where: string, json: unknown, token?: string): Promise<Record<string, unknown>> {
  const answer = await fetch(`${instance.url}${where}`, {
    method: "POST",
    headers: { "Content-Type": "application/json", Connection: "close", ...(token !== undefined && { Authorization: `Bearer ${token}` }) },
    body: JSON.stringify(json),
  });
  assert.ok(answer.ok, await answer.clone().text());
  return (await answer.json()) as Record<string, unknown>;
}

async function signUp(instance: Instance): Promise<string> {
  count += 1;
  const email = `admin-${count}@example.org`;
  return (await post(instance, "/api/auth/signup", { companyName: "Company", name: "Admin", email, password: PASSWORD }))[
    "token"
  ] as string;
}

const order = { customerName: "Customer", totalCents: 100 };

/** A client as a browser's would be: it comes back when it is told to, after the time it is told. */
class ReturningClient {
  readonly orders: string[] = [];
  readonly codes: number[] = [];
  opened = 0;
  private socket: WebSocket | undefined;
  private stopped = false;

  constructor(
    private readonly url: string,
    private readonly token: string,
  ) {
    this.connect();
  }

  get open(): boolean {
    return this.socket?.readyState === WebSocket.OPEN;
  }

  stop(): void {
    this.stopped = true;
    this.socket?.terminate();
  }

  private connect(): void {
    if (this.stopped) return;
    const socket = new WebSocket(`${this.url.replace("http", "ws")}/api/realtime`, { headers: { Authorization: `Bearer ${this.token}` } });
    this.socket = socket;
    socket.on("open", () => (this.opened += 1));
    socket.on("message", (data: Buffer) => {
      const message = JSON.parse(data.toString()) as { type: string; data: { order?: { id: string } } };
      if (message.type === "order.created") this.orders.push(message.data.order?.id ?? "");
    });
    socket.on("error", () => undefined);
    socket.on("close", (code, reason) => {
      this.codes.push(code);
      const afterMs = Number(/^reconnect-after-ms=(\d+)$/.exec(reason.toString())?.[1] ?? 200);
      setTimeout(() => this.connect(), afterMs);
    });
  }
}

describe("D7 realtime over the workers of an instance", function () {
  this.timeout(60_000);
  afterEach(destroyInstances);
  const environment = { RATE_LIMITS: "off", OVERLOAD_DELAY_MS: "60000", REALTIME_MAX_PER_USER: "100", REALTIME_RECONNECT_MS: "300" };

  it("D7 what one worker publishes reaches the sockets of all, once each", async () => {
    const instance = await startInstance("app", { ...environment, WORKERS: "3" });
    const token = await signUp(instance);
    const sockets = await Promise.all(Array.from({ length: 9 }, () => TestSocket.withToken(instance.url, token)));
    for (let orders = 0; orders < 6; orders += 1) await post(instance, "/api/orders", order, token);
    await Promise.all(sockets.map((socket) => socket.got("order.created", 6)));
    await Promise.all(sockets.map((socket) => socket.settle()));
    for (const socket of sockets) assert.equal(socket.types().filter((type) => type === "order.created").length, 6);
    const metrics = await (await fetch(`${instance.url}/metrics`)).text();
    assert.match(metrics, /^realtime_connections 9$/m);
  });

  it("D7 logging out at one worker closes the sockets at all of them", async () => {
    const instance = await startInstance("app", { ...environment, WORKERS: "3" });
    const token = await signUp(instance);
    const sockets = await Promise.all(Array.from({ length: 6 }, () => TestSocket.withToken(instance.url, token)));
    await fetch(`${instance.url}/api/auth/logout`, { method: "POST", headers: { Authorization: `Bearer ${token}` } });
    await Promise.all(sockets.map((socket) => socket.ended()));
    assert.ok(sockets.every(({ closed }) => closed?.code === 4001));
  });

  it("D7 the bound on a user's connections holds over all workers, and places come back, also of a worker that was killed", async () => {
    const instance = await startInstance("app", { ...environment, WORKERS: "3", REALTIME_MAX_PER_USER: "4" });
    const token = await signUp(instance);
    const open = async (times: number): Promise<TestSocket[]> => {
      // A connection that was handed to a worker in its last moment gets no answer.
      const options = { handshakeTimeout: 3000 };
      const attempts = await Promise.allSettled(Array.from({ length: times }, () => TestSocket.withToken(instance.url, token, options)));
      return attempts.flatMap((attempt) => (attempt.status === "fulfilled" ? [attempt.value] : []));
    };
    const first = await open(20);
    assert.equal(first.length, 4, "exactly as many as allowed, whichever workers they came to");
    const refused = await refusedUpgrade(instance.url, { Authorization: `Bearer ${token}` });
    assert.deepEqual([refused.status, refused.problem.detail], [429, "A user may have 4 connections; close one first."]);
    await (await TestSocket.withToken(instance.url, await signUp(instance))).settle();
    for (const socket of first) socket.socket.close();
    // One after the other, so that each worker gets one at least.
    const more: TestSocket[] = [];
    const fill = async (): Promise<boolean> => {
      more.push(...(await open(1)));
      return more.filter(({ closed }) => closed === undefined).length === 4;
    };
    await eventually("all places are free again", fill);
    assert.equal((await open(5)).length, 0);
    // The last worker keeps the port, which is any one in tests.
    const [, ...killed] = instance.lines.filter(({ msg }) => msg === "worker ready").map((line) => line["workerPid"] as number);
    for (const pid of killed) instance.signal("SIGKILL", pid);
    await eventually("their sockets are closed", () => more.filter(({ closed }) => closed !== undefined).length >= 2);
    await eventually("the places at the killed workers are free again", fill);
    assert.equal((await open(5)).length, 0);
  });

  it("D7 a ticket opens one WebSocket, whichever worker issued it and whichever is asked", async () => {
    const instance = await startInstance("app", { ...environment, WORKERS: "3" });
    const token = await signUp(instance);
    for (let round = 0; round < 6; round += 1) {
      const ticket = await ticketOf(instance.url, token);
      const [socket, ...others] = await openAtOnce(instance.url, ticket, 6);
      assert.ok(socket !== undefined && others.length === 0, `${others.length + 1} of 6 were let in by one ticket`);
      await socket.settle();
      assert.equal((await refusedUpgrade(instance.url, {}, `/api/realtime?ticket=${ticket}`)).status, 401);
    }
  });

  it("D7 a rolling reload: every client is told to come back, does, and hears what follows", async () => {
    const instance = await startInstance("app", { ...environment, WORKERS: "2" });
    const token = await signUp(instance);
    const clients = Array.from({ length: 8 }, () => new ReturningClient(instance.url, token));
    try {
      await eventually("all are connected", () => clients.every(({ open }) => open));
      instance.signal("SIGHUP");
      await instance.message("rolling reload finished");
      await eventually("all are back", () => clients.every(({ open, opened }) => open && opened >= 2), 30_000);
      assert.ok(
        clients.every(({ codes }) => codes.every((code) => code === 1001)),
        JSON.stringify(clients.map(({ codes }) => codes)),
      );
      const { id } = await post(instance, "/api/orders", order, token);
      await eventually("all hear of the order", () => clients.every(({ orders }) => orders.includes(id as string)));
    } finally {
      for (const client of clients) client.stop();
    }
  });
});
