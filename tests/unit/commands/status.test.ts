import assert from "node:assert/strict";
import { parseReport, parseStatistics } from "../../../toolchain/lib/docker-app";
import {
  cpuShare,
  heartbeatOf,
  isAsked,
  isListed,
  isMeantToRun,
  isServing,
  overallState,
  usedMemory,
  type ContainerStatus,
  type InstanceStatus,
  type StackStatus,
} from "../../../toolchain/lib/docker-status";
import { findings } from "../../../toolchain/lib/findings";
import { renderStatus } from "../../../toolchain/lib/status-tables";
import { sshArguments } from "../../../toolchain/lib/docker-ssh";
import { dockerEndpoint, parseDockerHost, unreachable } from "../../../toolchain/lib/docker";

const WORKER = {
  id: 1,
  slot: 1,
  pid: 20,
  state: "ready",
  uptimeSeconds: 65,
  restarts: 0,
  memory: { rssBytes: 73 * 1024 ** 2, pressure: 0.41 },
};
const CLUSTER = {
  clustering: true,
  primary: { pid: 7, uptimeSeconds: 70 },
  workersWanted: 2,
  workers: [WORKER, { ...WORKER, id: 2, slot: 2, pid: 21 }],
  respawns: { total: 0 },
  reloads: { completed: 0, failed: 0, running: false, last: null },
};
const reportLine = (cluster: unknown): string =>
  JSON.stringify({
    full: { status: "ok", components: { cluster } },
    scaling: { eventLoop: { utilization: 0.25, delayP99Ms: 3.4 }, recommendation: { action: "none", reason: "fine" } },
  });

const CONTAINER: ContainerStatus = {
  service: "app",
  name: "dev-app-1",
  state: "running",
  health: "healthy",
  image: "phased-stack/app:3f9a",
  uptimeSeconds: 70,
  cpu: 0.034,
  memoryBytes: 180 * 1024 ** 2,
  memoryLimitBytes: 512 * 1024 ** 2,
  restarts: 0,
};

