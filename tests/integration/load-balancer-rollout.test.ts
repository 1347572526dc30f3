import assert from "node:assert/strict";
import { docker, type LoadBalancerRig, loadBalancerRig, until } from "../support/load-balancer-rig";
import { dockerCommand } from "../support/services/container";
import { startTraffic } from "../support/traffic";

/** An upstream that begins to listen after `delayMs`, and turns unready (but goes on serving) when it is asked to. */
const upstream = (delayMs: number): string => `
  const http = require("node:http"); let ready = true;
  const server = http.createServer((request, response) => {
    if (request.url === "/ready") return response.writeHead(ready ? 200 : 503).end();
    if (request.url === "/drain") ready = false;
    response.end("served");
  });
  setTimeout(() => server.listen(3001), ${delayMs});`;

const UNLIMITED = { requestsPerSecond: 0, burst: 0 };

describe("load balancer while instances come and go (F3)", function () {
  this.timeout(180_000);
  let rig: LoadBalancerRig;

  before(async () => {
    rig = await loadBalancerRig({ apiLimit: UNLIMITED, chatLimit: UNLIMITED }, upstream(0));
  });

  after(() => rig.remove());

  it("fails no request while new instances are found before they listen", async () => {
    const traffic = startTraffic(`${rig.url}/`, 300);
    const starting = await rig.startUpstreams(12, upstream(4000));
    await until("every new instance listens", () => allListen(starting));
    const report = await traffic.stop();
    assert.equal(report.failed, 0, `${JSON.stringify(report)}\n${docker(["logs", "--tail", "40", rig.name])}`);
    assert.ok(report.requests > 500, `only ${report.requests} requests were sent`);
    // They are used now: an instance that was marked down on its first refusal has to come back.
    await until("the load balancer uses all of them", async () => {
      await requests(rig.url);
      return new Set(serversUsed(rig.name)).size === 13;
    });
  });

  it("goes on serving when the last instances that answer are draining", async () => {
    await until("all of them are unready", async () => {
      await requests(rig.url, "/drain");
      return docker(["logs", "--tail", "200", rig.name]).includes("0 active and 13 backup servers left");
    });
    const traffic = startTraffic(`${rig.url}/`, 100);
    await until("the load balancer calls itself unhealthy", () => rig.healthStatus() === "unhealthy");
    const report = await traffic.stop();
    assert.equal(report.failed, 0, JSON.stringify(report));
    assert.ok(report.requests > 50, `only ${report.requests} requests were sent`);
  });

  it("F1 does not fail a request for a new instance that does not listen yet while no other is ready: a phase changes like that", async () => {
    const traffic = startTraffic(`${rig.url}/`, 300);
    const starting = await rig.startUpstreams(3, upstream(4000));
    await until("every new instance listens", () => allListen(starting));
    await until("the load balancer is healthy again", () => rig.healthStatus() === "healthy");
    const report = await traffic.stop();
    assert.equal(report.failed, 0, `${JSON.stringify(report)}\n${docker(["logs", "--tail", "40", rig.name])}`);
    assert.ok(report.requests > 500, `only ${report.requests} requests were sent`);
    await until("only those that are ready are asked", async () => {
      await requests(rig.url);
      return serversUsed(rig.name).every((name) => name.startsWith("app"));
    });
  });
});

/** Asked by commands beside this process, which sends the load. */
async function allListen(containers: readonly string[]): Promise<boolean> {
  const script = "(exec 3<>/dev/tcp/127.0.0.1/3001) 2>/dev/null && echo yes || echo no";
  const answers = await Promise.all(containers.map((container) => dockerCommand(["exec", container, "bash", "-c", script])));
  return answers.every((answer) => answer.trim() === "yes");
}

/** Names of the servers behind the latest requests. */
function serversUsed(loadBalancer: string): string[] {
  return [...docker(["logs", "--tail", "120", loadBalancer]).matchAll(/"server": ?"([^"]+)"/g)].map(([, name]) => name ?? "");
}

async function requests(url: string, path = "/"): Promise<void> {
  await Promise.all(Array.from({ length: 60 }, () => fetch(`${url}${path}`).then((response) => response.text())));
}
