import assert from "node:assert/strict";
import { createServer, type Server } from "node:http";
import { createServer as createTlsServer } from "node:https";
import type { AddressInfo } from "node:net";
import fc from "fast-check";
import { median, percentile, startLoad, summarise } from "../../../toolchain/lib/load";
import { issue } from "../../support/certificates";

const own = issue();

describe("load at a fixed rate", () => {
  let server: Server;
  let url: string;
  let respond: (n: number) => { status: number; delayMs: number } | "reset";

  beforeEach(async () => {
    let n = 0;
    respond = () => ({ status: 200, delayMs: 0 });
    server = createServer((request, response) => {
      const answer = respond(n++);
      if (answer === "reset") request.socket.destroy();
      else setTimeout(() => response.writeHead(answer.status).end("{}"), answer.delayMs);
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  });

  afterEach(() => {
    server.closeAllConnections();
    server.close();
  });

  it("sends what it was asked to and counts every answer", async () => {
    respond = (n) => (n === 3 ? { status: 503, delayMs: 0 } : { status: 200, delayMs: 0 });
    const report = await startLoad({ url, ratePerSecond: 100, seconds: 0.3, next: () => ({ path: "/" }) }).done;
    assert.equal(report.sent, 30);
    assert.deepEqual(report.statuses, { 200: 29, 503: 1 });
    assert.equal(report.failed, 1);
    assert.ok(report.rate > 90 && report.rate < 110, `rate ${report.rate}`);
  });

  it("is open loop: a slow server does not slow it down, and its waiting shows in the latencies", async () => {
    respond = () => ({ status: 200, delayMs: 300 });
    const started = performance.now();
    const report = await startLoad({ url, ratePerSecond: 100, seconds: 0.2, next: () => ({ path: "/" }) }).done;
    assert.equal(report.sent, 20);
    // One after the other they would take 6 s.
    assert.ok(performance.now() - started < 2000);
    assert.ok(report.p50 >= 295, `p50 ${report.p50}`);
  });

  it("counts a connection that breaks as failed", async () => {
    respond = (n) => (n === 1 ? "reset" : { status: 200, delayMs: 0 });
    const report = await startLoad({ url, ratePerSecond: 50, seconds: 0.1, next: () => ({ path: "/" }) }).done;
    assert.equal(report.failed, 1);
    assert.deepEqual(report.errors, { ECONNRESET: 1 });
  });

  it("B1 speaks TLS to an address that says so, with a certificate nobody signed", async () => {
    const secured = createTlsServer({ cert: own.certificate, key: own.key }, (_request, response) => void response.end("{}"));
    await new Promise<void>((resolve) => secured.listen(0, "127.0.0.1", resolve));
    const address = `https://127.0.0.1:${(secured.address() as AddressInfo).port}`;
    try {
      const report = await startLoad({ url: address, ratePerSecond: 50, seconds: 0.1, next: () => ({ path: "/" }) }).done;
      assert.deepEqual([report.statuses, report.failed], [{ 200: 5 }, 0]);
    } finally {
      secured.closeAllConnections();
      secured.close();
    }
  });

  it("stops early when told to and waits for what is under way", async () => {
    respond = () => ({ status: 200, delayMs: 50 });
    const load = startLoad({ url, ratePerSecond: 50, seconds: 60, next: () => ({ path: "/" }) });
    await new Promise((resolve) => setTimeout(resolve, 100));
    const report = await load.stop();
    assert.ok(report.sent >= 3 && report.sent <= 10, `sent ${report.sent}`);
    assert.equal(report.failed, 0);
  });

  it("percentiles and medians are of the numbers themselves", () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 0, max: 1000 }), { minLength: 1 }), (numbers) => {
        const sorted = [...numbers].sort((a, b) => a - b);
        for (const share of [0.5, 0.95, 0.99, 1]) {
          const value = percentile(sorted, share);
          assert.ok(sorted.includes(value));
          assert.ok(sorted.filter((one) => one <= value).length >= share * sorted.length);
        }
        assert.ok(median(numbers) >= (sorted[0] ?? 0) && median(numbers) <= (sorted.at(-1) ?? 0));
      }),
    );
    assert.equal(median([4, 1, 3, 2]), 2.5);
    assert.equal(median([]), 0);
    assert.equal(percentile([], 0.95), 0);
  });

  it("a load without any answer has failed altogether", () => {
    const report = summarise({ sent: 5, statuses: {}, errors: { ECONNREFUSED: 5 }, latencies: [1, 1, 1, 1, 1], elapsedMs: 100 });
    assert.equal(report.failed, 5);
  });
});
