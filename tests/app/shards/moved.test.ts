import assert from "node:assert/strict";
import path from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import type { Database, Queries } from "../../../app/src/db/database";
import { patients } from "../../../app/src/db/domain-tables";
import { readMigrations } from "../../../app/src/db/migrate";
import { KEY_LIFETIME_MS, purgeKeys } from "../../../app/src/db/once";
import { moveOptions } from "../../../app/src/db/shards/move/command";
import { CompanyDatabase } from "../../../app/src/db/shards/company-database";
import { MOVED_TABLES, OUTBOX, UNMOVED_TABLES } from "../../../app/src/db/shards/move/tables";
import { ShardedDatabase } from "../../../app/src/db/shards/sharded";
import { WATCH_LEASE_MS } from "../../../app/src/db/shards/watch";
import { companies } from "../../../app/src/db/tables";
import { TenantScope } from "../../../app/src/db/tenant";
import { UNSEEN } from "../../../app/src/db/write-mark";
import { SessionStore } from "../../../app/src/session/session-store";
import { TokenSigner } from "../../../app/src/session/token";
import { eventually } from "../../support/services/container";
import { inDirectory, withDatabase } from "../db/support";
import { createCompany } from "../events/support";
import { TestShards } from "./support";

const COMPANY = "moving-company";

/** Two processes on two databases; the company is in the first one, and both know it. */
function withTwoProcesses(work: (here: TestShards, other: TestShards) => Promise<void>): Promise<void> {
  return inDirectory((directory) =>
    withDatabase(async (first) => {
      const [here, other] = [await TestShards.open(first, directory), await TestShards.open(first, directory)];
      try {
        await first.run("INSERT INTO company_shards (company_id, shard) VALUES (?, 'first')", [COMPANY]);
        for (const { sharded } of [here, other]) assert.equal((await sharded.directory.find(COMPANY)).name, "first");
        await createCompany(first, COMPANY);
        await work(here, other);
      } finally {
        for (const { sharded } of [here, other]) sharded.directory.stop();
        for (const shards of [here, other]) await shards.of("s2").close();
      }
    }),
  );
}

/** What a move does to the databases at its end. */
async function decide(shards: TestShards): Promise<void> {
  await createCompany(shards.of("s2"), COMPANY);
  await shards.of("s2").run("INSERT INTO shard_fences (company_id, state) VALUES (?, 'arriving')", [COMPANY]);
  await shards.of("first").run("INSERT INTO shard_fences (company_id, state) VALUES (?, 'left')", [COMPANY]);
  await shards.of("first").run("UPDATE company_shards SET shard = 's2', version = version + 1 WHERE company_id = ?", [COMPANY]);
}

const nameIn = async (shards: TestShards, name: string) =>
  (await shards.of(name).get<{ name: string }>("SELECT name FROM companies WHERE id = ?", [COMPANY]))?.name;

const versionOf = async (shards: TestShards) =>
  (await shards.of("first").get<{ version: number }>("SELECT version FROM company_shards WHERE company_id = ?", [COMPANY]))?.version ?? 0;

describe("A17 processes and a company that has moved", function () {
  this.timeout(30_000);

  it("A17 a process that knows the old place only writes to the new one", () =>
    withTwoProcesses(async (here) => {
      await decide(here);
      const scope = new TenantScope(here.sharded, COMPANY);
      assert.equal(await scope.table(companies).update(COMPANY, { name: "Elsewhere" }), true);
      assert.equal(await nameIn(here, "s2"), "Elsewhere");
      assert.equal(await nameIn(here, "first"), "Test");
      // Single statements outside of a transaction as well.
      await here.sharded.ofCompany(COMPANY).run("UPDATE companies SET name = 'Again' WHERE id = ?", [COMPANY]);
      assert.deepEqual([await nameIn(here, "first"), await nameIn(here, "s2")], ["Test", "Again"]);
    }));

  it("A17 while it is about to leave each write is seen by the move, and none costs anything before", () =>
    withTwoProcesses(async (here, other) => {
      const write = async ({ sharded }: TestShards) => new TenantScope(sharded, COMPANY).table(companies).update(COMPANY, { name: "N" });
      const before = await versionOf(here);
      await write(here);
      assert.equal(await versionOf(here), before);
      await here.of("first").run("INSERT INTO shard_fences (company_id, state) VALUES (?, 'leaving')", [COMPANY]);
      await write(here);
      await write(other);
      assert.equal(await versionOf(here), before + 2);
    }));

  it("A17 a process that has seen that a company moves asks for its place each time, until it has arrived", () =>
    withTwoProcesses(async (here) => {
      const { sharded } = here;
      const read = async () => (await new TenantScope(sharded, COMPANY).table(companies).find(COMPANY))?.name;
      await here.of("first").run("INSERT INTO shard_fences (company_id, state) VALUES (?, 'leaving')", [COMPANY]);
      // It looks every second; a move waits four.
      await delay(1500);
      await here.of("first").run("DELETE FROM shard_fences", []);
      await decide(here);
      await here.of("s2").run("UPDATE companies SET name = 'New' WHERE id = ?", [COMPANY]);
      assert.equal(await read(), "New", "from the moment of the decision");
      await here.of("s2").run("DELETE FROM shard_fences", []);
      await eventually("its place is remembered again", async () => {
        assert.equal(await read(), "New");
        return sharded.directory.remembered(COMPANY)?.name === "s2";
      });
    }));

  it("A17 a process that could not look for longer than a move waits believes nothing of before", () =>
    withTwoProcesses(async (here) => {
      const { sharded } = here;
      const away = async (ms: number) => {
        here.setAway("first", true);
        await delay(ms);
        here.setAway("first", false);
      };
      const moved = (async () => {
        await delay(WATCH_LEASE_MS);
        await decide(here);
      })();
      await away(WATCH_LEASE_MS + 300);
      await moved;
      assert.equal((await sharded.directory.find(COMPANY)).name, "s2");
      assert.equal(await new TenantScope(sharded, COMPANY).table(patients).count({}, 1), 0);
    }));
});

