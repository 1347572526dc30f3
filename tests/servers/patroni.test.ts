import assert from "node:assert/strict";
import { patroniConfig, patroniSharedConfig } from "../../components/local/postgres";
import { eventually } from "../support/services/container";
import { describePrivileges } from "../support/services/postgres-privileges";
import { PATRONI_MEMORY_MB, startPatroni, streaming, type PatroniGroup, type PatroniNode } from "../support/services/patroni";

const insert = "INSERT INTO acknowledged (id) VALUES ($1)";

const idsOf = async (node: PatroniNode): Promise<number[]> =>
  (await node.sql<{ id: number }>("SELECT id FROM acknowledged ORDER BY id", [], "app")).map(({ id }) => id);

/** Writes one row after the other to whoever is primary, each on a connection of its own; failed writes are tried with the next number. */
function writer(nodes: readonly PatroniNode[], from: number) {
  const acknowledged: number[] = [];
  let running = true;
  const done = (async () => {
    let turn = 0;
    for (let id = from; running; id += 1) {
      try {
        await nodes[turn % nodes.length]!.sql(insert, [id], "app");
        acknowledged.push(id);
      } catch {
        // Not the primary, or not for long: the other one.
        turn += 1;
      }
    }
  })();
  return {
    acknowledged,
    async stop(): Promise<void> {
      running = false;
      await done;
    },
  };
}

