import assert from "node:assert/strict";
import { createInterface } from "node:readline";
import { setTimeout as delay } from "node:timers/promises";
import { execIn } from "../../toolchain/lib/docker";
import { everything, type Outcome, runCommand, startCommand, type StartedCommand } from "../support/commands";
import { DatabaseStack } from "../support/database-stack";
import { containersOf, docker, leftovers, paused } from "../support/docker";
import { OrderTraffic } from "../support/order-traffic";
import { copyProject, freePort, type ProjectCopy } from "../support/project";
import { StackClient } from "../support/stack-client";
import { UploadedDocuments } from "../support/uploaded-documents";

/** 15 rows each on average. */
const COMPANIES = 400;

/** Longest wait until the app has noticed what became of the move, ms: it looks twice a second, and this machine may be slow. */
const SETTLED_MS = 30_000;

/** Between two looks at something that is soon over, ms. */
const LOOK_MS = 20;

/** Longest wait for a step of an update, ms: all images may have to be built. */
const STEP_MS = 900_000;

type Phase = "cluster" | "database";
type Way = "Ctrl-C" | "SIGKILL";

/** A step of an update at which it is interrupted. */
interface Step {
  readonly what: string;
  /** Whether the update is there. */
  readonly reached: () => Promise<boolean>;
  /** What orders are answered after it was interrupted in this way, from some moment on and until the next update; either of both where that is open. */
  readonly orders: Readonly<Partial<Record<Way, 201 | 503>>>;
  /** What was held back to be there goes on, where the update was killed: nobody else is told. */
  readonly release?: () => Promise<void>;
}

const ROWS_IN_SQLITE = `
  const { DatabaseSync } = require("node:sqlite");
  const rows = new DatabaseSync("/data/app.db", { readOnly: true }).prepare("SELECT id, customer_name FROM orders").all();
  console.log(rows.map((row) => row.id + "|" + row.customer_name).join("\\n"));`;

