import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
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
    const start = () => {
      const file = path.join(directory, "patroni.yml");
      const hosts = ["127.0.0.1:1", url.slice("http://".length)];
      writeFileSync(file, JSON.stringify({ scope: "postgres", etcd3: { hosts }, bootstrap: { dcs: wanted } }));
      return run(["settings", file]);
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

    it("F2 are looked at again when somebody else was faster", async () => {
      answer = etcd({ ttl: 30 }, [false, true]);
      assert.equal((await start()).code, 0);
      assert.deepEqual(written(), [wanted, wanted]);
    });
  });
});
