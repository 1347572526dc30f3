import assert from "node:assert/strict";
import fc from "fast-check";
import {
  nodeDatabase,
  pgbouncerContext,
  type PgbouncerSettings,
  postgresConnections,
  renderPgbouncerConfig,
  renderPgbouncerUsers,
  RESERVED_CONNECTIONS,
} from "../../../components/local/pgbouncer";
import { MOST_NAMES } from "../../../app/src/db/statement-names";
import { postgresMemory } from "../../../components/local/postgres";
import { oddText, unlessRefused } from "./odd-text";

/** `pgbouncer.ini` as its own reader takes it: sections of `key = value`, from the first `=`; `;` and `#` begin a comment line. */
function read(text: string): Map<string, Map<string, string>> {
  const sections = new Map<string, Map<string, string>>();
  let section = new Map<string, string>();
  for (const line of text.split(/\r\n|\r|\n/)) {
    if (line === "" || /^[;#]/.test(line)) continue;
    const header = /^\[(\w+)\]$/.exec(line);
    if (header !== null) {
      section = new Map();
      sections.set(header[1]!, section);
      continue;
    }
    // What PgBouncer 1.24 takes as a name; one in quotes is a syntax error to it.
    const [, name = "", value] = /^([\w.-]+) = (.*)$/.exec(line) ?? assert.fail(`no setting: ${JSON.stringify(line)}`);
    assert.ok(!section.has(name), `${name} is there twice`);
    section.set(name, value!);
  }
  return sections;
}

const base: PgbouncerSettings = { serverHost: "haproxy" };
const settingsOf = (settings: PgbouncerSettings): Map<string, string> => read(renderPgbouncerConfig(settings)).get("pgbouncer")!;
const NAMES = [...settingsOf(base).keys()];

const pool = fc.record({
  serverHost: fc.constant("haproxy"),
  poolSize: fc.integer({ min: 1, max: 200 }),
  reservePoolSize: fc.option(fc.nat(40), { nil: undefined }),
  nodes: fc.uniqueArray(fc.constantFrom("pg-1", "pg-2", "pg-3", "pg-4", "pg-5")),
  nodePoolSize: fc.option(fc.integer({ min: 1, max: 200 }), { nil: undefined }),
});

describe("A8 pgbouncer.ini", () => {
  it("A8 transaction mode for 1,000 clients and more, back in a second after a failover, dead servers noticed in seconds", () => {
    const settings = settingsOf(base);
    const expected = {
      pool_mode: "transaction",
      auth_type: "scram-sha-256",
      default_pool_size: "20",
      max_prepared_statements: "50",
      server_login_retry: "0.1",
      server_connect_timeout: "2",
      server_lifetime: "600",
      query_wait_timeout: "25",
      tcp_user_timeout: "5000",
    };
    for (const [name, value] of Object.entries(expected)) assert.equal(settings.get(name), value, name);
    assert.ok(Number(settings.get("max_client_conn")) >= 1000);
    assert.equal(read(renderPgbouncerConfig(base)).get("databases")!.get("app"), "host=haproxy port=5432 dbname=app");
  });

  it("C1 knows as many prepared statements as a process of the app gives names to, so that it drops none of them, and a server keeps no more", () => {
    assert.equal(Number(settingsOf(base).get("max_prepared_statements")), MOST_NAMES);
  });

  it("A8 all pools of all PgBouncers, full, leave Postgres its reserve; and Postgres can be given so many (property)", () => {
    fc.assert(
      fc.property(fc.array(pool, { minLength: 1, maxLength: 6 }), (given) => {
        const settings = given.map(({ reservePoolSize, nodePoolSize, ...rest }) => ({
          ...rest,
          ...(reservePoolSize !== undefined && { reservePoolSize }),
          ...(nodePoolSize !== undefined && { nodePoolSize }),
        }));
        const maxConnections = postgresConnections(settings);
        let opened = 0;
        for (const sections of settings.map((each) => read(renderPgbouncerConfig(each)))) {
          const rendered = sections.get("pgbouncer")!;
          const most = Number(rendered.get("max_db_connections"));
          // For however many users: the limit of the database holds for all of them.
          assert.equal(most, Number(rendered.get("default_pool_size")) + Number(rendered.get("reserve_pool_size")));
          const nodePools = [...sections.get("databases")!]
            .filter(([name]) => name !== "app")
            .map(([, text]) => Number(/ max_db_connections=(\d+)$/.exec(text)?.[1]));
          // At one server: every node may be the primary, and has what was opened to it as a replica as well.
          opened += most + Math.max(0, ...nodePools);
        }
        assert.ok(opened <= maxConnections - RESERVED_CONNECTIONS);
        assert.equal(opened, maxConnections - RESERVED_CONNECTIONS, "and nothing is wasted");
        assert.equal(postgresMemory({ memoryMb: 8192, maxConnections })["max_connections"], String(maxConnections));
      }),
    );
    assert.equal(postgresConnections([base, base]), 2 * 25 + 30);
  });

  it("E8 each node has a database of its own, named after it, and the primary's is found by whoever leads there", () => {
    const settings: PgbouncerSettings = { serverHost: "proxy", serverPort: 5000, nodes: ["pg-1", "pg-2"], poolSize: 20, nodePoolSize: 12 };
    assert.deepEqual(
      [...read(renderPgbouncerConfig(settings)).get("databases")!],
      [
        ["app", "host=proxy port=5000 dbname=app"],
        ["app_pg-1", "host=pg-1 port=5432 dbname=app pool_size=12 reserve_pool_size=0 max_db_connections=12"],
        ["app_pg-2", "host=pg-2 port=5432 dbname=app pool_size=12 reserve_pool_size=0 max_db_connections=12"],
      ],
    );
    assert.equal(nodeDatabase("pg-1"), "app_pg-1");
    assert.throws(
      () => renderPgbouncerConfig({ ...settings, nodes: ["pg-1", "pg-1"] }),
      /nodes: "pg-1" is there twice; name each server once\./,
    );
  });

  it("F2 E8 behind a proxy on its host every server is a socket, and no name can be one that has moved", () => {
    const settings: PgbouncerSettings = {
      serverHost: "/run/postgres-proxy",
      serverPort: 5000,
      nodes: ["pg-1", "pg-2"],
      nodePorts: [5101, 5102],
    };
    const servers = [...read(renderPgbouncerConfig(settings)).get("databases")!.values()].map((server) =>
      server.split(" ").slice(0, 2).join(" "),
    );
    assert.deepEqual(servers, [
      "host=/run/postgres-proxy port=5000",
      "host=/run/postgres-proxy port=5101",
      "host=/run/postgres-proxy port=5102",
    ]);
    assert.throws(
      () => renderPgbouncerConfig({ ...settings, nodePorts: [5101] }),
      /^RangeError: nodePorts: \[5101\] is not allowed; give one for each of 2 nodes\.$/,
    );
    assert.throws(
      () => renderPgbouncerConfig({ ...settings, nodePorts: [5101, 0] }),
      /^RangeError: nodePorts: 0 is not allowed; use a whole number/,
    );
    assert.throws(() => renderPgbouncerConfig({ ...base, serverHost: `/${"x".repeat(100)}` }), /^RangeError: serverHost: /);
  });

  it("nobody but the operator administers it, and the monitor only looks", () => {
    const settings = settingsOf(base);
    assert.deepEqual([settings.get("admin_users"), settings.get("stats_users")], ["operator", "monitor"]);
  });

  it("A8 whatever the names, the file has the same settings, or they are refused in one sentence (property)", () => {
    fc.assert(
      fc.property(fc.constantFrom("serverHost" as const, "database" as const, "nodes" as const), oddText, (field, text) => {
        const given: PgbouncerSettings = { ...base, [field]: field === "nodes" ? [text] : text };
        const rendered = unlessRefused(() => renderPgbouncerConfig(given));
        if (rendered === undefined) return;
        const sections = read(rendered);
        assert.deepEqual([...sections.keys()], ["databases", "pgbouncer"]);
        assert.deepEqual([...sections.get("pgbouncer")!.keys()], NAMES);
        const { serverHost, database = "app", nodes = [] } = given;
        assert.deepEqual(
          [...sections.get("databases")!].map(([name, target]) => [name, target.replace(/ pool_size=.*/, "")]),
          [
            [database, `host=${serverHost} port=5432 dbname=${database}`],
            ...nodes.map((node) => [nodeDatabase(node, database), `host=${node} port=5432 dbname=${database}`]),
          ],
        );
      }),
    );
    assert.throws(() => renderPgbouncerConfig({ ...base, database: "pgbouncer" }), /database: "pgbouncer" is not allowed; use letters/);
  });

  it("numbers outside of their range are refused, naming field, value and range (property)", () => {
    const wrong = fc.oneof(
      fc.integer({ max: -1 }),
      fc.integer({ min: 70_000 }),
      fc.constant(Number.NaN),
      fc.constant(1.5),
      fc.constant(Infinity),
    );
    fc.assert(
      fc.property(fc.constantFrom("serverPort", "poolSize", "reservePoolSize", "nodePoolSize", "maxClients"), wrong, (field, value) => {
        assert.throws(
          () => renderPgbouncerConfig({ ...base, nodes: ["pg-1"], [field]: value }),
          new RegExp(`^RangeError: ${field}: .+ is not allowed; use a whole number from [01] to \\d+\\.$`),
        );
      }),
    );
  });

  it("another pool is another context, and so another image", () => {
    const ini = (poolSize: number): string => Buffer.from(pgbouncerContext({ ...base, poolSize })[1]!.content).toString();
    assert.notEqual(ini(20), ini(21));
    assert.match(ini(21), /^default_pool_size = 21$/m);
  });
});

describe("A8 users of PgBouncer", () => {
  /** As PgBouncer reads it: two quoted words a line, a doubled quote is one. */
  const parse = (text: string): [name: string, password: string][] =>
    text
      .split("\n")
      .slice(0, -1)
      .map((line) => {
        const [, name, password] = /^"((?:[^"]|"")*)" "((?:[^"]|"")*)"$/.exec(line) ?? assert.fail(`no user: ${JSON.stringify(line)}`);
        return [name!.replaceAll('""', '"'), password!.replaceAll('""', '"')];
      });

  it("A8 any password comes back as it was, and adds no user (property)", () => {
    fc.assert(
      fc.property(oddText, oddText, (one, other) => {
        const text = unlessRefused(() => renderPgbouncerUsers({ app: one, monitor: other }));
        if (text === undefined) assert.match(`${one}${other}`, /[\r\n\0]/);
        else assert.deepEqual(parse(text), [["app", one], ["monitor", other]]); // prettier-ignore
      }),
    );
  });

  it("a password of two lines is refused without repeating it", () => {
    assert.throws(
      () => renderPgbouncerUsers({ app: 'hush\n"admin" "x"' }),
      (error: Error) => error instanceof RangeError && !error.message.includes("hush"),
    );
  });
});
