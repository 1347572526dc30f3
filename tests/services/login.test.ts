import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { randomBytes } from "node:crypto";
import { promisify } from "node:util";
import pino from "pino";
import { loadConfig } from "../../app/src/config";
import { checkSchema, migrateSchema } from "../../app/src/db/schema";
import { openPostgres } from "../support/database";
import { type PostgresGroup, rowsOf, startPostgres } from "../support/services/postgres";

const silent = pino({ level: "silent" });

/** A managed database as clouds hand it out: its owner may make logins, and is no superuser. */
interface Managed {
  readonly ownerUrl: string;
  readonly user: string;
  urlAs(user: string, password: string): string;
}

async function managedDatabase(postgres: PostgresGroup): Promise<Managed> {
  const suffix = randomBytes(6).toString("hex");
  const [owner, name, user] = [`boss_${suffix}`, `managed_${suffix}`, `app_${suffix}`];
  await postgres.admin(`CREATE ROLE ${owner} LOGIN CREATEROLE CREATEDB PASSWORD 'owner-secret'`);
  await postgres.admin(`CREATE DATABASE ${name} OWNER ${owner}`);
  const urlAs = (as: string, password: string): string => `postgres://${as}:${password}@127.0.0.1:${postgres.port}/${name}`;
  return { ownerUrl: urlAs(owner, "owner-secret"), user, urlAs };
}