describe("A7 F2 Postgres under Patroni", function () {
  this.timeout(110_000);
  let group: PatroniGroup;
  let primary: PatroniNode;
  let standby: PatroniNode;
  const settle = async (): Promise<void> => {
    primary = await streaming(group);
    standby = group.nodes.find((node) => node !== primary)!;
  };
  before(async () => {
    group = await startPatroni(2);
    await settle();
    await primary.sql("CREATE TABLE acknowledged (id integer PRIMARY KEY)", [], "owner");
  });
  after(() => group?.remove());

  it("A7 every node runs with what was rendered: cluster-wide settings from etcd, its own from its file", async () => {
    const shared = patroniSharedConfig(group.settings);
    const { parameters } = patroniConfig(group.settings).postgresql;
    for (const node of group.nodes) {
      assert.deepEqual((await node.api("GET", "/config")).body, shared);
      for (const [name, value] of Object.entries({ ...shared.postgresql.parameters, ...parameters })) {
        const [row] = await node.sql<{ now: string }>("SELECT current_setting($1) AS now", [name]);
        assert.equal(inOneUnit(row!.now), inOneUnit(value), `${node.name}: ${name}`);
      }
    }
  });

  it("A7 all that a server can take at the same time fits into its container, with Patroni beside it", async () => {
    const [server] = await primary.sql<Record<"shared" | "work" | "maintenance" | "vacuum" | "workers" | "connections", number>>(
      `SELECT pg_size_bytes(current_setting('shared_memory_size')) / 1048576.0::float8 AS shared,
         pg_size_bytes(current_setting('work_mem')) / 1048576.0::float8 AS work,
         pg_size_bytes(current_setting('maintenance_work_mem')) / 1048576.0::float8 AS maintenance,
         pg_size_bytes(current_setting('autovacuum_work_mem')) / 1048576.0::float8 AS vacuum,
         current_setting('autovacuum_max_workers')::int AS workers, current_setting('max_connections')::int AS connections`,
    );
    const { shared, work, maintenance, vacuum, workers, connections } = server!;
    const patroniKb = Number(
      await primary.exec(["bash", "-c", "grep -h VmRSS /proc/$(pgrep --oldest --full bin/patroni)/status | tr -dc 0-9"]),
    );
    assert.ok(patroniKb > 10_000, `${patroniKb} kB are no Patroni`);
    const all = shared + maintenance + workers * vacuum + connections * (2 + work) + patroniKb / 1024;
    assert.ok(all <= PATRONI_MEMORY_MB, `${all.toFixed(1)} of ${PATRONI_MEMORY_MB} MiB: ${JSON.stringify(server)}`);
    assert.ok(all > 0.8 * PATRONI_MEMORY_MB, "and most of it is used");
  });

  it("A7 checksums of data pages are on, passwords are kept as SCRAM, and every connection needs one", async () => {
    for (const node of group.nodes) {
      const [row] = await node.sql<{ checksums: string; encryption: string }>(
        "SELECT current_setting('data_checksums') AS checksums, current_setting('password_encryption') AS encryption",
      );
      assert.deepEqual(row, { checksums: "on", encryption: "scram-sha-256" });
      const roles = await node.sql<{ rolname: string; scram: boolean; rolsuper: boolean }>(
        "SELECT rolname, rolpassword LIKE 'SCRAM-SHA-256$%' AS scram, rolsuper FROM pg_authid WHERE rolcanlogin ORDER BY rolname",
      );
      assert.deepEqual(
        roles.map(({ rolname, scram, rolsuper }) => [rolname, scram, rolsuper]),
        [
          ["app", true, false],
          ["monitor", true, false],
          ["owner", true, false],
          ["postgres", true, true],
          ["readonly", true, false],
          ["replicator", true, false],
          ["rewinder", true, false],
        ],
      );
      const rules = await node.sql<{ auth_method: string; error: string | null }>("SELECT auth_method, error FROM pg_hba_file_rules");
      assert.ok(rules.length >= 3);
      assert.deepEqual([...new Set(rules.map((rule) => `${rule.auth_method} ${rule.error ?? "fine"}`))], ["scram-sha-256 fine"]);
    }
    const settings = await primary.sql<{ owner: string }>("SELECT pg_get_userbyid(datdba) AS owner FROM pg_database WHERE datname = 'app'");
    assert.deepEqual(settings, [{ owner: "owner" }]);
  });

  it("A7 the image gives no password away: not in the configuration, and not to the programs that Patroni starts", async () => {
    const environment = await primary.exec(["bash", "-c", "for f in /proc/[0-9]*/environ; do tr '\\0' '\\n' < $f; done | sort -u"]);
    assert.match(environment, /^POSTGRES_PASSWORD_FILE=/m);
    const secrets = (await primary.exec(["bash", "-c", "for f in /run/secrets/*; do cat $f; echo; done"])).trim().split("\n");
    assert.equal(secrets.length, 8);
    const commands = await primary.exec(["bash", "-c", "for f in /proc/[0-9]*/cmdline; do tr '\\0' ' ' < $f; echo; done"]);
    assert.match(commands, /postgres -D/);
    const config = await primary.exec(["cat", "/etc/patroni/patroni.yml"]);
    for (const secret of secrets) {
      assert.ok(!commands.includes(secret), "a password is among the arguments of a program");
      assert.ok(!config.includes(secret), "a password is in the configuration");
    }
    const ofPostgres = await primary.exec(["bash", "-c", "tr '\\0' '\\n' < /proc/$(head -1 $PGDATA/postmaster.pid)/environ"]);
    for (const secret of secrets) assert.ok(!ofPostgres.includes(secret), "Postgres has a password in its environment");
  });

  it("A7 a write that is acknowledged on the primary can be read on the standby, which takes no writes", async () => {
    await primary.sql(insert, [1], "app");
    await eventually("the standby shows it", async () => (await idsOf(standby)).includes(1), 5000);
    await assert.rejects(standby.sql(insert, [2], "app"), /read-only transaction/);
    assert.equal((await primary.api("GET", "/primary")).status, 200);
    assert.equal((await standby.api("GET", "/primary")).status, 503);
    assert.equal((await standby.api("GET", "/replica?lag=10MB")).status, 200);
  });

  describe("least privilege in a cluster that Patroni made", () => {
    describePrivileges((role, sql, database) => primary.sql(sql, [], role, database));
  });

  it("F2 Patroni looks for a node that is gone at no old address, and for one that is there where it is now", async () => {
    // The object through which all its requests go, with an address of each name that was right five seconds ago.
    const program = [
      "import sys, time; from patroni.dcs.etcd import DnsCachingResolver",
      "names = DnsCachingResolver()",
      "for name in sys.argv[1:]: names._cache[(name, 8008)] = (time.time() - 5, [(2, 1, 6, '', ('192.0.2.1', 8008))])",
      "print(*[[address[4][0] for address in names.resolve(name, 8008)] for name in sys.argv[1:]], sep='\\n')",
    ].join("\n");
    const [gone, here] = (await primary.exec(["python3", "-c", program, "pg-gone", standby.name])).trim().split("\n");
    assert.equal(gone, "[]");
    assert.match(here ?? "", /^\['\d+\.\d+\.\d+\.\d+'\]$/);
    assert.doesNotMatch(here ?? "", /192\.0\.2\.1/);
  });

  it("F2 what changes the cluster needs the password of the REST API", async () => {
    const answer = await primary.api("POST", "/switchover", { leader: primary.name }, "nobody");
    assert.equal(answer.status, 401, String(answer.body));
  });

  it("F2 a planned switchover under write load: the roles change, never two primaries, nothing acknowledged is lost", async () => {
    const load = writer([primary, standby], 1000);
    await eventually("writes flow", () => load.acknowledged.length > 20, 20_000);
    let watching = true;
    const seen: number[] = [];
    const watch = (async () => {
      while (watching) seen.push((await group.primaries()).length);
    })();
    const before = primary.name;
    const { status, body } = await primary.api("POST", "/switchover", { leader: primary.name, candidate: standby.name });
    assert.equal(status, 200, String(body));
    await settle();
    assert.notEqual(primary.name, before);
    const reached = load.acknowledged.length;
    await eventually("writes flow again", () => load.acknowledged.length > reached + 20, 20_000);
    await load.stop();
    watching = false;
    await watch;
    assert.ok(seen.length > 5 && Math.max(...seen) === 1, `primaries seen at a time: ${seen.join(" ")}`);
    const kept = new Set(await idsOf(primary));
    assert.deepEqual(
      load.acknowledged.filter((id) => !kept.has(id)),
      [],
      "acknowledged, but gone",
    );
    await eventually("the old primary has it all", async () => (await idsOf(standby)).length === kept.size, 20_000);
  });
});

/** A setting as the server prints it and as it was asked for, made comparable: one unit for sizes and times. */
function inOneUnit(value: string): string {
  const [, number, unit] = /^(\d+)\s*(kB|MB|GB|ms|s|min)$/.exec(value) ?? [];
  if (number === undefined || unit === undefined) return value;
  const factor = { kB: 1, MB: 1024, GB: 1024 * 1024, ms: 1, s: 1000, min: 60_000 }[unit] ?? 1;
  return `${Number(number) * factor} ${/B$/.test(unit) ? "kB" : "ms"}`;
}
