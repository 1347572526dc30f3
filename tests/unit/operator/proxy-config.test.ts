import assert from "node:assert/strict";
import fc from "fast-check";
import { hardened } from "../../../components/local/common";
import {
  MOST_CONNECTIONS,
  nodePort,
  PRIMARY_PORT,
  PROXY_SOCKETS,
  proxyMemoryMb,
  renderPostgresProxyConfig,
} from "../../../components/local/postgres-proxy";

const nodes = fc.uniqueArray(fc.stringMatching(/^[a-z][a-z0-9]{0,8}-[1-9]$/), { minLength: 1, maxLength: 5 });

/** Lines of one section, without the indent. */
function section(config: string, head: string): string[] {
  const [, rest = ""] = `\n${config}`.split(`\n${head}\n`);
  return rest
    .split("\n\n")[0]!
    .split("\n")
    .map((line) => line.trim());
}

describe("A8 configuration of the Postgres proxy", () => {
  it("A8 every node is a server of each section, looked up in Docker's DNS, and Patroni says what it is (property)", () => {
    fc.assert(
      fc.property(
        nodes,
        fc.integer({ min: 1, max: 100 }),
        fc.integer({ min: 1, max: MOST_CONNECTIONS }),
        (names, maxLagMb, maxConnections) => {
          const config = renderPostgresProxyConfig({ nodes: names, maxLagMb, maxConnections });
          for (const head of ["listen primary", "backend replicas_read", "backend primary_reads"]) {
            const servers = section(config, head).filter((line) => line.startsWith("server "));
            assert.deepEqual(
              servers.map((line) => line.split(" ")[1]),
              names,
            );
            for (const line of servers) assert.match(line, / resolvers docker init-addr last,libc,none$/);
          }
          assert.ok(section(config, "listen primary").includes("option httpchk OPTIONS /primary"));
          assert.ok(section(config, "backend replicas_read").includes(`option httpchk OPTIONS /replica?lag=${maxLagMb}MB`));
          assert.ok(section(config, "global").includes(`maxconn ${2 * maxConnections + 100}`));
        },
      ),
    );
  });

  it("F2 E8 PgBouncer has a socket that leads to the primary, and one for each node, none of them shared (property)", () => {
    fc.assert(
      fc.property(nodes, (names) => {
        const config = renderPostgresProxyConfig({ nodes: names });
        const binds = (head: string): string[] => section(config, head).filter((line) => line.startsWith("bind /"));
        assert.deepEqual(binds("listen primary"), [`bind ${PROXY_SOCKETS}/.s.PGSQL.${PRIMARY_PORT} mode 666`]);
        for (const [index, name] of names.entries()) {
          assert.deepEqual(binds(`listen node-${name}`), [`bind ${PROXY_SOCKETS}/.s.PGSQL.${nodePort(index)} mode 666`]);
          const servers = section(config, `listen node-${name}`).filter((line) => line.startsWith("server "));
          assert.deepEqual(servers, [`server ${name} ${name}:5432 tcp-ut 5s resolvers docker init-addr last,libc,none`]);
        }
        const all = config.split("\n").filter((line) => line.includes("bind "));
        assert.equal(new Set(all).size, all.length);
      }),
    );
  });

  it("A8 who is no longer what it was loses its connections within two checks, as data-plane.md measured it", () => {
    const config = renderPostgresProxyConfig({ nodes: ["pg-1"] });
    for (const head of ["listen primary", "backend replicas_read"]) {
      const lines = section(config, head);
      assert.ok(
        lines.includes("default-server inter 500ms fastinter 250ms downinter 500ms fall 2 rise 1 on-marked-down shutdown-sessions"),
      );
      assert.ok(lines.includes("http-check expect status 200"));
    }
    assert.ok(section(config, "defaults").includes("timeout check 2s"));
    // Three tries with pauses as long between them end before PgBouncer gives up waiting (server_connect_timeout, 2 s).
    for (const line of ["timeout connect 300ms", "retries 2", "option redispatch 1"]) assert.ok(section(config, "defaults").includes(line));
    assert.ok(section(config, "backend primary_reads").some((line) => line.includes("track primary/pg-1")));
  });

  it("A8 as many connections as are allowed fit into its file descriptors and its memory", () => {
    const [limit] = hardened({ service: "x", memoryMb: 64, stopSeconds: 1, tmpMb: 1 }).ulimits as { soft: number }[];
    assert.ok(2 * (2 * MOST_CONNECTIONS + 100) <= limit!.soft);
    // Two buffers of 16 KiB for each connection (`tune.bufsize`).
    for (const connections of [1, 500, MOST_CONNECTIONS]) assert.ok(proxyMemoryMb(connections) > 20 + (2 * connections * 32) / 1024);
  });

  it("A8 what could not work is refused with one sentence", () => {
    const cases: readonly (readonly [RegExp, Parameters<typeof renderPostgresProxyConfig>[0]])[] = [
      [/^nodes: \[\] is not allowed/, { nodes: [] }],
      [/^nodes: \[pg-1, pg-1\] is not allowed; give different/, { nodes: ["pg-1", "pg-1"] }],
      [/^nodes: "pg 1" is not allowed/, { nodes: ["pg 1"] }],
      [/^nodes: "pg-1\\n" is not allowed/, { nodes: ["pg-1\n"] }],
      [/^maxLagMb: 0 is not allowed/, { nodes: ["pg-1"], maxLagMb: 0 }],
      [/^maxConnections: 4001 is not allowed/, { nodes: ["pg-1"], maxConnections: MOST_CONNECTIONS + 1 }],
      [/^maxConnections: 1.5 is not allowed/, { nodes: ["pg-1"], maxConnections: 1.5 }],
    ];
    for (const [message, settings] of cases) assert.throws(() => renderPostgresProxyConfig(settings), { name: "RangeError", message });
  });
});