describe("A17 a database that pauses", function () {
  this.timeout(30_000);

  it("A17 what a process knows of one database outlives a pause of another one", () =>
    withTwoProcesses(async (here) => {
      here.setAway("s2", true);
      await delay(WATCH_LEASE_MS + 500);
      here.setAway("s2", false);
      // It looks every second, and then knows that it missed something.
      await delay(1500);
      here.setAway("first", true);
      assert.equal((await here.sharded.directory.find(COMPANY)).name, "first", "without asking");
    }));
});

describe("A17 copies that a move makes", () => {
  it("A17 a session that was ended is ended, although the copy that was left still has it", () =>
    withTwoProcesses(async (here) => {
      const { sharded } = here;
      const signer = new TokenSigner("a secret of at least thirty-two characters");
      const sessions = new SessionStore(sharded, signer);
      const plain = signer.create();
      const [now, later] = [0, 3_600_000].map((ms) => new Date(Date.now() + ms).toISOString());
      const user = `INSERT INTO users (id, company_id, email, name, role, password_hash, created_at, updated_at) VALUES ('u', ?, 'u@example.org', 'U', 'user', '', '', '')`;
      const insert = "INSERT INTO sessions (id_hash, company_id, user_id, created_at, expires_at) VALUES (?, ?, 'u', ?, ?)";
      const give = async (name: string) => {
        await here.of(name).run(user, [COMPANY]);
        await here.of(name).run(insert, [plain.idHash, COMPANY, now ?? "", later ?? ""]);
      };
      await give("first");
      assert.equal((await sessions.find(plain.token))?.companyId, COMPANY);
      await decide(here);
      // As after the wait of a real move.
      sharded.directory.forget();
      assert.equal(await sessions.find(plain.token), undefined);
      assert.deepEqual([...(await sessions.alive([plain.idHash]))], []);
      await give("s2");
      assert.equal((await sessions.find(plain.token))?.companyId, COMPANY);
      assert.deepEqual([...(await sessions.alive([plain.idHash]))], [plain.idHash]);
    }));

  it("A17 what is over stays in a copy that is being made, which has to be as the rows it comes from; then it goes", () =>
    withTwoProcesses(async (here) => {
      const { sharded } = here;
      const s2 = here.of("s2");
      const past = new Date(Date.now() - 2 * KEY_LIFETIME_MS).toISOString();
      await here.of("first").run("INSERT INTO company_shards (company_id, shard) VALUES ('settled', 's2')");
      for (const id of [COMPANY, "settled"]) {
        await createCompany(s2, id);
        const user = `INSERT INTO users (id, company_id, email, name, role, password_hash, created_at, updated_at) VALUES (?, ?, ?, 'U', 'user', '', '', '')`;
        await s2.run(user, [`u-${id}`, id, `${id}@example.org`]);
      }
      const insert = "INSERT INTO sessions (id_hash, company_id, user_id, created_at, expires_at) VALUES ('over', ?, ?, ?, ?)";
      await s2.run(insert, [COMPANY, `u-${COMPANY}`, past, past]);
      const key = `INSERT INTO idempotency_keys (company_id, user_id, key, fingerprint, answer, created_at) VALUES (?, 'u', 'k', '', '{}', ?)`;
      await s2.run(key, [COMPANY, past]);
      const sessions = new SessionStore(sharded, new TokenSigner("a secret of at least thirty-two characters"));
      const left = async () => {
        await sessions.create("settled", "u-settled");
        await purgeKeys(sharded);
        const count = async (table: string) =>
          (await s2.get<{ rows: number }>(`SELECT count(*) AS rows FROM ${table} WHERE company_id = ?`, [COMPANY]))?.rows;
        return [await count("sessions"), await count("idempotency_keys")];
      };
      await s2.run("INSERT INTO shard_fences (company_id, state) VALUES (?, 'arriving')", [COMPANY]);
      assert.deepEqual(await left(), [1, 1]);
      await s2.run("DELETE FROM shard_fences");
      assert.deepEqual(await left(), [0, 0]);
    }));

  it("E8 A17 replicas are read, but not for a company that has just arrived", async () => {
    const fences: { companyId: string }[] = [];
    const answers = (from: string): Queries => ({
      all: <Row extends object>(sql: string) => Promise.resolve((sql.includes("shard_fences") ? fences : [{ from }]) as Row[]),
      get: <Row extends object>() => Promise.resolve({ from, shard: "first" } as unknown as Row),
      run: () => Promise.resolve(0),
    });
    const asked: (string | undefined)[] = [];
    const reader = (after?: string): Queries => {
      asked.push(after);
      return answers("replica");
    };
    const database = { ...answers("primary"), kind: "postgres", maxLagMs: 5000, reader, writeMark: () => "0/50" } as unknown as Database;
    const { directory, ...sharded } = new ShardedDatabase([{ name: "first", database }]);
    const home = new CompanyDatabase(directory, COMPANY, sharded.maxLagMs);
    const read = async (after?: string) => (await home.reader(after).all<{ from: string }>("SELECT 1"))[0]?.from;
    await directory.start();
    try {
      assert.equal(await read(), "replica");
      assert.equal(await read("0/40"), "replica");
      assert.equal(await read("s2:0/40"), "replica");
      assert.deepEqual(asked, [undefined, "0/40", UNSEEN], "a mark of another database was seen by none");
      fences.push({ companyId: COMPANY });
      await eventually("the process has looked", async () => (await read()) === "primary");
      fences.pop();
      await eventually("the process has looked", async () => (await read()) === "replica");
    } finally {
      directory.stop();
    }
  });
});

