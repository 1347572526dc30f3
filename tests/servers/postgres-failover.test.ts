import assert from "node:assert/strict";
import { dockerCommand, eventually } from "../support/services/container";
import { type PatroniGroup, type PatroniNode, startPatroni, streaming } from "../support/services/patroni";
import { type PostgresPlane, startPlane } from "../support/services/postgres-plane";
import { lostOn, watchPrimaries, WriteLoad, WRITTEN } from "../support/services/write-load";

/** Clients that write at the same time. */
const CLIENTS = 4;

describe("F2 F3 Postgres behind PgBouncer, proxy and operator", function () {
  this.timeout(240_000);
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

  /** Writes through PgBouncer; after it, every acknowledged number has to be there, and there never was a second primary. */
  async function underLoad(what: string, happens: (load: WriteLoad) => Promise<void>): Promise<WriteLoad> {
    const stopWatching = watchPrimaries(group);
    const load = new WriteLoad(() => plane.client(), CLIENTS, next);
    try {
      await eventually("writes flow", () => load.acknowledged.length >= 50);
      await happens(load);
      const reached = load.acknowledged.length;
      await eventually("writes flow again", () => load.acknowledged.length >= reached + 50);
    } finally {
      await load.stop();
    }
    next += 100_000;
    assert.equal(await stopWatching(), 1, "primaries at the same time");
    const primary = (await primaryBeside(undefined))!;
    assert.deepEqual(await lostOn(primary.container, load.acknowledged), [], "acknowledged, but gone");
    console.log(`      ${what}: writes stood still for ${load.longestGapMs} ms at most`);
    return load;
  }

  /** Who takes writes, if it is not this node, which may be gone. */
  async function primaryBeside(old: PatroniNode | undefined): Promise<PatroniNode | undefined> {
    const { members } = await plane.status();
    const name = members.find((member) => member.role === "primary" && member.name !== old?.name)?.name;
    return group.nodes.find((node) => node.name === name);
  }

  /** As `npm run failover` does it, in the operator's container. */
  const command = (...args: string[]): Promise<string> => plane.operator.exec(["node", "/app/main.js", ...args]);

  it("F3 status is one line: who is what, how far behind, PgBouncer's pools, and that all is well", async () => {
    const client = plane.client();
    await client.connect();
    await client.query("SELECT 1");
    await eventually("all is well", async () => (await plane.status()).healthy);
    const printed = await command("status");
    assert.equal(printed.trim().split("\n").length, 1);
    const status = JSON.parse(printed) as Awaited<ReturnType<PostgresPlane["status"]>>;
    await client.end();
    assert.deepEqual(status.problems, []);
    assert.deepEqual(
      status.members.map(({ name }) => name),
      ["pg-1", "pg-2", "pg-3"],
    );
    const primary = status.members.find(({ role }) => role === "primary");
    assert.equal(primary?.name, status.leader);
    for (const { role, sync, state, timeline, lagBytes } of status.members) {
      assert.equal(timeline, primary?.timeline);
      if (role !== "primary") assert.deepEqual([role, sync, state], ["standby", "quorum", "streaming"]);
      assert.ok(lagBytes !== null && lagBytes < 1024 * 1024);
    }
    assert.equal(status.pools?.find(({ database, user }) => database === "app" && user === "app")?.paused, false);
    assert.ok(status.reaper.healthy && status.reaper.rounds > 0 && status.reaper.reaped === 0);
  });

  it("F2 C7 the proxy is replaced by one with another address: no statement fails, and everything goes through the new one at once", async () => {
    const reader = plane.client(plane.nodeDatabase("pg-1"));
    await reader.connect();
    const load = await underLoad("proxy replaced", async ({ acknowledged }) => {
      await plane.replaceProxy();
      const reached = acknowledged.length;
      await eventually("writes flow through the new proxy", () => acknowledged.length >= reached + 50, 5000);
    });
    assert.deepEqual(load.failures, []);
    const [row] = (await reader.query<{ readonly one: number }>("SELECT 1 AS one")).rows;
    assert.equal(row?.one, 1, "a single node is reached through the new one as well");
    await reader.end();
  });

  it("F2 planned switchover under write load: no statement fails, nothing is lost, one primary at a time", async () => {
    await streaming(group);
    const before = (await plane.status()).leader;
    const load = await underLoad("planned switchover", async () => {
      const said = await command("switchover");
      assert.match(said, /^pg-\d is primary now, pg-\d was; writes were held for \d+\.\d s\.\n$/);
      console.log(`      ${said.trim()}`);
    });
    assert.deepEqual(load.failures, []);
    const { leader, lastSwitchover } = await plane.status();
    assert.notEqual(leader, before);
    assert.equal(lastSwitchover?.to, leader);
    await streaming(group);
  });

  it("F2 a switchover needs Patroni's password, and is refused with one sentence while it could not end well", async () => {
    const post = (body: object, password = group.password("patroni")): Promise<Response> =>
      plane.ask("/switchover", { method: "POST", headers: { authorization: `Bearer ${password}` }, body: JSON.stringify(body) });
    assert.equal((await post({}, "wrong")).status, 401);
    assert.equal((await post({ leader: "pg-1" })).status, 400);
    const { leader, members } = await plane.status();
    const standby = members.find(({ role }) => role === "standby")!.name;
    const nothing = await post({ from: standby });
    assert.deepEqual([nothing.status, ((await nothing.json()) as { ok: boolean }).ok], [200, true]);
    await assert.rejects(command("switchover", "--to", "pg-9"), {
      code: 1,
      stdout: '"pg-9" is no node of this cluster; use one of pg-1, pg-2, pg-3.\n',
    });

    // A transaction that does not end cannot be held back: after some seconds everything goes on as it was.
    const client = plane.client();
    await client.connect();
    await client.query("BEGIN");
    await client.query("SELECT 1");
    const refused = await post({});
    assert.equal(refused.status, 409);
    assert.match(
      ((await refused.json()) as { message: string }).message,
      /^Transactions under way did not end within 5 s; nothing was changed\.$/,
    );
    await client.query("INSERT INTO written (id) VALUES (-1)");
    await client.query("COMMIT");
    await client.end();
    assert.equal((await plane.status()).leader, leader);
  });

  it("F2 primary killed: a standby takes over long before the ttl, nothing acknowledged is lost, and the old one follows again", async () => {
    const old = await streaming(group);
    const reaped = await plane.metric("postgres_reaper_reaped_total");
    await underLoad("primary killed", async () => {
      await old.kill();
      await eventually("another primary", async () => (await primaryBeside(old)) !== undefined);
    });
    assert.equal(await plane.metric("postgres_reaper_reaped_total"), reaped + 1);
    assert.match((await plane.status()).problems.join(" "), new RegExp(`${old.name} does not answer`));
    await old.start();
    await streaming(group);
  });

  it("F2 an operator that dies while statements are held back lets them go when it starts again", async () => {
    const client = plane.client();
    await client.connect();
    await plane.operator.kill();
    await plane.console("PAUSE app");
    const held = client.query("SELECT 1");
    await dockerCommand(["start", plane.operator.container]);
    await held;
    await client.end();
  });

  it("F2 statements that nobody lets go, as when PgBouncer had no name when its turn came, the operator lets go within seconds", async () => {
    const client = plane.client();
    await client.connect();
    await plane.console("PAUSE app");
    const began = performance.now();
    await client.query("SELECT 1");
    assert.ok(performance.now() - began < 15_000, "long before clients are refused");
    await client.end();
  });
});
