import assert from "node:assert/strict";
import type Docker from "dockerode";
import { containmentChecks, containmentViolations } from "../../../toolchain/verify/checks/containment";
import { checksOf } from "../../../toolchain/verify/run";
import {
  describeFailures,
  headerViolations,
  leaksStack,
  limitViolations,
  missingPaths,
  problemViolations,
  savedShare,
  type Flood,
} from "../../../toolchain/verify/evaluate";
import { fakeContext } from "../../support/verify-context";

describe("C8 what npm run verify takes for a pass", () => {
  it("C6 a field that is missing is named, one that is null is not missing", () => {
    const document = { status: "ok", cache: { size: 0, maxSize: null }, scaling: {} };
    assert.deepEqual(missingPaths(document, ["status", "cache.size", "cache.maxSize"]), []);
    assert.deepEqual(missingPaths(document, ["cache.enabled", "scaling.clustering", "worker"]), [
      "cache.enabled",
      "scaling.clustering",
      "worker",
    ]);
    assert.deepEqual(missingPaths("text", ["status"]), ["status"]);
    assert.deepEqual(missingPaths(null, ["status"]), ["status"]);
  });

  const SAFE = {
    "strict-transport-security": "max-age=31536000; includeSubDomains",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "content-security-policy": "default-src 'none'",
  };

  it("B1 every security header must be there with a value that protects, and nothing may be given away", () => {
    const app = { source: "app", tls: true } as const;
    assert.deepEqual(headerViolations(SAFE, app), []);
    assert.deepEqual(headerViolations({ ...SAFE, "x-frame-options": "ALLOWALL" }, app), ["x-frame-options: ALLOWALL"]);
    assert.deepEqual(headerViolations({ ...SAFE, "strict-transport-security": "max-age=0" }, app), [
      "strict-transport-security: max-age=0",
    ]);
    assert.deepEqual(headerViolations({ ...SAFE, "x-powered-by": "Express" }, app), ["gives away x-powered-by: Express"]);
    assert.equal(headerViolations({}, app).length, 5);
    assert.equal(headerViolations({}, { source: "load balancer", tls: true }).length, 3);
  });

  it("B1 HSTS belongs to TLS: not asked for, and not accepted, without it", () => {
    const plain = { source: "app", tls: false } as const;
    const withoutHsts = Object.fromEntries(Object.entries(SAFE).filter(([name]) => name !== "strict-transport-security"));
    assert.deepEqual(headerViolations(withoutHsts, plain), []);
    assert.deepEqual(headerViolations(SAFE, plain), ["strict-transport-security without TLS"]);
  });

  const PROBLEM = {
    status: 404,
    headers: { "content-type": "application/problem+json; charset=utf-8" },
    text: JSON.stringify({ type: "about:blank", title: "Not Found", status: 404 }),
  };

  it("an error must be a problem document of the right status", () => {
    assert.deepEqual(problemViolations(PROBLEM, 404), []);
    assert.deepEqual(problemViolations(PROBLEM, 401), ["status 404 instead of 401"]);
    assert.deepEqual(problemViolations({ ...PROBLEM, headers: { "content-type": "text/html" } }, 404), ["content type text/html"]);
    assert.deepEqual(problemViolations({ ...PROBLEM, text: "<html>" }, 404), ["body is not a JSON object"]);
    assert.deepEqual(problemViolations({ ...PROBLEM, text: JSON.stringify({ title: "", status: 500 }) }, 404), [
      "member status is 500",
      "no title",
    ]);
  });

  it("an error must not show a stack trace, in whatever way it is written", () => {
    const traces = [
      "Error: x\n    at Object.<anonymous> (/app/main.js:10:3)",
      JSON.stringify({ stack: "Error\n    at f (node:internal/x:1:1)" }),
      "at async Server.handle (file:///srv/x.js:1:1)",
      "in /srv/node_modules/express/lib/router.js",
    ];
    for (const text of traces) assert.equal(leaksStack(text), true, text);
    for (const text of ["Not Found", "signed in at 10:30 (UTC)", "look at this"]) assert.equal(leaksStack(text), false, text);
  });

  const FLOOD: Flood = { sent: 600, accepted: 150, refused: ["1", "2", "1"], others: {}, seconds: 1.2 };

  it("B1 a limit must let its rate through, refuse the rest and say when to come back", () => {
    assert.deepEqual(limitViolations(FLOOD, { perSecond: 100, burst: 50 }), []);
    assert.deepEqual(limitViolations({ ...FLOOD, refused: [] }, { perSecond: 100, burst: 50 }), ["none of 600 requests was refused"]);
    assert.deepEqual(limitViolations({ ...FLOOD, accepted: 40 }, { perSecond: 100, burst: 50 }), ["only 40 let through, 100 promised"]);
    assert.match(limitViolations({ ...FLOOD, accepted: 590 }, { perSecond: 100, burst: 50 })[0] ?? "", /^590 let through in 1\.2 s/);
    assert.deepEqual(limitViolations({ ...FLOOD, refused: ["1", undefined, "soon", "0"] }, { perSecond: 100, burst: 50 }), [
      "3 refusals without a usable Retry-After",
    ]);
    assert.deepEqual(limitViolations({ ...FLOOD, others: { 502: 2 } }, { perSecond: 100, burst: 50 }), ["unexpected answers: 2 × 502"]);
  });

  it("C3 the share of bytes saved", () => {
    assert.equal(savedShare(1000, 250), 0.75);
    assert.equal(savedShare(0, 0), 0);
  });

  it("C7 a load's failures are told apart", () => {
    assert.equal(describeFailures({ 200: 10, 502: 1 }, { ECONNRESET: 3 }), "1 × 502, 3 × ECONNRESET");
    assert.equal(describeFailures({ 204: 10 }, {}), "");
  });

  it("B13 what a container must not be is named", () => {
    const contained = {
      Config: { User: "10002:10002", Labels: { "phased-stack.service": "postgres" } },
      HostConfig: { ReadonlyRootfs: true, CapDrop: ["ALL"], CapAdd: null, Memory: 1, Privileged: false, PortBindings: {} },
    };
    const violations = (config: object, host: object): string[] =>
      containmentViolations({
        Config: { ...contained.Config, ...config },
        HostConfig: { ...contained.HostConfig, ...host },
      } as unknown as Docker.ContainerInspectInfo);
    const published = { PortBindings: { "5432/tcp": [{ HostPort: "5432" }] } };
    assert.deepEqual(violations({}, {}), []);
    assert.deepEqual(violations({}, published), ["publishes a port"]);
    assert.deepEqual(violations({ Labels: { "phased-stack.service": "load-balancer" } }, published), []);
    const watching = { Labels: { "phased-stack.service": "prometheus" } };
    const pages = (HostIp: string) => ({ PortBindings: { "9090/tcp": [{ HostIp, HostPort: "9090" }] } });
    assert.deepEqual(violations(watching, pages("127.0.0.1")), []);
    for (const address of ["0.0.0.0", ""]) assert.deepEqual(violations(watching, pages(address)), ["publishes a port"]);
    assert.deepEqual(violations({}, pages("127.0.0.1")), ["publishes a port"]);
    for (const User of ["", "root", "0", "0:0"]) assert.deepEqual(violations({ User }, {}), ["runs as root"], User);
    assert.deepEqual(violations({}, { CapDrop: null }), ["has capabilities"]);
    assert.deepEqual(violations({}, { CapAdd: ["NET_ADMIN"] }), ["has capabilities"]);
    assert.deepEqual(violations({}, { Memory: 0, ReadonlyRootfs: false, Privileged: true }), [
      "its root can be written",
      "no limit of memory",
      "is privileged",
    ]);
  });

  it("B13 a secret in what Docker tells of a container is found, whatever characters it has", async () => {
    const check = containmentChecks.find(({ title }) => title.startsWith("no secret"));
    const telling = (service: string, Env: readonly string[]): Docker.Container =>
      ({ inspect: () => Promise.resolve({ Config: { Labels: { "phased-stack.service": service }, Env } }) }) as unknown as Docker.Container;
    const containers = {
      app: [telling("app", ["A=1"]), telling("grafana", ["PASSWORD=hush"]), telling("postgres", ['PASS=a "quoted" one'])],
    };
    const look = (...secrets: string[]) => check?.run({ ...fakeContext({ containers }), secrets });
    assert.deepEqual(await look("elsewhere"), { verdict: "pass", measured: "1 secrets looked for in 3 containers" });
    assert.deepEqual(await look("elsewhere", "hush"), { verdict: "fail", measured: "grafana shows one" });
    assert.deepEqual(await look('a "quoted" one'), { verdict: "fail", measured: "postgres shows one" });
  });

  it("what makes sense in a phase only is left out of the others", () => {
    const titles = (phase: string): string[] => checksOf(phase).map(({ id, title }) => `${id} ${title}`);
    const [cluster, database] = [titles("cluster"), titles("database")];
    assert.ok(cluster.every((title) => database.includes(title)));
    assert.ok(database.some((title) => title.startsWith("F4 ")) && !cluster.some((title) => title.startsWith("F4 ")));
    assert.equal(new Set(database).size, database.length, "every line can be told from the others");
  });
});
