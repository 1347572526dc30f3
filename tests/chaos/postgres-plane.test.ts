import assert from "node:assert/strict";
import { dockerCommand, eventually } from "../support/services/container";
import { type PatroniGroup, type PatroniNode, startPatroni, streaming } from "../support/services/patroni";
import { type PostgresPlane, startPlane } from "../support/services/postgres-plane";
import { lostOn, watchPrimaries, WriteLoad, WRITTEN } from "../support/services/write-load";

const CLIENTS = 4;

/** How often each event happens: figures are a median and the most of them. */
const RUNS = Number(process.env["PHASED_CHAOS_RUNS"] ?? 1);

describe("F2 A7 single faults of the Postgres plane under write load", function () {
  this.timeout(900_000);
  let group: PatroniGroup;
  let plane: PostgresPlane;
  let next = 1;
  before(async () => {
    group = await startPatroni(3);
    plane = await startPlane(group);
    await (await streaming(group)).sql(WRITTEN, [], "owner");
  });
  after(async () => {
    await plane?.remove();
    await group?.remove();
  });

  interface Event {
    readonly happens: (primary: PatroniNode) => Promise<void>;
    /** Makes everything as it was. */
    readonly repair?: (primary: PatroniNode) => Promise<void>;
    readonly otherPrimary: boolean;
    /** Leases the reaper takes. */
    readonly reaped: 0 | 1;
    /** Whether statements may fail: those of transactions under way when their server dies. */
    readonly mayFail: boolean;
    /** Until a node that was cut off has looked into etcd it calls itself primary; nobody acknowledges what it commits, which is looked at. */
    readonly returnsUnaware?: true;
    /** The operator counts from 0 again. */
    readonly restartsOperator?: true;
  }

  async function run(what: string, { happens, repair, otherPrimary, reaped, mayFail, ...event }: Event): Promise<void> {
    const gaps: number[] = [];
    for (let turn = 0; turn < RUNS; turn += 1) {
      const primary = await streaming(group);
      const before = event.restartsOperator === true ? 0 : await plane.metric("postgres_reaper_reaped_total");
      const stopWatching = watchPrimaries(group);
      const load = new WriteLoad(() => plane.client(), CLIENTS, next);
      try {
        await eventually("writes flow", () => load.acknowledged.length >= 50);
        await happens(primary);
        if (otherPrimary)
          await eventually("another primary", async () =>
            (await plane.status()).members.some(({ role, name }) => role === "primary" && name !== primary.name),
          );
        const reached = load.acknowledged.length;
        await eventually("writes flow again", () => load.acknowledged.length >= reached + 50);
        gaps.push(load.longestGapMs);
      } finally {
        await load.stop();
        if (event.returnsUnaware === true) await stopWatching();
        await repair?.(primary);
      }
      next += 100_000;
      const now = await streaming(group);
      assert.equal(await stopWatching(), 1, "primaries at the same time");
      for (const { container, name } of group.nodes) {
        await eventually(
          `${name} has all that was acknowledged`,
          async () => (await lostOn(container, load.acknowledged)).length === 0,
          20_000,
        );
      }
      assert.equal(now !== primary, otherPrimary, "who is primary");
      assert.equal((await plane.metric("postgres_reaper_reaped_total")) - before, reaped, "leases taken");
      if (!mayFail) assert.deepEqual(load.failures, []);
    }
    gaps.sort((a, b) => a - b);
    console.log(`      ${what}: gap median ${gaps[Math.floor(gaps.length / 2)]} ms, most ${gaps.at(-1)} ms of ${gaps.length}`);
  }

  const signalPatroni = async ({ container }: PatroniNode, signal: string): Promise<void> => {
    await dockerCommand(["exec", container, "pkill", `-${signal}`, "--full", "bin/patroni"]);
  };

  const certain = { otherPrimary: true, reaped: 1, mayFail: true } as const;

  it("F2 primary killed: its lease is taken", () =>
    run("killed", { ...certain, happens: (node) => node.kill(), repair: (node) => node.start() }));

  it("F2 primary cut from the network: its lease is taken, and it acknowledges nothing while it is alone", () =>
    run("cut off", {
      ...certain,
      returnsUnaware: true,
      happens: async ({ container }) => {
        await dockerCommand(["network", "disconnect", "--force", group.network, container]);
      },
      repair: async ({ name, container }) => {
        await dockerCommand(["network", "connect", "--alias", name, group.network, container]);
      },
    }));

  it("F2 primary paused: nobody is sure that it is dead, so its lease runs out by itself", () =>
    run("paused", { ...certain, reaped: 0, happens: (node) => node.pause(), repair: (node) => node.unpause() }));

  it("F2 Patroni alone frozen on the primary, while Postgres accepts on: nothing is taken, its lease runs out, and it acknowledges nothing", () =>
    run("Patroni frozen", {
      ...certain,
      reaped: 0,
      happens: (node) => signalPatroni(node, "STOP"),
      repair: (node) => signalPatroni(node, "CONT"),
    }));

  it("F2 Postgres alone killed: Patroni is there and does what is right, nothing is taken", () =>
    run("postmaster killed", {
      ...certain,
      reaped: 0,
      happens: async ({ container }) => {
        await dockerCommand(["exec", container, "bash", "-c", 'kill -9 "$(head -1 "$PGDATA/postmaster.pid")"']);
      },
    }));

  it("F2 the operator killed: writes flow on", () =>
    run("operator killed", {
      restartsOperator: true,
      otherPrimary: false,
      reaped: 0,
      mayFail: false,
      happens: async () => {
        await plane.operator.kill();
        await dockerCommand(["start", plane.operator.container]);
        await eventually("it counts rounds again", async () => (await plane.metric("postgres_reaper_rounds_total")) > 0);
      },
    }));
});
