import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { setTimeout as delay } from "node:timers/promises";
import type { Stack } from "@pulumi/pulumi/automation";
import { DatabaseStack } from "../support/database-stack";
import { leftovers } from "../support/docker";
import { copyProject, freePort, type ProjectCopy } from "../support/project";
import { eventually } from "../support/services/container";
import { StackClient } from "../support/stack-client";

/** Each of them writes one order after the other, and reads meanwhile. */
const COMPANIES = 6;

/** Between an answer and the next request of the same company, ms. */
const WRITE_PAUSE_MS = 500;
const READ_PAUSE_MS = 250;

/** Longer than Patroni's lease (20 s): whatever it were to give up by itself, it would have given up. With `available` it takes about 2 s. */
const ALONE_MS = 25_000;

/** What a standby confirmed just before it stopped may still be on its way to the client, ms. */
const UNDER_WAY_MS = 2000;

/** Longest wait for all writers to be answered: the app gives a commit 10 s, and a company's next write waits for the one before it. */
const REFUSED_WITHIN_MS = 90_000;
const BACK_WITHIN_MS = 60_000;

interface Answered {
  readonly sentAt: number;
  readonly at: number;
  /** 0 without an answer. */
  readonly status: number;
  /** Of an order its id, else what was answered instead. */
  readonly text: string;
}

interface Written extends Answered {
  readonly key: string;
}

/** A company whose orders are written and read until it is told to stop; nothing is sent twice. */
class Company {
  readonly writes: Written[] = [];
  readonly reads: Answered[] = [];
  readonly #client: StackClient;
  readonly #headers: Readonly<Record<string, string>>;
  #stopped = false;
  #loops: Promise<unknown> = Promise.resolve();

  constructor(url: string, adminToken: string) {
    this.#client = new StackClient(url);
    this.#headers = { "x-rate-limit-bypass": adminToken };
  }

  async start(): Promise<void> {
    await this.#client.signUp(this.#headers);
    this.#loops = Promise.all([this.#writing(), this.#reading()]);
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    await this.#loops;
  }

  close(): void {
    this.#client.close();
  }

  async write(key: string): Promise<Written> {
    const json = { customerName: "Strict", totalCents: 100 };
    return { key, ...(await this.#ask("POST", "/api/orders", { json, headers: { ...this.#headers, "idempotency-key": key } })) };
  }

  async #writing(): Promise<void> {
    while (!this.#stopped) {
      this.writes.push(await this.write(randomUUID()));
      await delay(WRITE_PAUSE_MS);
    }
  }

  /** Another page each time, so that none is in a cache. */
  async #reading(): Promise<void> {
    for (let turn = 0; !this.#stopped; turn += 1) {
      // As if some minutes had passed: standbys may answer as long as there are any.
      this.#client.forgetWrites();
      this.reads.push(await this.#ask("GET", `/api/orders?limit=10&offset=${turn}`, { headers: this.#headers }));
      await delay(READ_PAUSE_MS);
    }
  }

  async #ask(...request: Parameters<StackClient["ask"]>): Promise<Answered> {
    const sentAt = Date.now();
    try {
      const { status, text, body } = await this.#client.ask(...request);
      return { sentAt, at: Date.now(), status, text: status === 201 ? String(body["id"]) : text.slice(0, 200) };
    } catch (error) {
      return { sentAt, at: Date.now(), status: 0, text: String(error) };
    }
  }
}