describe("A17 what a move carries", () => {
  for (const dialect of ["sqlite", "postgres"] as const) {
    it(`A17 each table of the ${dialect} migrations moves with its company, or stays for a reason; parents come first`, () => {
      const migrations = readMigrations(path.resolve(__dirname, "../../../app/src/db/migrations", dialect));
      const sql = migrations.map((migration) => migration.sql.replace(/--.*$/gm, "")).join("\n");
      const made = [...sql.matchAll(/CREATE TABLE (?:IF NOT EXISTS )?(\w+) \(([^;]*);/g)];
      const moved = [...MOVED_TABLES, OUTBOX].map(({ name }) => name);
      assert.deepEqual(
        [...moved, ...Object.keys(UNMOVED_TABLES)].sort(),
        ["schema_migrations", ...made.map(([, name = ""]) => name)].sort(),
      );
      for (const [, name = "", body = ""] of made) {
        for (const [, parent = ""] of body.matchAll(/REFERENCES (\w+)/g))
          assert.ok(moved.indexOf(parent) < moved.indexOf(name), `${parent} before ${name}`);
        if (moved.includes(name) && name !== "companies") assert.match(body, /\bcompany_id TEXT/, name);
      }
      for (const [table, reason] of Object.entries(UNMOVED_TABLES)) assert.ok(reason.length > 20, table);
    });
  }

  it("A17 the command names what is wrong with its words", () => {
    assert.deepEqual(moveOptions(["--company=c-1", "--to", "s2"]), { companyId: "c-1", to: "s2", dryRun: false, abort: false });
    assert.throws(() => moveOptions(["--to=s2"]), /^Error: --company: "" is not allowed; use the id of a company$/);
    assert.throws(() => moveOptions(["--company=c", "--to=S 2"]), /--to: "S 2" is not allowed; use a name of DATABASE_SHARDS, or first/);
    assert.throws(() => moveOptions(["--company=c", "--to=s2", "--abort", "--dry-run"]), /--dry-run and --abort do not go together/);
    assert.throws(() => moveOptions(["--company=c", "--to=s2", "--fast"]), /--fast/);
  });
});
