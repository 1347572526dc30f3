import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import http from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import path from "node:path";

const PROGRAM = path.resolve(__dirname, "../../../components/local/postgres/node.py");

/** What a stand-in was asked, and what it is to answer. */
interface Asked {
  readonly where: string;
  readonly body: Record<string, unknown>;
  readonly authorization: string | undefined;
}
type Answer = readonly [status: number, body: unknown];

describe("what a node of Postgres does beside running Patroni", function () {
  this.timeout(30_000);
  let server: http.Server;
  let url: string;
  let directory: string;
  let asked: Asked[];
  /** `undefined`: none, ever. */
  let answer: (asked: Asked) => Answer | undefined;

  before(async function () {
    // The program runs in the image, which has it; a developer's machine need not.
    if (spawnSync("python3", ["--version"]).status !== 0) this.skip();
    directory = mkdtempSync(path.join(tmpdir(), "phased-node-"));
    server = http.createServer((request, response) => {
      let text = "";
      request.setEncoding("utf8").on("data", (part: string) => (text += part));
      request.on("end", () => {
        const body = (text === "" ? {} : JSON.parse(text)) as Record<string, unknown>;
        const one = { where: `${request.method} ${request.url}`, body, authorization: request.headers.authorization };
        asked.push(one);
        const given = answer(one);
        if (given === undefined) return;
        const [status, content] = given;
        response.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(content));
      });
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  });
  beforeEach(() => (asked = []));
  after((done) => {
    if (server === undefined) {
      done();
      return;
    }
    rmSync(directory, { recursive: true });
    server.close(done);
    server.closeAllConnections();
  });

  async function run(args: readonly string[], environment: Readonly<Record<string, string>> = {}) {
    const child = spawn("python3", [PROGRAM, ...args], {
      env: { PATH: process.env["PATH"], PATRONI_NAME: "pg-1", PATRONI_URL: url, POSTGRES_OPERATOR_URL: url, ...environment },
    });
    let log = "";
    child.stderr.setEncoding("utf8").on("data", (part: string) => (log += part));
    child.stdin.end("of Patroni");
    const [code] = (await once(child, "close")) as [number];
    return { code, log };
  }

  describe("before it stops", () => {
    const members = (state: string): Answer => [
      200,
      {
        members: [
          { name: "pg-1", state: "running" },
          { name: "pg-2", state },
        ],
      },
    ];
    /** Primary until the operator has answered with 200. */
    const cluster =
      (operator: readonly Answer[], state = "streaming") =>
      ({ where }: Asked): Answer => {
        const tries = asked.filter((one) => one.where === "POST /switchover").length;
        if (where === "GET /cluster") return members(state);
        if (where === "POST /switchover") return operator[Math.min(tries, operator.length) - 1]!;
        return tries > 0 && operator[Math.min(tries, operator.length) - 1]![0] === 200 ? [503, {}] : [200, {}];
      };
    const switchovers = (): Asked[] => asked.filter(({ where }) => where === "POST /switchover");

    it("a standby asks nobody", async () => {
      answer = () => [503, {}];
      assert.deepEqual(await run(["hand-over", "20"]), { code: 0, log: "" });
      assert.deepEqual(
        asked.map(({ where }) => where),
        ["GET /primary"],
      );
    });

    it("F2 a primary has the operator hand over, and asks again while that is refused", async () => {
      answer = cluster([
        [409, { message: "A switchover is under way already." }],
        [200, {}],
      ]);
      const { code, log } = await run(["hand-over", "20"]);
      assert.equal(code, 0, log);
      assert.match(log, /not handed over yet: 409 .*under way already/);
      assert.deepEqual(
        switchovers().map(({ body, authorization }) => [body, authorization]),
        Array.from({ length: 2 }, () => [{ from: "pg-1" }, "Bearer of Patroni"]),
      );
    });

    it("F2 a primary whose Patroni is too busy to answer hands over as well, and is not asked on when the operator says that it is done", async () => {
      answer = ({ where }) => (where === "GET /primary" ? undefined : [200, {}]);
      assert.deepEqual(await run(["hand-over", "20"]), { code: 0, log: "" });
      assert.deepEqual(
        asked.map(({ where }) => where),
        ["GET /primary", "POST /switchover"],
      );
    });

    it("F2 it does not wait for an operator that is gone, that does not know it, or when nobody could take over", async () => {
      answer = cluster([[401, {}]]);
      const unknown = await run(["hand-over", "20"]);
      assert.equal(unknown.code, 1);
      assert.match(unknown.log, /the operator refuses to switch over \(401 .*Patroni hands over by itself/);
      answer = cluster([[409, {}]], "stopped");
      const alone = await run(["hand-over", "20"]);
      assert.deepEqual([alone.code, alone.log], [1, "node: there is no standby to hand over to\n"]);
      const begin = performance.now();
      const gone = await run(["hand-over", "20"], { POSTGRES_OPERATOR_URL: "http://127.0.0.1:1" });
      assert.equal(gone.code, 1);
      assert.match(gone.log, /the operator does not answer/);
      assert.ok(performance.now() - begin < 18_000);
    });

    it("F2 it does not ask for ever", async () => {
      answer = cluster([[502, { message: "failed" }]]);
      const { code, log } = await run(["hand-over", "3"]);
      assert.equal(code, 1);
      assert.match(log, /still primary after 3 s; Patroni hands over by itself\n$/);
      assert.ok(switchovers().length >= 2);
    });
  });

  describe("settings that all nodes share", () => {
    const wanted = { ttl: 20, postgresql: { parameters: { max_connections: "70" } } };
    const encoded = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString("base64");
    const decoded = (text: unknown): unknown => JSON.parse(Buffer.from(String(text), "base64").toString());
    const start = (environment: Readonly<Record<string, string>> = {}) => {
      const file = path.join(directory, "patroni.yml");
      const hosts = ["127.0.0.1:1", url.slice("http://".length)];
      writeFileSync(file, JSON.stringify({ scope: "postgres", etcd3: { hosts }, bootstrap: { dcs: wanted } }));
      return run(["settings", file], environment);
    };
    /** Environment of a node with data of which pg_controldata says this, or fails; as Postgres 17 prints it. */
    const withData = (settings: readonly string[] | undefined): Readonly<Record<string, string>> => {
      const data = path.join(directory, "data");
      mkdirSync(path.join(data, "global"), { recursive: true });
      writeFileSync(path.join(data, "global", "pg_control"), "");
      const lines = ["wal_level setting:                    replica", ...(settings ?? []), "Data page checksum version:           1"];
      const answer = settings === undefined ? "echo damaged >&2; exit 1" : lines.map((line) => `echo "${line}"`).join("\n");
      writeFileSync(path.join(directory, "pg_controldata"), `#!/bin/sh\n[ "$2" = "${data}" ] || exit 2\n${answer}\n`);
      chmodSync(path.join(directory, "pg_controldata"), 0o755);
      return { PGDATA: data, PATH: `${directory}:${process.env["PATH"]}` };
    };
    const etcd =
      (now: unknown, succeeded: readonly boolean[] = [true]) =>
      ({ where }: Asked): Answer => {
        if (where === "POST /v3/kv/range") return [200, now === undefined ? {} : { kvs: [{ value: encoded(now), mod_revision: "7" }] }];
        return [200, { succeeded: succeeded[asked.filter((one) => one.where === "POST /v3/kv/txn").length - 1] }];
      };
    const written = (): unknown[] =>
      asked
        .filter(({ where }) => where === "POST /v3/kv/txn")
        .map(({ body }) => decoded((body["success"] as { request_put: { value: string } }[])[0]?.request_put.value));

    it("F2 are left to Patroni while there is no cluster, and alone when they are right", async () => {
      for (const now of [undefined, wanted]) {
        answer = etcd(now);
        assert.deepEqual(await start(), { code: 0, log: "" });
        assert.deepEqual(written(), []);
      }
      assert.equal(Buffer.from(String(asked[0]?.body["key"]), "base64").toString(), "/service/postgres/config");
    });

    it("F2 are brought to what the image says; a pause for maintenance stays", async () => {
      answer = etcd({ ttl: 30, loop_wait: 9, pause: true, postgresql: {} });
      const { code, log } = await start();
      assert.equal(code, 0, log);
      assert.deepEqual(written(), [{ ...wanted, pause: true }]);
      const [compare] = asked.at(-1)?.body["compare"] as Record<string, string>[];
      assert.deepEqual([compare?.["target"], compare?.["mod_revision"]], ["MOD", "7"]);
    });

    const asking = (parameters: object): object => ({ ...wanted, postgresql: { parameters } });

    it("F2 what a standby cannot have smaller than its primary is raised, never lowered", async () => {
      const cases: readonly (readonly [now: object, expected: object])[] = [
        [{ max_connections: "60" }, { max_connections: "70" }],
        [{ max_connections: "90" }, { max_connections: "90" }],
        // By hand: a number, a setting that the image leaves to Patroni, and what is no number.
        [
          { max_connections: 90, max_worker_processes: 12, max_wal_senders: 4 },
          { max_connections: "90", max_worker_processes: "12" },
        ],
        [{ max_connections: "many" }, { max_connections: "70" }],
      ];
      for (const [now, expected] of cases) {
        asked = [];
        answer = etcd({ ttl: 30, postgresql: { parameters: now } });
        const { code, log } = await start();
        assert.equal(code, 0, log);
        assert.deepEqual(written(), [asking(expected)]);
      }
      asked = [];
      answer = etcd(asking({ max_connections: "90" }));
      assert.deepEqual(await start(), {
        code: 0,
        log: "node: max_connections stays 90, 70 were wanted: standbys do not start with less than their primary has\n",
      });
      assert.deepEqual(written(), []);
    });

    it("F2 nor below what the node's own data were used with: after a restore, or where etcd was told less", async () => {
      const ran = [
        "max_connections setting:              90",
        "max_worker_processes setting:         8",
        "max_wal_senders setting:              10",
      ];
      answer = etcd(wanted);
      const { code, log } = await start(withData(ran));
      assert.equal(code, 0, log);
      assert.deepEqual(written(), [asking({ max_connections: "90" })]);

      asked = [];
      answer = etcd(wanted);
      assert.deepEqual(await start(withData(["max_connections setting:              60", "max_prepared_xacts setting:           0"])), {
        code: 0,
        log: "",
      });

      answer = etcd(wanted);
      assert.deepEqual(await start(withData(undefined)), { code: 0, log: "node: this node's data cannot be looked at: damaged\n" });
      assert.deepEqual(written(), []);
    });

    it("F2 are looked at again when somebody else was faster", async () => {
      answer = etcd({ ttl: 30 }, [false, true]);
      assert.equal((await start()).code, 0);
      assert.deepEqual(written(), [wanted, wanted]);
    });
  });
});