describe("status of a stack", () => {
  const report = parseReport(reportLine(CLUSTER));
  const instance: InstanceStatus = { service: "app", name: "dev-app-1", report, problem: null };
  const info = (service: string, State = "exited"): { Labels: Record<string, string>; State: string } => ({
    Labels: { "phased-stack.service": service },
    State,
  });

  it("tells what serves from what carries files and what did its one thing: a host that was rebooted leaves that ended", () => {
    assert.deepEqual(
      ["app", "postgres", "secrets-writer", "data-move", "migrate"].map((service) => isServing(info(service))),
      [true, true, false, false, false],
    );
    assert.deepEqual(
      ["app", "secrets-writer", "data-move-back"].map((service) => isMeantToRun(info(service))),
      [true, false, true],
    );
    assert.deepEqual(
      ["app", "secrets-writer", "data-move", "migrate"].map((service) => isListed(info(service))),
      [true, false, false, false],
    );
    assert.equal(isListed(info("data-move", "running")), true);
  });

  const stateOf = (containers: readonly ContainerStatus[], instances: readonly InstanceStatus[]): string =>
    overallState(containers, findings({ containers, instances, data: null }));

  it("is up only when every container is healthy and every worker serves", () => {
    assert.equal(stateOf([CONTAINER], [instance]), "up");
    assert.equal(stateOf([{ ...CONTAINER, health: "unhealthy" }], [instance]), "degraded");
    assert.equal(stateOf([CONTAINER, { ...CONTAINER, state: "exited" }], [instance]), "degraded");
    const moved = { ...CONTAINER, service: "data-move", state: "exited" };
    assert.equal(stateOf([CONTAINER, moved], [instance]), "up", "what it was there for is done");
    assert.equal(stateOf([CONTAINER], [{ ...instance, report: null, problem: "no answer" }]), "degraded");
    const starting = parseReport(reportLine({ ...CLUSTER, workers: [WORKER, { ...WORKER, state: "starting" }] }));
    assert.equal(stateOf([CONTAINER], [{ ...instance, report: starting }]), "degraded");
  });

  it("an image of the user's own is judged by its containers' health: nobody runs a program in it", () => {
    const labelled = (service: string, more: Record<string, string> = {}) => ({ Labels: { "phased-stack.service": service, ...more } });
    const own = { "phased-stack.own-image": "true" };
    assert.deepEqual(
      ["app", "jobs", "consumer", "postgres"].map((service) => [isAsked(labelled(service)), isAsked(labelled(service, own))]),
      [
        [true, false],
        [true, false],
        [true, false],
        [false, false],
      ],
    );
    assert.equal(stateOf([CONTAINER], []), "up");
    assert.equal(stateOf([CONTAINER, { ...CONTAINER, service: "jobs", health: "unhealthy" }], []), "degraded");
  });

  it("says what is not well, and which page helps", () => {
    const containers = [{ ...CONTAINER, health: "unhealthy" }];
    const found = findings({ containers, instances: [{ ...instance, report: null, problem: "no answer" }], data: null });
    const text = renderStatus({
      ...{ stack: "dev", state: "degraded", phase: "cluster", url: null, containers, instances: [], balancer: null, data: null },
      findings: found,
      moves: [],
      heartbeat: null,
    });
    assert.match(text, /✗ +dev-app-1 is unhealthy +docs\/runbooks\/app-instance-down\.md/);
    assert.match(text, /✗ +dev-app-1 does not answer: no answer/);
  });

  it("an instance whose rows were moved is found as that, once, and not as one that is merely unhealthy", () => {
    const line = JSON.parse(reportLine(CLUSTER)) as { full: { components: Record<string, unknown> } };
    line.full.components["database"] = { kind: "sqlite", status: "critical", moved: true };
    const sealed = { ...instance, report: parseReport(JSON.stringify(line)) };
    assert.deepEqual([report.movedFrom, sealed.report.movedFrom], [undefined, "sqlite"]);
    const found = findings({ containers: [{ ...CONTAINER, health: "unhealthy" }], instances: [sealed], data: null });
    assert.deepEqual(found, [
      {
        severity: "critical",
        what: "dev-app-1 only reads: its rows were moved to Postgres, and the switch of phase did not end",
        runbook: "sealed-file",
      },
    ]);
    line.full.components["database"] = { kind: "postgres", status: "critical", moved: true };
    const left = { ...instance, report: parseReport(JSON.stringify(line)) };
    assert.deepEqual(findings({ containers: [{ ...CONTAINER, health: "unhealthy" }], instances: [left], data: null }), [
      {
        severity: "critical",
        what: "dev-app-1 only reads: its rows were moved to SQLite, and the switch of phase did not end",
        runbook: "failed-update",
      },
    ]);
    const others = [{ ...CONTAINER, name: "dev-app-2", health: "unhealthy" }];
    assert.deepEqual(
      findings({ containers: others, instances: [sealed], data: null }).map(({ runbook }) => runbook),
      ["app-instance-down", "sealed-file"],
    );
  });

  it("is down when nothing runs", () => {
    assert.equal(stateOf([], []), "down");
    assert.equal(stateOf([{ ...CONTAINER, state: "exited" }], []), "down");
  });

  it("shows containers, workers, event loop and the load balancer's view", () => {
    const status: StackStatus = {
      stack: "dev",
      state: "up",
      phase: "cluster",
      url: "http://127.0.0.1:3001",
      containers: [CONTAINER],
      instances: [instance],
      balancer: [{ name: "app1", state: "UP", sessions: 2 }],
      data: null,
      findings: [],
      moves: [],
      heartbeat: null,
    };
    const text = renderStatus(status);
    assert.match(text, /^stack dev {2}up {2}phase cluster {2}http:\/\/127\.0\.0\.1:3001\n/);
    assert.match(text, /app +dev-app-1 +running +healthy +3\.4 % +180 MB of 512 MB +70 s +0 +app:3f9a/);
    assert.match(text, /dev-app-1 +2 of 2 +21 +ready +73 MB +41 % +65 s +0/);
    assert.match(text, /event loop busy 25 %, p99 3 ms late/);
    assert.match(text, /app1 +UP +2/);
    assert.doesNotMatch(text, /Nobody notices/, "there is no monitoring that could be gone");
    assert.doesNotMatch(renderStatus({ ...status, heartbeat: true }), /Nobody notices/);
    const moving = renderStatus({ ...status, moves: [{ name: "dev-data-move-1", progress: "copying orders: 10 of 100 rows" }] });
    assert.match(moving, /\n\ndev-data-move-1 moves the rows to another phase: copying orders: 10 of 100 rows\. Until it is done /);
    assert.match(renderStatus({ ...status, heartbeat: false }), /\n\nNobody notices when the whole host, .* set alertHeartbeatUrl/);
  });

  it("B8 says whether anybody would notice that all is gone, which makes nothing unwell", () => {
    const alertmanager = { "phased-stack.service": "alertmanager" };
    const infos = (...all: Record<string, string>[]): { Labels: Record<string, string> }[] => all.map((Labels) => ({ Labels }));
    assert.equal(heartbeatOf(infos({ "phased-stack.service": "app" })), null);
    assert.equal(heartbeatOf(infos({ "phased-stack.service": "app" }, alertmanager)), false);
    assert.equal(heartbeatOf(infos({ ...alertmanager, "phased-stack.heartbeat": "true" })), true);
  });

  it("an instance whose primary process does not answer is told from one that answers nonsense", () => {
    assert.throws(
      () => parseReport(reportLine({ status: "critical", reason: "The primary process does not answer." })),
      /^Error: The primary process/,
    );
    assert.throws(() => parseReport(reportLine({ workers: "none" })), /workers/);
    assert.throws(() => parseReport("{}"), /node main\.js status/);
  });

  it("reads the load balancer's servers by column name, without empty slots", () => {
    const csv = [
      "HTTP/1.0 200 OK\r\nContent-Type: text/plain\r\n\r",
      "# pxname,svname,qcur,scur,status,weight,act,bck,",
      "public,FRONTEND,,3,OPEN,,,,",
      "app,app1,0,2,UP,1,1,0,",
      "app,app2,0,0,DOWN,1,1,0,",
      "app,app3,0,0,MAINT (resolution),1,1,0,",
      "app,spare1,0,0,no check,1,0,1,",
      "app,BACKEND,0,2,UP,1,1,1,",
      "",
    ].join("\n");
    assert.deepEqual(parseStatistics(csv), [
      { name: "app1", state: "UP", sessions: 2 },
      { name: "app2", state: "DOWN", sessions: 0 },
    ]);
    assert.deepEqual(parseStatistics(""), []);
  });

  it("computes CPU and memory as docker stats does", () => {
    const stats = {
      cpu_stats: { cpu_usage: { total_usage: 3e9 }, system_cpu_usage: 14e9, online_cpus: 2 },
      precpu_stats: { cpu_usage: { total_usage: 2e9 }, system_cpu_usage: 10e9 },
      memory_stats: { usage: 100, stats: { total_inactive_file: 30 } },
    };
    assert.equal(cpuShare(stats), 0.5);
    assert.equal(cpuShare({ ...stats, precpu_stats: { cpu_usage: { total_usage: 0 } }, cpu_stats: { cpu_usage: { total_usage: 0 } } }), 0);
    assert.equal(usedMemory(stats), 70);
    assert.equal(usedMemory({ ...stats, memory_stats: { usage: 100, stats: { inactive_file: 10 } } }), 90);
    assert.equal(usedMemory({ ...stats, memory_stats: {} }), 0);
  });
});

