import assert from "node:assert/strict";
import type { Stack } from "@pulumi/pulumi/automation";
import { DatabaseStack, SERVICES } from "../support/database-stack";
import { leftovers, runningIds } from "../support/docker";
import { copyProject, freePort, type ProjectCopy } from "../support/project";
import { StackClient } from "../support/stack-client";
import { underLoad } from "../support/stack-load";

/** What one of two stacks is, and who uses it. */
interface Side {
  readonly stack: Stack;
  readonly behind: DatabaseStack;
  readonly url: string;
  readonly adminToken: string;
  readonly client: StackClient;
}

describe("two stacks of phase database on one host (A11, C7)", () => {
  let project: ProjectCopy;
  const sides: Side[] = [];

  before(async () => {
    project = copyProject();
    for (let n = 0; n < 2; n += 1) sides.push(await start());
  });

  after(async () => {
    for (const { stack, client } of sides) {
      client.close();
      await stack.destroy();
      await stack.workspace.removeStack(stack.name);
      assert.deepEqual(await leftovers(stack.name), []);
    }
    project.remove();
  });

  async function start(): Promise<Side> {
    const stack = await project.createStack({
      phase: "database",
      port: String(await freePort()),
      apiRequestsPerSecond: "0",
      memoryBudgetMb: "8000",
    });
    const { outputs } = await stack.up();
    const text = (key: string): string => String(outputs[key]?.value);
    const [url, adminToken] = [text("appUrl"), text("adminToken")];
    return { stack, behind: new DatabaseStack(stack.name), url, adminToken, client: new StackClient(url) };
  }

  const pair = (): [Side, Side] => {
    const [one, other] = sides;
    assert.ok(one !== undefined && other !== undefined);
    return [one, other];
  };

  it("each has all its services, and neither knows the other's users or secrets", async () => {
    const [one, other] = pair();
    for (const { stack } of [one, other]) {
      for (const [service, count] of Object.entries(SERVICES)) {
        assert.equal((await runningIds(stack.name, service)).length, count, `${stack.name}: ${service}`);
      }
    }
    assert.notEqual(one.adminToken, other.adminToken);
    const account = await one.client.signUp();
    assert.equal((await one.client.ask("GET", "/api/auth/me")).status, 200);
    assert.equal((await other.client.ask("POST", "/api/auth/login", { json: account })).status, 401);
  });

  it("the primary of one is killed: no request to the other fails, and its primary stays", async () => {
    const [one, other] = pair();
    const { primary } = await one.behind.roles();
    const before = await other.behind.primary();
    const container = await one.behind.node(primary);
    const seen = await underLoad(other.behind, other.url, other.adminToken, async () => {
      await container.kill();
      await container.start();
      await one.behind.roles();
    });
    assert.deepEqual([seen.failures, seen.lost], [[], []]);
    assert.equal(await other.behind.primary(), before);
  });

  it("one is destroyed: the other answers", async () => {
    const [one, other] = pair();
    // As an operator: this address has just sent all of the load, which counts for its limit of a second.
    await other.client.signUp({ "x-rate-limit-bypass": other.adminToken });
    await one.stack.destroy();
    assert.deepEqual(await leftovers(one.stack.name), []);
    await other.client.order();
    const { changeSummary } = await other.stack.preview();
    assert.deepEqual(Object.keys(changeSummary), ["same"]);
  });
});
