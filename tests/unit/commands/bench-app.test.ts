import assert from "node:assert/strict";
import { appFigures, appSection, failedRequests } from "../../../toolchain/bench/app/figures";
import { parseAutocannon, parseWrk, type Run, type Target } from "../../../toolchain/bench/app/load";
import { measurePair, pairResult } from "../../../toolchain/bench/app/pairs";
import { insertSection } from "../../../toolchain/bench/figures";

const WRK = `Running 3s test @ http://127.0.0.1:3001/api/session
  1 threads and 32 connections
  Thread Stats   Avg      Stdev     Max   +/- Stdev
    Latency     2.12ms    1.00ms  20.01ms   90.00%
    Req/Sec    15.10k   500.00    16.00k    90.00%
  45312 requests in 3.01s, 40.11MB read
  Socket errors: connect 1, read 2, write 0, timeout 3
  Non-2xx or 3xx responses: 12
Requests/sec:  15053.82
Transfer/sec:     13.33MB
`;

function runs(perSecond: readonly number[], cpu: readonly number[], errors = 0): Run[] {
  return perSecond.map((each, index) => ({ requests: each, perSecond: each, errors, cpuMicros: cpu[index] }));
}

function target(name: string): Target {
  return { name, url: `http://127.0.0.1/${name}`, pid: 1 };
}

describe("bench app: what the load generators print", () => {
  it("reads requests, rate and every kind of failure of wrk", () => {
    assert.deepEqual(parseWrk(WRK, 200), { requests: 45_312, perSecond: 15_053.82, errors: 12 + 6 });
  });

  it("counts what was let through as a failure when every request should be refused", () => {
    assert.equal(parseWrk(WRK, 429).errors, 45_312 - 12 + 6);
    const allRefused = WRK.replace("responses: 12", "responses: 45312").replace(/ *Socket errors.*\n/, "");
    assert.equal(parseWrk(allRefused, 429).errors, 0);
  });

  it("refuses output without a result instead of reporting zero", () => {
    assert.throws(() => parseWrk("unable to connect to 127.0.0.1:1 Connection refused", 200), /wrk printed no result: unable to connect/);
  });

  it("reads autocannon's JSON, other statuses and lost requests counted as failures", () => {
    const output = JSON.stringify({
      requests: { total: 1010 },
      duration: 2,
      errors: 3,
      timeouts: 1,
      statusCodeStats: { "200": { count: 1000 }, "503": { count: 10 } },
    });
    assert.deepEqual(parseAutocannon(`Running\n${output}`, 200), { requests: 1010, perSecond: 505, errors: 14 });
  });
});

describe("bench app: pairs", () => {
  it("runs A/B, B/A in turn, and does not count the first pair", async () => {
    const order: string[] = [];
    const pair = { id: "a/b", subject: target("a"), base: target("b") };
    const measured = await measurePair(pair, 3, ({ name }, round) => {
      order.push(`${name}${round}`);
      return Promise.resolve({ requests: 1, perSecond: round, errors: 0, cpuMicros: 1 });
    });
    assert.deepEqual(order, ["a0", "b0", "b1", "a1", "a2", "b2", "b3", "a3"]);
    assert.deepEqual(
      measured.subject.map(({ perSecond }) => perSecond),
      [1, 2, 3],
    );
  });

  it("takes the median of the pairs' own ratios, not the ratio of medians", () => {
    const result = pairResult({ id: "a/b", subject: runs([50, 10, 90], [4, 9, 2]), base: runs([100, 40, 100], [2, 3, 2]) });
    assert.equal(result.ratio, 0.5);
    assert.equal(result.cpuRatio, 2);
    assert.equal(result.perSecond, 50);
    assert.equal(result.baseCpuMicros, 2);
  });

  it("has no CPU figure where the system gives none", () => {
    const unknown = runs([1], []).map((run) => ({ ...run, cpuMicros: undefined }));
    const result = pairResult({ id: "a/b", subject: unknown, base: unknown });
    assert.deepEqual([result.cpuRatio, result.cpuMicros], [undefined, undefined]);
  });
});