describe("Docker Engines", () => {
  it("docker:host comes before DOCKER_HOST, and that before the default", () => {
    assert.deepEqual(dockerEndpoint("ssh://a@b", { DOCKER_HOST: "tcp://c:1" }), { host: "ssh://a@b", source: "docker:host" });
    assert.deepEqual(dockerEndpoint("", { DOCKER_HOST: "tcp://c:1" }), { host: "tcp://c:1", source: "DOCKER_HOST" });
    assert.deepEqual(dockerEndpoint(undefined, { DOCKER_HOST: "" }), { host: "unix:///var/run/docker.sock", source: "default" });
  });

  it("addresses are understood as Docker does", () => {
    assert.equal(parseDockerHost("unix:///run/d.sock", {}).socketPath, "/run/d.sock");
    assert.deepEqual(parseDockerHost("tcp://10.0.0.1:2375", {}), { socketPath: undefined, host: "10.0.0.1", port: 2375, protocol: "http" });
    assert.equal(parseDockerHost("tcp://10.0.0.1:2376", {}).protocol, "https");
    assert.equal(parseDockerHost("tcp://h", { DOCKER_TLS_VERIFY: "1" }).port, 2376);
    assert.deepEqual(sshArguments("ssh://deploy@example.com:2222").slice(4), [
      "-l",
      "deploy",
      "-p",
      "2222",
      "-T",
      "--",
      "example.com",
      "docker",
      "system",
      "dial-stdio",
    ]);
  });

  it("a wrong address is one sentence with what is allowed", () => {
    for (const bad of ["localhost", "ftp://x", "unix://", "tcp://"]) {
      assert.throws(() => parseDockerHost(bad, {}), { name: "UserError", message: /docker:host is .*allowed are unix:/ }, bad);
    }
  });

  it("an engine that does not answer is named together with where its address comes from", () => {
    const error = unreachable({ host: "unix:///nowhere.sock", source: "docker:host" }, "connect ENOENT /nowhere.sock");
    assert.match(error.message, /unix:\/\/\/nowhere\.sock \(connect ENOENT/);
    assert.match(error.hint ?? "", /docker:host/);
    assert.match(unreachable({ host: "tcp://h:1", source: "DOCKER_HOST" }, "x").hint ?? "", /DOCKER_HOST/);
  });
});