describe("A7 F2 durability strict: no write without a standby", function () {
  this.timeout(300_000);
  let project: ProjectCopy;
  let stack: Stack;
  let behind: DatabaseStack;
  let companies: Company[] = [];

  before(async () => {
    project = copyProject();
    const config = { phase: "database", durability: "strict", appInstances: "2", backups: "false" };
    stack = await project.createStack({ ...config, port: String(await freePort()) });
    behind = new DatabaseStack(stack.name);
    const { outputs } = await stack.up();
    const [url, adminToken] = [String(outputs["appUrl"]?.value), String(outputs["adminToken"]?.value)];
    companies = Array.from({ length: COMPANIES }, () => new Company(url, adminToken));
  });

  after(async () => {
    await Promise.all(companies.map((company) => company.stop()));
    for (const company of companies) company.close();
    await stack?.destroy();
    await stack?.workspace.removeStack(stack.name);
    if (stack !== undefined) assert.deepEqual(await leftovers(stack.name), []);
    project?.remove();
  });

  const writes = (): Written[] => companies.flatMap((company) => company.writes);
  const acknowledged = (): Written[] => writes().filter(({ status }) => status === 201);
  const reads = (): Answered[] => companies.flatMap((company) => company.reads);
  const told = (all: readonly Answered[]): string => JSON.stringify(all.slice(0, 5));
  const failed = (all: readonly Answered[]): Answered[] => all.filter(({ status }) => status !== 200);
  /** Whether each company has had such an answer. */
  const each = (such: (write: Written) => boolean): boolean => companies.every((company) => company.writes.some(such));

  it("A7 all standbys stopped: writes are refused and reads go on; with one of them back writes flow, nothing is lost and nothing there twice", async () => {
    const { primary, standbys } = await behind.roles();
    assert.equal(standbys.length, 2);
    await Promise.all(companies.map((company) => company.start()));
    await eventually("every company has written and read", () => each(({ status }) => status === 201) && reads().length > 5 * COMPANIES);

    const nodes = await Promise.all(standbys.map((name) => behind.node(name)));
    await Promise.all(nodes.map((node) => node.stop()));
    const aloneSince = Date.now();
    const isRefused = ({ sentAt, status }: Written): boolean => sentAt > aloneSince && status === 503;
    await eventually("every company is refused a write", () => Date.now() > aloneSince + ALONE_MS && each(isRefused), REFUSED_WITHIN_MS);
    const { leader, problems } = await behind.status();
    assert.equal(leader, primary);
    assert.match(problems.join("\n"), /No standby confirms writes/);

    const [first, second] = nodes;
    assert.ok(first !== undefined && second !== undefined);
    const backAt = Date.now();
    const [readsAlone, writesAlone] = [reads(), writes().filter(({ sentAt }) => sentAt > aloneSince)];
    await first.start();
    await eventually("every company writes again", () => each(({ sentAt, status }) => sentAt > backAt && status === 201), BACK_WITHIN_MS);
    const confirmedAlone = acknowledged().filter(({ at }) => at > aloneSince + UNDER_WAY_MS && at < backAt);
    assert.deepEqual(confirmedAlone, [], "acknowledged without a standby");
    const notRefused = writesAlone.filter(({ status }) => status !== 503);
    assert.deepEqual(notRefused, [], "answered otherwise than by 503");
    assert.deepEqual(failed(readsAlone), [], told(failed(readsAlone)));
    const answeredAlone = readsAlone.filter(({ sentAt }) => sentAt > aloneSince);
    assert.ok(answeredAlone.length > 5 * COMPANIES, `only ${answeredAlone.length} reads while the primary was alone`);

    await second.start();
    await behind.roles();
    await Promise.all(companies.map((company) => company.stop()));
    assert.deepEqual(failed(reads()), [], told(failed(reads())));

    // A refused one may have been committed since. With its key it can be sent again, whichever it is.
    for (const company of companies) {
      for (const { key, status } of [...company.writes]) if (status !== 201) company.writes.push(await company.write(key));
    }
    const keys = new Set(writes().map(({ key }) => key));
    const ids = acknowledged().map(({ text }) => text);
    assert.equal(new Set(acknowledged().map(({ key }) => key)).size, keys.size, told(writes().filter(({ status }) => status !== 201)));
    assert.equal(new Set(ids).size, keys.size, "an order was there twice");
    for (const node of [primary, ...standbys]) {
      await eventually(`${node} has every order, once`, async () => {
        const present = (await behind.sql(node, "SELECT id FROM orders")).split("\n");
        assert.equal(present.length, keys.size);
        return ids.every((id) => present.includes(id));
      });
    }
    assert.equal(await behind.primary(), primary);
  });
});