describe("A14 the app's login on a managed database", function () {
  this.timeout(120_000);
  let postgres: PostgresGroup;
  before(async () => {
    postgres = await startPostgres({ settings: ["log_statement=all"] });
  });
  after(() => postgres.remove());

  const config = ({ ownerUrl, user }: Managed, password: string, more: Record<string, string> = {}) =>
    loadConfig({ NODE_ENV: "test", DATABASE_URL: ownerUrl, DATABASE_APP_USER: user, DATABASE_APP_PASSWORD: password, ...more });

  it("A14 is made with the rights of the local one; doing it again gives a new password; no statement holds either", async () => {
    const managed = await managedDatabase(postgres);
    // A table from before: it is to be used as well.
    await rowsOf(
      managed.ownerUrl,
      "CREATE TABLE older (id BIGINT GENERATED ALWAYS AS IDENTITY, a TEXT); CREATE SCHEMA extra; CREATE TABLE extra.more (a TEXT)",
    );
    await Promise.all([1, 2].map(() => migrateSchema(config(managed, "first-password"), silent, { makeLogin: true })));
    const app = await openPostgres(managed.urlAs(managed.user, "first-password"));
    try {
      assert.deepEqual(await app.get("SELECT count(*) AS count FROM companies"), { count: 0 });
      assert.equal(await app.run("INSERT INTO older (a) VALUES ('x')"), 1);
      assert.equal(await app.run("INSERT INTO extra.more (a) VALUES ('x')"), 1);
      for (const sql of [
        "CREATE TABLE mine (a TEXT)",
        "CREATE TEMP TABLE mine (a TEXT)",
        "DROP TABLE older",
        "TRUNCATE older",
        "CREATE ROLE other",
      ])
        await assert.rejects(app.run(sql), /permission denied|must be owner/, sql);
    } finally {
      await app.close();
    }
    await migrateSchema(config(managed, "second-password"), silent, { makeLogin: true });
    await rowsOf(managed.urlAs(managed.user, "second-password"), "SELECT 1");
    await assert.rejects(rowsOf(managed.urlAs(managed.user, "first-password"), "SELECT 1"), /password authentication failed/);
    const [powers] = await postgres.admin<Record<string, boolean>>(
      `SELECT rolsuper, rolcreaterole, rolcreatedb, rolreplication, rolbypassrls FROM pg_roles WHERE rolname = $1`,
      [managed.user],
    );
    assert.deepEqual(new Set(Object.values(powers ?? {})), new Set([false]));
    const { stdout, stderr } = await promisify(execFile)("docker", ["logs", postgres.container], { maxBuffer: 64 * 1024 ** 2 });
    const log = stdout + stderr;
    assert.match(log, /ROLE "app_[0-9a-f]+" LOGIN PASSWORD 'SCRAM-SHA-256/, "the server logs statements");
    assert.doesNotMatch(log, /first-password|second-password/);
  });

  it("A14 with MIGRATIONS=external the app starts as that login once the owner has migrated, and not before", async () => {
    const managed = await managedDatabase(postgres);
    await rowsOf(managed.ownerUrl, `CREATE ROLE ${managed.user} LOGIN PASSWORD 'before-it'`);
    const external = loadConfig({ NODE_ENV: "test", MIGRATIONS: "external", DATABASE_URL: managed.urlAs(managed.user, "before-it") });
    await assert.rejects(checkSchema(external, silent), /^MigrationError: The database lacks 0001_/);
    await migrateSchema(config(managed, "before-it-too"), silent, { makeLogin: true });
    const started = loadConfig({ NODE_ENV: "test", MIGRATIONS: "external", DATABASE_URL: managed.urlAs(managed.user, "before-it-too") });
    await checkSchema(started, silent);
  });

  it("A14 one without a password is RDS' to let in: the owner is no member of it, or RDS would take no password of the owner either", async () => {
    const managed = await managedDatabase(postgres);
    const [owner, user] = [new URL(managed.ownerUrl).username, `${managed.user}_iam`];
    const login = loadConfig({ NODE_ENV: "test", DATABASE_URL: managed.ownerUrl, DATABASE_IAM_USER: user });
    await assert.rejects(migrateSchema(login, silent, { makeLogin: true }), /the server has no role rds_iam; only Amazon RDS has it/);
    await postgres.admin("CREATE ROLE rds_iam");
    await postgres.admin(`GRANT rds_iam TO ${owner} WITH ADMIN OPTION`);
    // At the same time, and again.
    for (let round = 0; round < 2; round += 1) {
      await Promise.all([1, 2].map(() => migrateSchema(login, silent, { makeLogin: true })));
    }
    const memberOf = async (role: string, group: string): Promise<boolean> => {
      const [found] = await postgres.admin<{ is: boolean }>("SELECT pg_has_role($1, $2, 'MEMBER') AS is", [role, group]);
      return found?.is ?? assert.fail("no answer");
    };
    assert.deepEqual([await memberOf(user, "rds_iam"), await memberOf(owner, user)], [true, false]);
    assert.deepEqual(await postgres.admin("SELECT rolname FROM pg_roles WHERE rolname LIKE 'maker%'"), [], "who made it is gone");
    const [stored] = await postgres.admin<object>("SELECT rolpassword, rolcreaterole, rolsuper FROM pg_authid WHERE rolname = $1", [user]);
    assert.deepEqual(stored, { rolpassword: null, rolcreaterole: false, rolsuper: false });
    // Here nobody asks for tokens: to see what it may do, it is given a password.
    await postgres.admin(`ALTER ROLE ${user} PASSWORD 'for-a-look'`);
    const app = await openPostgres(managed.urlAs(user, "for-a-look"));
    try {
      assert.deepEqual(await app.get("SELECT count(*) AS count FROM companies"), { count: 0 });
      for (const sql of ["CREATE TABLE mine (a TEXT)", "TRUNCATE companies", "CREATE ROLE other"])
        await assert.rejects(app.run(sql), /permission denied/, sql);
    } finally {
      await app.close();
    }
    await postgres.admin(`ALTER ROLE ${user} CREATEDB`);
    await assert.rejects(migrateSchema(login, silent, { makeLogin: true }), /DATABASE_IAM_USER: the role .* exists and has CREATEDB/);
  });

  it("A14 a role that may do more than log in is refused, and so is an owner who may make none", async () => {
    const managed = await managedDatabase(postgres);
    await postgres.admin(`CREATE ROLE ${managed.user} LOGIN CREATEDB`);
    await assert.rejects(
      migrateSchema(config(managed, "some-password"), silent, { makeLogin: true }),
      /exists and has CREATEDB; the app's login may only log in/,
    );
    const urls = await postgres.createDatabase();
    const plain = loadConfig({
      NODE_ENV: "test",
      DATABASE_URL: urls.url,
      DATABASE_APP_USER: "another",
      DATABASE_APP_PASSWORD: "some-password",
    });
    await assert.rejects(migrateSchema(plain, silent, { makeLogin: true }), /permission denied/);
  });
});
