import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { setTimeout as delay } from "node:timers/promises";
import type { Stack } from "@pulumi/pulumi/automation";
import { DatabaseStack } from "../support/database-stack";
import { containersOf, docker, leftovers } from "../support/docker";
import { copyProject, freePort, type ProjectCopy } from "../support/project";
import { StackClient } from "../support/stack-client";
import { UploadedDocuments } from "../support/uploaded-documents";

/** What clients saw while a phase changed. */
interface Watched {
  /** Reads that were not answered 200. */
  readonly failedReads: readonly string[];
  readonly reads: number;
  /** Orders that were answered 201. */
  readonly acknowledged: readonly string[];
  /** Other answers to orders, by status. */
  readonly refused: Readonly<Record<string, number>>;
  /** Longest time without an acknowledged order, ms. */
  readonly gapMs: number;
}

/** One stack for everything: what a test leaves behind is what the next one begins with. */
describe("F1 A10 A1 a stack changes its phase with its rows", function () {
  this.timeout(1_200_000);
  let project: ProjectCopy;
  let stack: Stack;
  let client: StackClient;
  let operator: Record<string, string>;
  let documents: UploadedDocuments;
  const orders: string[] = [];

  before(async () => {
    project = copyProject();
    stack = await project.createStack({ phase: "cluster", port: String(await freePort()), apiRequestsPerSecond: "0" });
    const { outputs } = await stack.up();
    client = new StackClient(String(outputs["appUrl"]?.value));
    operator = { "x-rate-limit-bypass": String(outputs["adminToken"]?.value) };
    await client.signUp(operator);
    documents = new UploadedDocuments(client, operator);
    await documents.upload();
    for (let n = 0; n < 20; n += 1) orders.push(await client.order(operator));
  });

  after(async () => {
    client?.close();
    await stack?.destroy();
    await stack?.workspace.removeStack(stack.name);
    project.remove();
    assert.deepEqual(await leftovers(stack.name), []);
  });

  /**
   * Reads and orders, a few a second each, from before it begins until orders flow again after it. Every other read is of the order that was acknowledged
   * last: an instance that answers from the database that was left does not have it.
   */
  async function watched(happens: () => Promise<unknown>): Promise<Watched> {
    const failedReads: string[] = [];
    const acknowledged: string[] = [];
    const refused: Record<string, number> = {};
    let [reads, last, gapMs, stop] = [0, performance.now(), 0, false];
    const reading = async (): Promise<void> => {
      while (!stop) {
        const id = (reads % 2 === 0 ? undefined : acknowledged.at(-1)) ?? orders[0] ?? "";
        const answer = await client.ask("GET", `/api/orders/${id}`, { headers: operator }).catch((error: unknown) => error);
        const status = answer instanceof Error ? answer.message : (answer as { status: number }).status;
        reads += 1;
        if (status !== 200) failedReads.push(`${new Date().toISOString()} ${String(status)}${id === orders[0] ? "" : " for a new order"}`);
        await delay(100);
      }
    };
    const writing = async (): Promise<void> => {
      while (!stop) {
        const order = { json: { customerName: "During", totalCents: 1 }, headers: operator };
        const answer = await client.ask("POST", "/api/orders", order).catch((error: unknown) => error);
        const status = answer instanceof Error ? answer.message : (answer as { status: number }).status;
        if (status === 201) {
          gapMs = Math.max(gapMs, performance.now() - last);
          last = performance.now();
          acknowledged.push(String((answer as { body: Record<string, unknown> }).body["id"]));
        } else refused[String(status)] = (refused[String(status)] ?? 0) + 1;
        await delay(100);
      }
    };
    const running = [reading(), writing()];
    try {
      await happens();
      const [before, deadline] = [acknowledged.length, performance.now() + 60_000];
      while (acknowledged.length < before + 10 && performance.now() < deadline) await delay(100);
    } finally {
      stop = true;
      await Promise.all(running);
    }
    return { failedReads, reads, acknowledged, refused, gapMs };
  }

  async function allThere(): Promise<void> {
    for (const id of orders) {
      const { status } = await client.ask("GET", `/api/orders/${id}`, { headers: operator });
      assert.equal(status, 200, `order ${id} is lost`);
    }
    await documents.assertAllThere();
  }

  async function kind(): Promise<string> {
    const { body } = await client.ask("GET", "/health");
    return (body["database"] as { kind: string }).kind;
  }

  /** Runs `pulumi up` and kills the container that copies as soon as it is there. @returns what the update said. */
  async function upWithAKilledCopy(): Promise<string> {
    const update = stack.up().then(
      () => "it succeeded",
      (error: unknown) => String(error),
    );
    let isOver = false;
    void update.then(() => (isOver = true));
    while (!isOver) {
      const [copy] = await containersOf(stack.name, "data-move");
      if (copy?.State === "running") {
        await docker.getContainer(copy.Id).kill();
        break;
      }
      await delay(20);
    }
    return update;
  }

  it("a copy that is killed fails the update and says so; the old phase goes on reading and writing", async () => {
    await stack.setConfig("phased-stack:phase", { value: "database" });
    const said = await upWithAKilledCopy();
    assert.match(said, /data-move-copy.*(?:exit code 137|failed to be in healthy state)|exit code 137/s);
    assert.equal(await kind(), "sqlite");
    orders.push(await client.order(operator));
    await allThere();
  });

  it("the next update carries every row to Postgres: reads go on, writes are refused for a while, nothing acknowledged is lost", async () => {
    const seen = await watched(() => stack.up({ refresh: true }));
    console.log(
      `      cluster → database: ${JSON.stringify({ ...seen, acknowledged: seen.acknowledged.length, failedReads: seen.failedReads.length })}`,
    );
    orders.push(...seen.acknowledged);
    assert.equal(await kind(), "postgres");
    assert.deepEqual(seen.failedReads, []);
    assert.ok(seen.reads > 50);
    assert.deepEqual(
      Object.keys(seen.refused).filter((status) => status !== "503"),
      [],
    );
    assert.ok(seen.acknowledged.length > 20);
    await allThere();
    await documents.upload();
    const behind = new DatabaseStack(stack.name);
    assert.equal(await behind.sql(await behind.primary(), "SELECT state FROM data_transfer"), "complete");
  });

  it("another update changes nothing, with and without a look at what is there", async () => {
    for (const refresh of [false, true]) {
      const { summary } = await stack.up({ refresh });
      assert.deepEqual(Object.keys(summary.resourceChanges ?? {}), ["same"], `refresh: ${refresh}`);
    }
  });

  it("back to phase cluster only when that is said; then with every row, also those of Postgres", async () => {
    await stack.setConfig("phased-stack:phase", { value: "cluster" });
    await assert.rejects(stack.up(), /pulumi config set leaveDatabase true/);
    orders.push(await client.order(operator));
    await stack.setConfig("phased-stack:leaveDatabase", { value: "true" });
    const seen = await watched(() => stack.up());
    console.log(
      `      database → cluster: ${JSON.stringify({ ...seen, acknowledged: seen.acknowledged.length, failedReads: seen.failedReads.length })}`,
    );
    orders.push(...seen.acknowledged);
    assert.equal(await kind(), "sqlite");
    assert.deepEqual(seen.failedReads, []);
    assert.ok(seen.reads > 50);
    assert.deepEqual(
      Object.keys(seen.refused).filter((status) => status !== "503"),
      [],
    );
    await allThere();
    const [app] = await containersOf(stack.name, "app");
    const files = execFileSync("docker", ["exec", app?.Id ?? "", "ls", "/data"], { encoding: "utf8" });
    assert.match(files, /^app\.db\.before-/m, "the former file is kept");
    assert.deepEqual(Object.keys((await stack.up()).summary.resourceChanges ?? {}), ["same"]);
  });
});
