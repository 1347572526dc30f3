import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { promisify } from "node:util";
import type { Client } from "pg";
import { patroniSharedConfig } from "../../components/local/postgres";
import { dockerCommand, eventually } from "../support/services/container";
import { PATRONI_MAX_CONNECTIONS, startPatroni, streaming, type PatroniGroup, type PatroniNode } from "../support/services/patroni";
import { startPlane } from "../support/services/postgres-plane";

/** Longest time for a takeover that waits for the primary's lease to end (20 s), on a busy machine. */
const TAKE_OVER_MS = 120_000;

/** What a node has written since its container was made, to both of its streams. */
async function logOf({ container }: PatroniNode): Promise<string> {
  const { stdout, stderr } = await promisify(execFile)("docker", ["logs", container], { maxBuffer: 16 * 1024 * 1024 });
  return stdout + stderr;
}

describe("A7 F2 nodes of Postgres that are lost, stopped and replaced", function () {
  this.timeout(300_000);
  let group: PatroniGroup;
  let primary: PatroniNode;
  let standby: PatroniNode;
  let next = 1;

  const settle = async (): Promise<void> => {
    primary = await streaming(group);
    standby = group.nodes.find((node) => node !== primary)!;
  };
  const keep = async (node: PatroniNode, how = ""): Promise<number> => {
    const id = next++;
    await node.sql(`${how}INSERT INTO kept (id) VALUES (${id})`, [], "app");
    return id;
  };
  const idsOf = async (node: PatroniNode): Promise<number[]> =>
    (await node.sql<{ id: number }>("SELECT id FROM kept ORDER BY id", [], "app")).map(({ id }) => id);
  /** Whether another node is primary, and takes writes. */
  const takesOver = (node: PatroniNode): Promise<void> =>
    eventually(`${node.name} is primary`, async () => (await node.api("GET", "/primary")).status === 200, TAKE_OVER_MS);

  before(async () => {
    group = await startPatroni(2);
    await settle();
    await primary.sql("CREATE TABLE kept (id integer PRIMARY KEY)", [], "owner");
  });
  after(() => group?.remove());

  it("F2 a standby whose data directory is gone comes back with a copy of the primary, by itself", async () => {
    const id = await keep(primary);
    await standby.exec(["bash", "-c", 'rm -rf "$PGDATA"']);
    await standby.kill();
    await standby.start();
    assert.ok((await idsOf(standby)).includes(id));
    assert.match(await logOf(standby), /replica has been created using basebackup/);
    await settle();
  });

  it("F2 a primary that was killed with writes nobody else has comes back as a standby by pg_rewind, and they are gone", async () => {
    const [old, other] = [primary, standby];
    const kept = await keep(old);
    // So that Patroni does not take the standby off the list of those who may take over.
    await old.exec(["bash", "-c", "kill -STOP $(pgrep --oldest --full bin/patroni)"]);
    await other.kill();
    // Nobody is told that such a write is safe: it waits for no standby.
    const lost = await keep(old, "SET synchronous_commit = local; ");
    await old.kill();
    await dockerCommand(["start", other.container]);
    await takesOver(other);
    await eventually("it takes writes", async () => (await keep(other)) > 0);
    await old.start();
    await settle();
    assert.equal(primary.name, other.name);
    for (const node of group.nodes) {
      const ids = await idsOf(node);
      assert.deepEqual([ids.includes(kept), ids.includes(lost)], [true, false], node.name);
    }
    const log = await logOf(old);
    assert.match(log, /running pg_rewind from/);
    assert.doesNotMatch(log.slice(log.indexOf("running pg_rewind from")), /created using basebackup/, "no copy was needed");
  });

  it("F2 a primary that is stopped without an operator to ask still ends by itself, and hands over", async () => {
    const old = primary;
    const id = await keep(old);
    await dockerCommand(["stop", "--time", "60", old.container]);
    const code = (await dockerCommand(["inspect", "--format", "{{.State.ExitCode}}", old.container])).trim();
    assert.equal(code, "0", "it was killed");
    assert.match(await logOf(old), /the operator does not answer .*; Patroni hands over by itself/);
    await takesOver(standby);
    assert.ok((await idsOf(standby)).includes(id));
    await old.start();
    await settle();
  });

  it("F2 nodes are replaced one by one with another setting: it reaches all of them, and no write through PgBouncer fails", async () => {
    const plane = await startPlane(group);
    let client: Client | undefined;
    try {
      // By hand, and undone by what the new image says.
      await primary.exec(["entrypoint.sh", "patronictl", "edit-config", "--force", "--set", "ttl=30"]);
      const changed = { ...group.settings, maxConnections: PATRONI_MAX_CONNECTIONS + 10 };
      client = plane.client();
      await client.connect();
      const acknowledged: number[] = [];
      let running = true;
      const writes = (async () => {
        for (let id = 1_000_000; running; id += 1) {
          await client.query("INSERT INTO kept (id) VALUES ($1)", [id]);
          acknowledged.push(id);
        }
      })();
      // Heard of below; until then it must not end the process.
      writes.catch(() => undefined);
      const [first, last] = [standby, primary];
      await group.replace(first, changed);
      const before = acknowledged.length;
      await group.replace(last, changed);
      const after = acknowledged.length;
      await eventually("writes flow", () => acknowledged.length > after + 10);
      running = false;
      await writes;
      assert.ok(after > before, "writes flowed while the primary was replaced");
      await settle();
      assert.equal(primary.name, first.name);
      assert.equal(await plane.metric('postgres_switchovers_total{outcome="done"}'), 1, "the operator was asked, once");
      const ids = new Set(await idsOf(primary));
      assert.deepEqual(
        acknowledged.filter((id) => !ids.has(id)),
        [],
        "acknowledged, but gone",
      );
      for (const node of group.nodes) {
        const [row] = await node.sql<{ max_connections: string }>("SHOW max_connections");
        assert.equal(row?.max_connections, String(changed.maxConnections), node.name);
        assert.ok(!("pending_restart" in ((await node.api("GET", "/patroni")).body as object)), node.name);
      }
      assert.deepEqual((await primary.api("GET", "/config")).body, patroniSharedConfig(changed));
    } finally {
      await client?.end().catch(() => undefined);
      await plane.remove();
    }
  });

  it("F2 fewer connections are what no running cluster gets, and nothing waits for a restart because of it", async () => {
    const connections = async (): Promise<(string | undefined)[]> => {
      const rows = await Promise.all(group.nodes.map((node) => node.sql<{ max_connections: string }>("SHOW max_connections")));
      return rows.map(([row]) => row?.max_connections);
    };
    const waiting = async (): Promise<string[]> => {
      const answers = await Promise.all(
        group.nodes.map(async (node) => ({ name: node.name, body: (await node.api("GET", "/patroni")).body as object })),
      );
      return answers.filter(({ body }) => "pending_restart" in body).map(({ name }) => name);
    };
    const before = await connections();
    const fewer = { ...group.settings, maxConnections: PATRONI_MAX_CONNECTIONS - 10 };
    for (const node of [standby, primary]) await group.replace(node, fewer);
    await settle();
    assert.deepEqual(await connections(), before);
    assert.deepEqual(await waiting(), []);

    // What an image before this one did to etcd, and what heals it: the next node that starts.
    await primary.exec(["entrypoint.sh", "patronictl", "edit-config", "--force", "--pg", `max_connections=${fewer.maxConnections}`]);
    await eventually("every node waits for a restart", async () => (await waiting()).length === group.nodes.length);
    await standby.kill();
    await standby.start();
    await eventually("no node waits for one", async () => (await waiting()).length === 0);
    await settle();
    assert.deepEqual(await connections(), before);
    const shared = patroniSharedConfig(fewer);
    const parameters = { ...shared.postgresql.parameters, max_connections: before[0] };
    assert.deepEqual((await primary.api("GET", "/config")).body, { ...shared, postgresql: { ...shared.postgresql, parameters } });
  });

  it("A7 who operates it has psql and patronictl at hand", async () => {
    assert.equal((await standby.exec(["entrypoint.sh", "psql", "-Atc", "SELECT pg_is_in_recovery()"])).trim(), "t");
    const listed = await primary.exec(["entrypoint.sh", "patronictl", "list"]);
    assert.match(listed, new RegExp(`${primary.name} .*Leader`));
  });
});
