import assert from "node:assert/strict";
import type { Run } from "../../../toolchain/bench/app/load";
import { failedOf, stackFigures, type StackMeasurements, stackSection } from "../../../toolchain/bench/stack/figures";
import { parsePgbench } from "../../../toolchain/bench/stack/pgbench";
import type { LoadReport } from "../../../toolchain/lib/load";

const OUTPUT = `pgbench (17.6 (Debian 17.6-0+deb13u1))
transaction type: <builtin: TPC-B (sort of)>
scaling factor: 20
number of clients: 20
duration: 5 s
number of transactions actually processed: 6789
number of failed transactions: 2 (0.029%)
latency average = 14.7 ms
initial connection time = 28.1 ms
tps = 1357.812345 (without initial connection time)
`;

const runs = (perSecond: number, cpuMicros?: number, errors = 0): Run[] => [{ requests: 100, perSecond, errors, cpuMicros }];
const report = (p95: number, failed = 0): LoadReport => ({
  ...{ sent: 1000, statuses: {}, errors: {}, failed, rate: 83 },
  ...{ p50: p95 / 2, p95, p99: p95 * 2, max: p95 * 3 },
});

describe("npm run bench stack", () => {
  it("reads what pgbench prints: transactions, their rate, those that failed, clients that gave up", () => {
    assert.deepEqual(parsePgbench(OUTPUT), { requests: 6789, perSecond: 1357.812345, errors: 2, cpuMicros: undefined });
    const aborted = `${OUTPUT}pgbench: error: client 3 aborted in command 7 of script 0\npgbench: error: client 9 aborted in command 4 of script 0\n`;
    assert.equal(parsePgbench(aborted).errors, 4);
    const none = "number of transactions actually processed: 0\nnumber of failed transactions: 0 (NaN%)\n";
    assert.throws(() => parsePgbench(none), /completed no transaction/);
    assert.throws(() => parsePgbench("pgbench: error: could not connect"), /no result/);
  });

  it("holds every figure against its target; nothing that failed has met one", () => {
    const measured: StackMeasurements = {
      pairs: [
        { id: "stack/peer", subject: runs(1000, 900), base: runs(4000, 300) },
        { id: "select", subject: runs(7000), base: runs(10_000) },
        { id: "many", subject: runs(9000, undefined, 3), base: runs(10_000) },
        { id: "sync", subject: runs(600), base: runs(1200) },
      ],
      idleCores: 0.25,
      rates: [
        { rate: 83, report: report(14) },
        { rate: 200, report: report(14, 1) },
        { rate: 417, report: report(51) },
      ],
      people: { requests: 3000, errors: 0, p50: 10, p95: 199 },
    };
    const figures = stackFigures(measured);
    const met = Object.fromEntries(figures.map((figure) => [figure.id, figure.met]));
    assert.deepEqual(met, {
      "stack/peer": undefined,
      cpu: false,
      select: true,
      many: false,
      sync: undefined,
      idle: undefined,
      "rate-83": true,
      "rate-200": false,
      "rate-417": false,
      people: true,
    });
    assert.equal(figures.find(({ id }) => id === "cpu")?.value, "3.00 (900 ÷ 300 µs)");
    assert.match(figures.find(({ id }) => id === "many")?.value ?? "", /3 failed/);
    assert.equal(failedOf(measured), 4);
  });

  it("writes date, machine, and how it was measured", () => {
    const section = stackSection(stackFigures({ idleCores: 0.25 }), {
      ...{ date: "2026-11-21", machine: "2 cores", node: "24.21.0", docker: "20.10", generator: "wrk", pinned: true, awake: false },
      ...{ rounds: 5, seconds: 3, connections: 24, failed: 0, loadAverage: [0.5, 2], steal: 0.015 },
    });
    assert.match(section, /^### 2026-11-21, 2 cores\n/);
    assert.match(section, /5 pairs of 3 s .* 0\.5 and 2\.0, 1\.5 % of CPU time stolen\./);
    assert.match(section, /\| cores in use while nobody asks for anything \| 0\.25 \| – \| – \|/);
  });
});
