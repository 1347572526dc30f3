import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import type { Stack } from "@pulumi/pulumi/automation";
import { docker, containersOf, leftovers, loadBalancerStory, runningIds } from "../support/docker";
import { OUTPUT_KEYS } from "../support/output-keys";
import { copyProject, freePort, type ProjectCopy } from "../support/project";
import { startTraffic } from "../support/traffic";

describe("phase cluster on real Docker (A1, A11, B1, B14, C7)", function () {
  let project: ProjectCopy;
  let stack: Stack;
  let url: string;
  let adminToken: string;

  before(async () => {
    project = copyProject();
    stack = await project.createStack({ phase: "cluster", port: String(await freePort()), workers: "2", apiRequestsPerSecond: "0" });
  });

  after(async () => {
    await stack.destroy();
    await stack.workspace.removeStack(stack.name);
    project.remove();
  });

  it("A1 A11 up from nothing: the app answers behind the load balancer, and every output key is there", async () => {
    const result = await stack.up();
    assert.equal(result.summary.result, "succeeded");
    assert.deepEqual(Object.keys(result.outputs).sort(), OUTPUT_KEYS);
    assert.equal(result.outputs["phase"]?.value, "cluster");
    assert.equal(result.outputs["adminToken"]?.secret, true);
    url = String(result.outputs["appUrl"]?.value);
    adminToken = String(result.outputs["adminToken"]?.value);

    const health = await getJson(`${url}/health`);
    assert.equal(health.status, 200);
    for (const field of ["status", "version", "worker", "uptime", "cache", "scaling", "database", "phase"]) {
      assert.ok(field in health.body, `C6: /health has no field ${field}`);
    }
    assert.equal(health.body["phase"], "cluster");
  });

  it("persists an order through every layer", async () => {
    const { cookie, order } = await createOrder(url);
    const read = await fetch(`${url}/api/orders/${String(order["id"])}`, { headers: { cookie } });
    assert.equal(read.status, 200);
    assert.deepEqual(((await read.json()) as Record<string, unknown>)["id"], order["id"]);
  });

  it("runs with least privilege: non-root, read-only root, no capabilities, limits set, app not published", async () => {
    const [info] = await containersOf(stack.name, "app");
    assert.ok(info);
    const inspected = await docker.getContainer(info.Id).inspect();
    assert.notEqual(inspected.Config.User, "");
    assert.notEqual(inspected.Config.User, "root");
    assert.equal(inspected.HostConfig.ReadonlyRootfs, true);
    assert.deepEqual(inspected.HostConfig.CapDrop, ["ALL"]);
    assert.ok((inspected.HostConfig.Memory ?? 0) > 0);
    assert.deepEqual(Object.keys((inspected.HostConfig.PortBindings ?? {}) as Record<string, unknown>), []);
    assert.equal((await fetch(`${url}/metrics`)).status, 404, "metrics are not public");
  });

  it("keeps secrets out of plain state, previews and container inspection", async () => {
    const [app] = await containersOf(stack.name, "app");
    assert.ok(app);
    const inspected = JSON.stringify(await docker.getContainer(app.Id).inspect());
    const state = project.rawState(stack.name);
    let printed = "";
    await stack.preview({ diff: true, onOutput: (text) => (printed += text) });
    for (const [where, text] of [
      ["state", state],
      ["preview", printed],
      ["docker inspect", inspected],
    ] as const) {
      assert.ok(text.length > 100, `${where} is empty`);
      assert.ok(!text.includes(adminToken), `${where} shows the admin token in plain`);
    }
    // The canary is the real value: the app accepts it, so the scan above looked for what matters.
    const reload = await fetch(`${url}/api/admin/reload`, { method: "POST", headers: { authorization: `Bearer ${adminToken}` } });
    assert.ok(reload.ok, `reload answered ${reload.status}`);
  });

  it("second up: no changes", async () => {
    const result = await stack.up();
    assert.deepEqual(Object.keys(result.summary.resourceChanges ?? {}), ["same"]);
    await stack.preview({ expectNoChanges: true, refresh: true });
  });

  it("B14 scales from one instance to three without touching the first", async () => {
    const before = await runningIds(stack.name, "app");
    await stack.setConfig("phased-stack:appInstances", { value: "3" });
    await stack.up();
    const after = await runningIds(stack.name, "app");
    assert.equal(after.length, 3);
    assert.ok(
      before.every((id) => after.includes(id)),
      "an existing instance was replaced",
    );
  });

  it("C7 F3 a new image replaces all instances under load with 0 failed requests", async () => {
    const before = await runningIds(stack.name, "app");
    const versionBefore = (await getJson(`${url}/health`)).body["version"];
    editMain(project, (source) => `${source}\n// changed by the integration test\nprocess.title = "changed";\n`);
    const traffic = startTraffic(`${url}/health`);
    await stack.up();
    const report = await traffic.stop();
    const after = await runningIds(stack.name, "app");
    assert.equal(report.failed, 0, `${JSON.stringify(report)}\n${report.failed > 0 ? await loadBalancerStory(stack.name) : ""}`);
    assert.ok(report.requests > 200, `only ${report.requests} requests were sent`);
    assert.equal(after.length, 3);
    assert.ok(
      after.every((id) => !before.includes(id)),
      "an old instance is still running",
    );
    assert.notEqual((await getJson(`${url}/health`)).body["version"], versionBefore);
  });

  it("F3 an image that cannot start: up fails with the reason, the old instances keep serving", async () => {
    const before = await runningIds(stack.name, "app");
    const good = readMain(project);
    editMain(project, (source) => `console.error("canary: broken on purpose"); process.exit(7);\n${source}`);
    await stack.setConfig("phased-stack:appBootSeconds", { value: "15" });
    const traffic = startTraffic(`${url}/health`);
    const failure = await stack.up().then(
      () => assert.fail("up succeeded with an image that cannot start"),
      (error: unknown) => String(error),
    );
    const report = await traffic.stop();
    // The official plugin names the state only; "npm run up" then prints the log lines itself.
    const reason = process.env["CONFORMANCE"] === "official" ? /failed to be in healthy state/ : /canary: broken on purpose/;
    assert.match(failure, reason, "the error carries the container's last log lines");
    assert.equal(report.failed, 0, `${JSON.stringify(report)}\n${report.failed > 0 ? await loadBalancerStory(stack.name) : ""}`);
    const still = await runningIds(stack.name, "app");
    assert.ok(
      before.every((id) => still.includes(id)),
      "an old instance was stopped",
    );

    editMain(project, () => good);
    await stack.removeConfig("phased-stack:appBootSeconds");
    await stack.up();
    const states = (await containersOf(stack.name, "app")).map((container) => container.State);
    assert.deepEqual(states, ["running", "running", "running"], "the failed containers are gone after the next up");
  });

  it("F9 refresh sees a container removed by hand, and up puts it back", async () => {
    const [victim] = await runningIds(stack.name, "app");
    assert.ok(victim);
    await docker.getContainer(victim).remove({ force: true, v: true });
    const refreshed = await stack.refresh();
    assert.equal(refreshed.summary.resourceChanges?.delete, 1);
    const result = await stack.up();
    assert.equal(result.summary.resourceChanges?.create, 1);
    assert.equal((await runningIds(stack.name, "app")).length, 3);
  });

  it("two stacks run side by side on one host", async () => {
    const other = await project.createStack({ phase: "cluster", port: String(await freePort()), workers: "1" });
    try {
      const result = await other.up();
      const { order } = await createOrder(String(result.outputs["appUrl"]?.value));
      assert.ok(order["id"]);
      assert.equal((await getJson(`${url}/health`)).status, 200, "the first stack still serves");
    } finally {
      await other.destroy();
      await other.workspace.removeStack(other.name);
    }
    assert.deepEqual(await leftovers(other.name), []);
    assert.equal((await runningIds(stack.name, "app")).length, 3);
  });

  it("destroy leaves nothing behind", async () => {
    await stack.destroy();
    assert.deepEqual(await leftovers(stack.name), []);
  });
});