/** One stack that changes its phase four times, each time interrupted at every step: what a test leaves behind is what the next one begins with. */
describe("F1 A10 C5 a change of phase that is interrupted at any step is finished by the next update", function () {
  this.timeout(1_800_000);
  const name = `${process.env["PHASED_TEST_PREFIX"] ?? "test-local"}-interrupted`;
  const behind = new DatabaseStack(name);
  let project: ProjectCopy;
  let client: StackClient;
  let traffic: OrderTraffic;
  let operator: Record<string, string>;
  let documents: UploadedDocuments;

  const change = (phase: Phase, ...more: readonly string[]): StartedCommand =>
    startCommand(project, name, "up", "--yes", "--config", `phase=${phase}`, ...more);
  const succeed = async (outcome: Promise<Outcome>): Promise<Outcome> => {
    const ended = await outcome;
    assert.equal(ended.code, 0, everything(ended));
    return ended;
  };
  const ids = async (service: string): Promise<Set<string>> => new Set((await containersOf(name, service)).map(({ Id }) => Id));
  const someOf = async (service: string, fits: (status: string, id: string) => boolean): Promise<boolean> =>
    (await containersOf(name, service)).some(({ Status, Id }) => fits(Status, Id));

  before(async () => {
    project = copyProject();
    const port = await freePort();
    const settings = { port: String(port), protect: "false", postgresNodes: "2", appInstances: "2", workers: "1", leaveDatabase: "true" };
    const config = Object.entries({ ...settings, apiRequestsPerSecond: "0" }).flatMap(([key, value]) => ["--config", `${key}=${value}`]);
    await succeed(change("cluster", ...config).outcome);
    const app = await behind.container("app");
    const seeded = await execIn(app, ["node", "main.js", "seed", `--companies=${COMPANIES}`], 300_000);
    assert.equal(seeded.exitCode, 0, seeded.stderr);
    operator = { "x-rate-limit-bypass": (await execIn(app, ["cat", "/run/secrets/admin_token"])).stdout.trim() };
    client = new StackClient(`http://127.0.0.1:${port}`);
    traffic = new OrderTraffic(client, operator);
    await client.signUp(operator);
    assert.equal((await traffic.order()).status, 201);
    documents = new UploadedDocuments(client, operator);
    await documents.upload();
    traffic.start();
  });

  after(async () => {
    await traffic?.stop();
    client?.close();
    const outcome = await runCommand(project, name, "down", "--yes", "--remove-stack");
    assert.equal(outcome.code, 0, everything(outcome));
    assert.deepEqual(await leftovers(name), []);
    project.remove();
  });

  /** Waits until an update is at a step. */
  async function at(update: StartedCommand, { what, reached }: Pick<Step, "what" | "reached">): Promise<void> {
    const deadline = Date.now() + STEP_MS;
    for (;;) {
      if (await reached()) return;
      if (update.hasEnded()) assert.fail(`it ended before ${what}: ${everything(await update.outcome)}`);
      assert.ok(Date.now() < deadline, `${what} was not reached:\n${update.printed()}`);
      await delay(LOOK_MS);
    }
  }

  /** Stops what moves the rows in the midst of its work. @param isAmid asked while it stands still */
  function midway(service: string, isAmid: () => Promise<boolean>): Step {
    let held: ReturnType<typeof docker.getContainer> | undefined;
    return {
      what: "the copy's midst",
      // Killed, the copy goes on by itself, and may seal what it has read before the next update comes.
      orders: { "Ctrl-C": 201 },
      async reached() {
        const copies = await containersOf(name, service);
        const copy = copies.find(({ State, Status }) => State === "running" && !Status.includes("(healthy)"));
        if (copy === undefined) return false;
        held = docker.getContainer(copy.Id);
        if (!(await paused(held))) return false;
        if (await isAmid()) return true;
        await held.unpause();
        return false;
      },
      async release() {
        await held?.unpause();
      },
    };
  }

  const halfInPostgres = async (): Promise<boolean> => {
    const node = (await behind.redundant()).leader ?? assert.fail("there is no primary");
    if ((await behind.sql(node, "SELECT to_regclass('data_transfer_tables') IS NOT NULL")) !== "t") return false;
    const [state, copied] = (
      await behind.sql(node, "SELECT state, (SELECT coalesce(sum(copied), 0) FROM data_transfer_tables) FROM data_transfer")
    ).split("|");
    assert.notEqual(state, "complete", "the copy came to its end before it was seen");
    return Number(copied) > 0;
  };
  const halfInFile = async (): Promise<boolean> =>
    (await execIn(await behind.container("app"), ["ls", "/data"])).stdout.includes("app.db.incoming");

  /** The steps of a change from one phase to another, in the order in which an update comes to them. */
  function stepsTo(phase: Phase, way: Way, update: () => StartedCommand, former: ReadonlySet<string>): Step[] {
    const mover = phase === "database" ? "data-move" : "data-move-back";
    const isMoved = (): Promise<boolean> => someOf(mover, (status) => status.includes("(healthy)"));
    const always = { "Ctrl-C": 201, SIGKILL: 201 } as const;
    const starting: Step = {
      what: "Postgres' start",
      orders: always,
      reached: () => someOf("postgres", (status) => status.includes("health: starting")),
    };
    return [
      {
        what: "the preview",
        orders: always,
        reached: () => Promise.resolve(update().printed().includes("Previewing update")),
      },
      ...(phase === "database" ? [starting] : []),
      midway(mover, phase === "database" ? halfInPostgres : halfInFile),
      {
        what: "the start of the new instances",
        // Killed, the update leaves an instance behind that comes up and serves, and that no state knows.
        orders: { "Ctrl-C": 503, SIGKILL: 201 },
        async reached() {
          const successor = (await containersOf(name, "app")).find(
            ({ Id, Status }) => !former.has(Id) && Status.includes("health: starting"),
          );
          if (successor === undefined || !(await isMoved())) return false;
          // Otherwise it would serve soon, although its update was cancelled.
          if (way === "Ctrl-C") await docker.getContainer(successor.Id).kill();
          return true;
        },
      },
      { what: "the end of the old instances", orders: {}, reached: () => Promise.resolve([...former].some((id) => ending.has(id))) },
    ];
  }

  /** Containers that were told to end. */
  const ending = new Set<string>();
  let events: NodeJS.ReadableStream | undefined;
  before(async () => {
    const filters = { event: ["kill"], label: [`phased-stack.stack=${name}`] };
    events = await docker.getEvents({ filters });
    createInterface({ input: events }).on("line", (line) =>
      ending.add((JSON.parse(line) as { readonly Actor: { readonly ID: string } }).Actor.ID),
    );
  });
  after(() => (events as unknown as { destroy(): void } | undefined)?.destroy());

  async function stop(update: StartedCommand, way: Way, { what, release }: Step): Promise<void> {
    if (way === "SIGKILL") {
      update.kill();
      await update.outcome;
      await release?.();
      return;
    }
    update.interrupt();
    const outcome = await update.outcome;
    // Whoever stops in the last step may have nothing left to do.
    if (outcome.code === 0 && what.startsWith("the end")) return;
    assert.equal(outcome.code, 130, everything(outcome));
    assert.ok(outcome.stderr.includes(`go on with: npm run up -- --stack ${name}`), everything(outcome));
  }

  /** What clients see once an update was interrupted: reads are answered, and writes, too, or they are told to come again. */
  async function goesOn(way: Way, { what, orders }: Step): Promise<string> {
    const read = await traffic.read();
    assert.equal(read.status, 200, `${what}: ${read.text}`);
    const wanted: readonly number[] = [orders[way] ?? 201, orders[way] ?? 503];
    const deadline = Date.now() + SETTLED_MS;
    for (;;) {
      const { status, text } = await traffic.order();
      if (wanted.includes(status)) return `reads ${read.status}, orders ${status}`;
      assert.ok(Date.now() < deadline, `after ${way} at ${what} orders are answered ${status}: ${text}`);
      await delay(LOOK_MS);
    }
  }

  /** Interrupts the change at each of its steps, goes on with it each time, and lets it come to its end. */
  async function changeTo(phase: Phase, way: Way): Promise<void> {
    const former = await ids("app");
    traffic.forgetFigures();
    // An instance that was ended and started again has kept its id.
    ending.clear();
    let update = change(phase);
    for (const step of stepsTo(phase, way, () => update, former)) {
      const began = performance.now();
      await at(update, step);
      await stop(update, way, step);
      const seconds = ((performance.now() - began) / 1000).toFixed(0);
      console.log(`      ${way} at ${step.what}, after ${seconds} s: ${await goesOn(way, step)}`);
      update = change(phase);
    }
    await succeed(update.outcome);
    assert.equal((await traffic.order()).status, 201);
    console.log(`      ${phase} after ${way} at every step: ${JSON.stringify(traffic.figures())}`);
    await succeed(change(phase, "--expect-no-changes").outcome);
    await documents.upload();
    await everythingIsThere(phase);
    assert.deepEqual(traffic.wrongAnswers, []);
    assert.deepEqual(traffic.failedReads, []);
  }

  async function everythingIsThere(phase: Phase): Promise<void> {
    const acknowledged = [...traffic.acknowledged].map(([id, customer]) => `${id}|${customer}`);
    const lines =
      phase === "database"
        ? await behind.sql(await behind.primary(), "SELECT id, customer_name FROM orders")
        : (await execIn(await behind.container("app"), ["node", "-e", ROWS_IN_SQLITE])).stdout;
    const rows = lines.split("\n").map((line) => line.trim());
    const present = new Set(rows);
    assert.deepEqual(
      acknowledged.filter((line) => !present.has(line)),
      [],
      "acknowledged orders are lost",
    );
    const own = rows.map((line) => line.slice(line.indexOf("|") + 1)).filter((customer) => /^customer \d+$/.test(customer));
    assert.equal(new Set(own).size, own.length, "an order is there twice");
    await documents.assertAllThere();
  }

  for (const way of ["Ctrl-C", "SIGKILL"] as const) {
    it(`cluster → database, by ${way} at every step`, () => changeTo("database", way));
    it(`database → cluster, by ${way} at every step`, () => changeTo("cluster", way));
  }
});
