import assert from "node:assert/strict";
import type { Run } from "../../../toolchain/bench/app/load";
import { chooseParts, count } from "../../../toolchain/bench/options";
import { assertDirectory, PARTS } from "../../../toolchain/bench/stack/command";
import {
  type ContainerCpu,
  CPU_GROUPS,
  type CpuByGroup,
  type CpuGroup,
  cpuGroup,
  CpuMeter,
  cpuRow,
  cpuUsed,
  STACK_GROUPS,
} from "../../../toolchain/bench/stack/cpu";
import {
  failedOf,
  failures,
  stackFigures,
  type StackMeasurements,
  stackSection,
  type StackSurroundings,
} from "../../../toolchain/bench/stack/figures";
import { parsePgbench } from "../../../toolchain/bench/stack/pgbench";
import { mixedRequest } from "../../../toolchain/bench/stack/rates";
import { loneConfig, pgbenchServices } from "../../../toolchain/bench/stack/side-files";
import { WarmUp } from "../../../toolchain/bench/stack/warm-up";
import { renderPgbouncerConfig } from "../../../components/local/pgbouncer/config";
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
const noCpu = Object.fromEntries(CPU_GROUPS.map((group) => [group, 0])) as CpuByGroup;
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
        { id: "stack/peer-pooled", subject: runs(1000, 900), base: runs(3000, 450) },
        { id: "lone-select", subject: runs(8000), base: runs(10_000) },
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
      people: { requests: 3000, failed: 0, statuses: { 200: 3000 }, errors: {}, p50: 10, p95: 199 },
    };
    const figures = stackFigures(measured);
    const met = Object.fromEntries(figures.map((figure) => [figure.id, figure.met]));
    assert.deepEqual(met, {
      "stack/peer": undefined,
      cpu: false,
      "stack/peer-pooled": undefined,
      "cpu-pooled": undefined,
      "lone-select": undefined,
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
    assert.equal(figures.find(({ id }) => id === "cpu-pooled")?.value, "2.00 (900 ÷ 450 µs)");
    assert.match(figures.find(({ id }) => id === "many")?.value ?? "", /3 failed/);
    assert.equal(failedOf(measured), 4);
  });

  it("says what failed by status and reason, the most frequent first, and nothing of what did not", () => {
    assert.equal(failures(2000, 35, { 200: 1900, 201: 65, 429: 33 }, { ECONNRESET: 2 }), "35 of 2000 failed: 429 ×33, ECONNRESET ×2");
    assert.equal(failures(830, 0, { 200: 747, 201: 83 }, {}), "0 of 830 failed");
    const failed: LoadReport = { ...report(14, 35), statuses: { 200: 965, 429: 35 } };
    assert.match(stackFigures({ rates: [{ rate: 83, report: failed }] })[0]?.value ?? "", /, 35 of 1000 failed: 429 ×35$/);
  });

  it("writes date, machine, and how it was measured, and the CPU time of each phase", () => {
    const cpu = [{ phase: "idle, ms a second", requests: 5, msPerRequest: { ...noCpu, app: 12.3456, primary: 1 } }];
    const where: StackSurroundings = {
      ...{ date: "2026-11-21", machine: "2 cores", node: "24.21.0", docker: "20.10", generator: "wrk", pinned: true, awake: false },
      ...{ rounds: 5, seconds: 3, connections: 24, warmUp: 45, failed: 0, loadAverage: [0.5, 2], steal: 0.015 },
    };
    const section = stackSection(stackFigures({ idleCores: 0.25 }), where, cpu);
    assert.match(section, /^### 2026-11-21, 2 cores\n/);
    assert.match(section, /5 pairs of 3 s .* warmed up for 45 s, .* 0\.5 and 2\.0, 1\.5 % of CPU time stolen\./);
    assert.match(section, /\| cores in use while nobody asks for anything \| 0\.25 \| – \| – \|/);
    assert.match(section, /\n\| CPU, ms a request \| load balancer \| app \|.* \| sum \|\n/);
    assert.match(section, /\n\| idle, ms a second \| 0\.000 \| 12\.346 \|.* \| 13\.346 \|\n/);
    assert.doesNotMatch(stackSection([], where), /CPU, ms a request/);
  });

  it("refuses a file for JSON that could not be written, before it measures", () => {
    assert.throws(
      () => assertDirectory("/no/such/directory/bench.json"),
      /--json is "\/no\/such\/directory\/bench.json", but there is no directory/,
    );
    assert.doesNotThrow(() => assertDirectory("bench.json"));
  });

  it("measures the parts that were asked for, and says which there are", () => {
    assert.deepEqual([...chooseParts("rates, pgbouncer", PARTS)], ["rates", "pgbouncer"]);
    assert.throws(
      () => chooseParts("http,pgbench", PARTS),
      /--only: pgbench is no part; allowed: idle, http, rates, people, pgbouncer, sync/,
    );
    assert.equal(count("--warm-up", "0", 600, 0), 0);
    assert.throws(() => count("--warm-up", "601", 600, 0), /--warm-up is "601"; allowed is a number from 0 to 600/);
    assert.throws(() => count("--rounds", "0", 99), /--rounds is "0"; allowed is a number from 1 to 99/);
    assert.throws(() => count("--warm-up", "", 600, 0), /allowed is a number from 0/);
  });
});