describe("bench app: figures against their targets", () => {
  const pair = (id: string, ratio: number, errors = 0) => ({
    id,
    subject: runs([1000 * ratio], [20 / ratio], errors),
    base: runs([1000], [20]),
  });
  const met = (figures: ReturnType<typeof appFigures>, id: string) => figures.find((figure) => figure.id === id)?.met;

  it("says which are met and which are missed; what has no target is neither", () => {
    const good = appFigures({ pairs: [pair("ours/bare", 0.4), pair("ours-redis/bare", 0.28), pair("refused/bare", 0.8)] });
    assert.deepEqual(
      ["ours/bare", "cpu", "ours-redis/bare", "refused/bare"].map((id) => met(good, id)),
      [true, true, true, true],
    );
    const bad = appFigures({ pairs: [pair("ours/bare", 0.39), pair("refused/bare", 0.79), pair("fastify/bare", 0.9)] });
    assert.deepEqual(
      ["ours/bare", "cpu", "refused/bare", "fastify/bare"].map((id) => met(bad, id)),
      [false, false, false, undefined],
    );
  });

  it("a ratio with failed requests is not met, and the failures are counted and shown", () => {
    const measured = { pairs: [pair("ours/bare", 0.9, 7)] };
    assert.equal(met(appFigures(measured), "ours/bare"), false);
    assert.match(appFigures(measured)[0]?.value ?? "", /7 failed/);
    assert.equal(failedRequests(measured), 7);
  });

  it("C9 C3 capacity, compression, memory and companies have their targets", () => {
    const many = (p95: number, megabytes: number, companies: number) => ({
      companies,
      p95,
      failed: 0,
      residentBytes: megabytes * 1024 ** 2,
    });
    const figures = appFigures({
      capacity: pair("cluster/usual", 2.1),
      compression: { plain: 10_000, gzip: 3999, brotli: 4001, probeP99: 3 },
      idleWorker: 91 * 1024 ** 2,
      companies: [many(2, 100, 10), many(2.3, 125, 10_000)],
    });
    const results = Object.fromEntries(figures.map(({ id, met: isMet }) => [id, isMet]));
    assert.deepEqual(results, {
      C9: true,
      gzip: true,
      br: false,
      "compression-probe": undefined,
      idle: false,
      "companies-p95": true,
      "companies-memory": false,
    });
  });

  it("D12 a slow Redis may add 250 ms and fail nobody, and too many requests may cost a fifth of what is served", () => {
    const report = (p99: number, failed = 0) => ({
      ...{ sent: 100, statuses: { 200: 100 }, errors: {}, failed, p50: 1, p95: 1, p99, max: p99, rate: 100 },
    });
    const figures = (p99: number, failed: number, goodput: number) =>
      appFigures({
        slowRedis: { well: report(5), slow: report(p99, failed) },
        overload: { capacity: 100, goodput, report: report(300) },
      });
    const results = (list: ReturnType<typeof appFigures>) => [met(list, "slow-redis"), met(list, "goodput")];
    assert.deepEqual(results(figures(254, 0, 80)), [true, true]);
    assert.deepEqual(results(figures(256, 0, 79)), [false, false]);
    assert.deepEqual(results(figures(10, 1, 100)), [false, true]);
  });

  it("writes a dated section that replaces the one of the same day and machine", () => {
    const where = {
      date: "2026-11-21",
      machine: "2 cores",
      node: "24.0.0",
      generator: "wrk" as const,
      pinned: true,
      awake: true,
      rounds: 5,
      seconds: 3,
      connections: 32,
      failed: 0,
      loadAverage: [0.25, 1.5],
    };
    const section = appSection(appFigures({ pairs: [pair("ours/bare", 0.4)] }), where);
    assert.match(section, /^### 2026-11-21, 2 cores\n/);
    assert.match(section, /\| full stack, memory backends ÷ bare node:http \| 0\.40 \(0\.4k\/s, 50\.0 µs\) \| ≥ 0\.40 \| met \|/);
    const heading = "## The app (`npm run bench app`)";
    const once = insertSection("# Figures\n", heading, section);
    assert.equal(insertSection(once, heading, section), once);
  });
});
