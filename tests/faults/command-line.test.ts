import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { destroyInstances, launch, startInstance } from "./support/instance";
import { programs } from "./support/programs";

function run(args: readonly string[], environment: Readonly<Record<string, string>> = {}) {
  return spawnSync(process.execPath, [programs().app, ...args], {
    encoding: "utf8",
    env: { PATH: process.env["PATH"], ...environment },
    timeout: 10_000,
  });
}

describe("the app's command line", function () {
  this.timeout(20_000);
  before(() => void programs());
  afterEach(destroyInstances);

  it("healthcheck and status ask the running instance", async () => {
    const instance = await startInstance("app");
    const environment = { PORT: String(instance.port), HOST: "127.0.0.1" };
    assert.equal(run(["healthcheck"], environment).status, 0);
    const status = run(["status"], environment);
    assert.equal(status.status, 0, status.stderr);
    const parsed = JSON.parse(status.stdout) as { full: { phase: string }; scaling: { workers: { ready: number } } };
    assert.equal(parsed.full.phase, "cluster");
    assert.equal(parsed.scaling.workers.ready, 2);
    assert.equal(status.stdout.trimEnd().split("\n").length, 1);
    await instance.destroy();
    const dead = run(["healthcheck"], environment);
    assert.equal(dead.status, 1);
    assert.equal(dead.stderr, `healthcheck: nothing listens on 127.0.0.1:${instance.port}.\n`);
  });

  it("A14 migrate brings the database up to date once; with MIGRATIONS=external start wants that done", async () => {
    const directory = mkdtempSync(path.join(tmpdir(), "phased-migrate-"));
    try {
      const environment = { SQLITE_PATH: path.join(directory, "app.db"), DRAIN_DELAY_MS: "0" };
      const refused = launch("app", { ...environment, MIGRATIONS: "external" });
      assert.equal((await refused.exited).code, 1);
      assert.match(refused.transcript(), /The database lacks 0001_\w+\.sql, .*run \\"node main\.js migrate\\"/);
      const messages = ({ stdout }: { readonly stdout: string }): string[] =>
        stdout
          .trimEnd()
          .split("\n")
          .map((line) => (JSON.parse(line) as { msg: string }).msg);
      const first = run(["migrate"], environment);
      assert.equal(first.status, 0, first.stderr);
      assert.ok(messages(first).filter((message) => message === "migration applied").length >= 7);
      const again = run(["migrate"], environment);
      assert.deepEqual([again.status, messages(again)], [0, ["the schema is up to date"]]);
      const wrong = run(["migrate"], { ...environment, DATABASE_APP_USER: "app" });
      assert.equal(wrong.status, 2);
      assert.match(wrong.stderr, /^The configuration is not usable:\n {2}- DATABASE_APP_USER: set without DATABASE_URL/);
      const away = run(["migrate"], { DATABASE_URL: "postgres://owner@127.0.0.1:1/app", DB_RETRY_MS: "0" });
      assert.equal(away.status, 1);
      assert.match(
        away.stderr,
        /^migrate: The database is not available: Postgres at 127\.0\.0\.1:1\/app cannot be reached \([^\n]+\)\.\n$/,
      );
    } finally {
      rmSync(directory, { recursive: true, force: true });
    }
  });

  it("refuses what it does not know in one sentence", () => {
    assert.deepEqual(
      [run(["serve"]), run(["start", "now"]), run(["constructor"])].map(({ status, stderr }) => ({ status, stderr })),
      [
        { status: 2, stderr: 'Unknown command "serve"; use start, migrate, seed, move-company, healthcheck, status or --help.\n' },
        { status: 2, stderr: 'Command "start" takes no arguments, got "now".\n' },
        { status: 2, stderr: 'Unknown command "constructor"; use start, migrate, seed, move-company, healthcheck, status or --help.\n' },
      ],
    );
    assert.match(run(["--help"]).stdout, /^Usage: node main\.js/);
    assert.equal(run(["status"], { PORT: "http" }).stderr, 'PORT: "http" is not allowed; use a whole number from 1 to 65535.\n');
  });

  it("A17 move-company says what it does, what is wrong with its words, and that one database has nowhere to move to", () => {
    assert.match(run(["move-company", "--help"]).stdout, /^Usage: node main\.js move-company --company=ID --to=NAME/);
    const told = (words: readonly string[]) => (({ status, stderr }) => ({ status, stderr }))(run(["move-company", ...words]));
    assert.deepEqual(told(["--to=s2"]), { status: 1, stderr: 'move-company: --company: "" is not allowed; use the id of a company.\n' });
    assert.deepEqual(told(["--company=c", "--to=s2"]), {
      status: 1,
      stderr: "move-company: there is one database only; set DATABASE_SHARDS to the others.\n",
    });
  });

  it("start lists every violation of the environment and exits 2, without a stack", async () => {
    const instance = launch("app", { PORT: "70000", WORKERS: "many", SESSION_SECRET_FILE: "/nowhere", S3_BUCKET: "No Bucket" });
    assert.equal((await instance.exited).code, 2);
    assert.deepEqual(instance.lines, []);
    assert.match(instance.stderr, /^The configuration is not usable:\n( {2}- .+\n){4}$/);
  });
});