function mainFile(project: ProjectCopy): string {
  return path.join(project.directory, "app", "src", "main.ts");
}

function readMain(project: ProjectCopy): string {
  return readFileSync(mainFile(project), "utf8");
}

function editMain(project: ProjectCopy, change: (source: string) => string): void {
  writeFileSync(mainFile(project), change(readMain(project)));
}

async function getJson(address: string): Promise<{ status: number; body: Record<string, unknown> }> {
  const response = await fetch(address);
  return { status: response.status, body: (await response.json()) as Record<string, unknown> };
}

/** Signs a company up and creates an order with its session. */
async function createOrder(url: string): Promise<{ cookie: string; order: Record<string, unknown> }> {
  const unique = `${Date.now()}-${Math.random().toString(36).slice(2)}`;
  const json = { "content-type": "application/json" };
  const signup = await fetch(`${url}/api/auth/signup`, {
    method: "POST",
    headers: json,
    body: JSON.stringify({
      companyName: `Company ${unique}`,
      name: "Ada",
      email: `ada-${unique}@example.com`,
      password: "correct horse battery",
    }),
  });
  assert.equal(signup.status, 201, await signup.clone().text());
  const cookie = signup.headers
    .getSetCookie()
    .map((line) => line.split(";")[0])
    .join("; ");
  const created = await fetch(`${url}/api/orders`, {
    method: "POST",
    headers: { ...json, cookie },
    body: JSON.stringify({ customerName: `Customer ${unique}`, totalCents: 1250 }),
  });
  assert.equal(created.status, 201, await created.clone().text());
  return { cookie, order: (await created.json()) as Record<string, unknown> };
}