describe("CPU time by container", () => {
  const reading = (...micros: readonly [name: string, group: CpuGroup, micros: number][]): ContainerCpu[] =>
    micros.map(([name, group, used]) => ({ name, group, micros: used }));

  it("knows each container's column; pgbench and one-off containers have none", () => {
    assert.equal(cpuGroup("postgres", "pg-2", "pg-2"), "primary");
    assert.equal(cpuGroup("postgres", "pg-1", "pg-2"), "replicas");
    assert.equal(cpuGroup("redis-limits", "", "pg-2"), "Redis");
    assert.equal(cpuGroup("bench-pgbouncer", "", "pg-2"), "lone PgBouncer");
    assert.equal(cpuGroup("etcd", "etcd-1", "pg-2"), "others");
    assert.equal(cpuGroup("bench-pgbench", "", "pg-2"), undefined);
    assert.equal(cpuGroup("data-move", "", "pg-2"), undefined);
    assert.ok(!STACK_GROUPS.includes("peer") && STACK_GROUPS.includes("others"));
  });

  it("adds up what containers of a column used, and refuses a container that was started anew", () => {
    const before = reading(["app-0", "app", 100], ["app-1", "app", 1000], ["pg-1", "primary", 5]);
    const used = cpuUsed(before, reading(["app-0", "app", 150], ["app-1", "app", 1007], ["pg-1", "primary", 5]));
    assert.deepEqual(used, { ...noCpu, app: 57 });
    assert.throws(() => cpuUsed(before, reading(["app-0", "app", 99])), /container app-0 was started anew/);
  });

  it("divides by the requests of all counted runs of a phase", async () => {
    let [app, primary] = [0, 0];
    const meter = new CpuMeter(() => Promise.resolve(reading(["app-0", "app", app], ["pg-1", "primary", primary])));
    const run = (requests: number) => (): Promise<number> => {
      [app, primary] = [app + 3000 * requests, primary + 1000 * requests + 500];
      return Promise.resolve(requests);
    };
    const { result, used } = await meter.charge(undefined, run(50), (requests) => requests);
    assert.deepEqual([result, used.app], [50, 150_000]);
    await meter.charge("orders", run(2), (requests) => requests);
    await meter.charge("nothing answered", run(0), (requests) => requests);
    await meter.charge("orders", run(8), (requests) => requests);
    const [phase, ...others] = meter.phases();
    assert.deepEqual(others, []);
    assert.ok(phase !== undefined);
    assert.deepEqual(phase, { phase: "orders", requests: 10, msPerRequest: { ...noCpu, app: 3, primary: 1.1 } });
    assert.deepEqual(cpuRow(phase).slice(0, 3), ["orders", "0.000", "3.000"]);
    assert.equal(cpuRow(phase).at(-1), "4.100");
  });
});

describe("load of the stack's benchmark", () => {
  it("asks every company for everything, in turn", () => {
    const companies = Array.from({ length: 20 }, (_, n) => ({ headers: { Authorization: `Bearer ${n}` }, order: `order-${n}` }));
    const asked = new Map<string, Set<string>>();
    let writes = 0;
    for (let n = 0; n < 200; n += 1) {
      const { path, method = "GET", headers } = mixedRequest(companies, n);
      if (method === "POST") writes += 1;
      const who = headers?.["Authorization"] ?? "";
      asked.set(who, (asked.get(who) ?? new Set()).add(`${method} ${path.replace(/order-\d+/, "ID")}`));
    }
    assert.equal(writes, 20);
    assert.equal(asked.size, 20);
    for (const kinds of asked.values()) assert.equal(kinds.size, 3, [...kinds].join(", "));
  });

  it("warms each side up once, and says how far it is", async () => {
    const said: string[] = [];
    const loads: number[] = [];
    const load = (seconds: number): Promise<void> => Promise.resolve(void loads.push(seconds));
    const warmUp = new WarmUp(
      45,
      (text) => said.push(text),
      () => undefined,
    );
    await warmUp.once("peer", load);
    await warmUp.once("peer", load);
    assert.deepEqual([said, loads], [["warming up peer, 45 s"], [45]]);
    await new WarmUp(
      0,
      (text) => said.push(text),
      () => undefined,
    ).once("peer", load);
    assert.equal(loads.length, 1);
  });
});

describe("files beside the stack", () => {
  it("gives the lone PgBouncer the stack's settings, and the primary itself", () => {
    const settings = { serverHost: "/run/proxy", nodes: ["pg-1", "pg-2"], nodePorts: [5002, 5003], poolSize: 17 };
    const stack = renderPgbouncerConfig(settings);
    const lone = loneConfig(stack, "pg-2");
    assert.match(lone, /^\[databases\]\napp = host=pg-2 port=5432 dbname=app\n\n\[pgbouncer\]\n/);
    assert.doesNotMatch(lone, /run\/proxy|app_pg-1|run\/secrets/);
    const differing = (text: string): string[] =>
      text
        .slice(text.indexOf("[pgbouncer]"))
        .split("\n")
        .filter((line) => !line.startsWith("auth_file"));
    assert.deepEqual(differing(lone), differing(stack));
    assert.match(lone, /^auth_file = \/bench\//m);
    assert.throws(() => loneConfig("[databases]\n", "pg-2"), /no section/);
  });

  it("names the servers that pgbench can be pointed at", () => {
    const services = pgbenchServices("pg-2", "secret");
    assert.deepEqual(services.match(/^\[\w+\]$/gm), ["[direct]", "[async]", "[pooled]", "[lone]"]);
    assert.match(services, /\[async\]\nhost=pg-2\n[^[]*synchronous_commit=local/);
    assert.match(services, /\[lone\]\nhost=bench-pgbouncer\nport=6432\n/);
  });
});
