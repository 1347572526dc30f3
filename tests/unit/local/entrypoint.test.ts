import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";

const COMPONENT = path.resolve(__dirname, "../../../components/local/postgres");
const ENTRYPOINT = path.join(COMPONENT, "entrypoint.sh");

const ENVIRONMENT = {
  POSTGRES_PASSWORD: "of the superuser",
  REPLICATION_PASSWORD: "of 'replicas'",
  REWIND_PASSWORD: 'of "rewind"',
  PRIMARY_HOST: "nobody.invalid",
  OWNER_PASSWORD: "of the owner",
  APP_PASSWORD: "of $the \\app",
  READONLY_PASSWORD: "of a reader",
  MONITOR_PASSWORD: "of the monitor",
  PATRONI_NAME: "pg-1",
  PATRONI_PASSWORD: "of the API",
};

describe("entrypoint of the Postgres image", () => {
  let directory: string;
  beforeEach(() => (directory = mkdtempSync(path.join(tmpdir(), "phased-entrypoint-"))));
  afterEach(() => rmSync(directory, { recursive: true, force: true }));

  /** Runs the script with programs of the test's own in front of all others. */
  function run(args: readonly string[], environment: Readonly<Record<string, string>>) {
    const { status, stdout, stderr } = spawnSync("bash", [ENTRYPOINT, ...args], {
      env: { PATH: `${directory}:/usr/bin:/bin`, PGDATA: path.join(directory, "data", "node"), POSTGRES_SHARE: COMPONENT, ...environment },
      encoding: "utf8",
      timeout: 10_000,
    });
    return { status, stdout, stderr };
  }

  function program(name: string, body: string): void {
    writeFileSync(path.join(directory, name), `#!/bin/bash\n${body}\n`);
    chmodSync(path.join(directory, name), 0o755);
  }

  it("refuses a role it does not know, with those it knows", () => {
    const { status, stderr } = run(["master"], ENVIRONMENT);
    assert.deepEqual(
      [status, stderr],
      [
        64,
        'entrypoint: role "master" is unknown; use primary, replica, patroni, create-database, psql, patronictl, backups, restore or healthcheck.\n',
      ],
    );
  });

  it("says in one sentence what else is missing", () => {
    const { PRIMARY_HOST: host, ...others } = ENVIRONMENT;
    assert.ok(host);
    const replica = run(["replica"], others);
    assert.deepEqual([replica.status, replica.stderr], [64, "entrypoint: PRIMARY_HOST: not set; give the name of the primary.\n"]);
    const nowhere = run(["create-database"], ENVIRONMENT);
    assert.deepEqual([nowhere.status, nowhere.stderr], [64, "entrypoint: create-database: no URL; give that of the server.\n"]);
    const { PATRONI_NAME: name, ...nameless } = ENVIRONMENT;
    assert.ok(name);
    const node = run(["patroni"], nameless);
    assert.deepEqual([node.status, node.stderr], [64, "entrypoint: PATRONI_NAME: not set; give the name of this node in the cluster.\n"]);
  });

  for (const [role, names] of Object.entries({
    primary: ["POSTGRES_PASSWORD", "REPLICATION_PASSWORD", "OWNER_PASSWORD", "APP_PASSWORD", "READONLY_PASSWORD", "MONITOR_PASSWORD"],
    replica: ["REPLICATION_PASSWORD"],
    patroni: ["POSTGRES_PASSWORD", "REPLICATION_PASSWORD", "REWIND_PASSWORD", "PATRONI_PASSWORD"],
    "create-database": ["OWNER_PASSWORD", "APP_PASSWORD", "READONLY_PASSWORD", "MONITOR_PASSWORD"],
  })) {
    it(`${role} without one of its passwords ends with one sentence, and has done nothing`, () => {
      for (const tool of ["initdb", "pg_isready", "pg_basebackup", "postgres", "patroni", "psql", "python3"])
        program(tool, `touch ${directory}/ran`);
      for (const name of names) {
        const args = [role, "postgres://somewhere"];
        const absent = run(args, Object.fromEntries(Object.entries(ENVIRONMENT).filter(([other]) => other !== name)));
        assert.deepEqual([absent.status, absent.stderr], [64, `entrypoint: ${name}: not set; give it or ${name}_FILE.\n`]);
        const unreadable = run(args, { ...ENVIRONMENT, [`${name}_FILE`]: `${directory}/nothing` });
        assert.deepEqual(
          [unreadable.status, unreadable.stderr],
          [64, `entrypoint: ${name}_FILE: ${directory}/nothing cannot be read; give the path of a readable file.\n`],
        );
      }
      assert.equal(existsSync(path.join(directory, "ran")), false);
    });
  }

  it("waits for a restore that uses its volume before it starts anything; where nothing can be locked it starts nevertheless", () => {
    mkdirSync(path.join(directory, "data"));
    program("patroni", "echo started");
    program("python3", "true");
    // Taken twice, then free.
    program("flock", `echo x >> ${directory}/tries; [[ $(wc -l < ${directory}/tries) -gt 2 ]] || exit 75`);
    const waited = run(["patroni"], ENVIRONMENT);
    assert.deepEqual(
      [waited.status, waited.stdout, waited.stderr],
      [0, "started\n", "entrypoint: another container uses the data of pg-1, a restore for example: waiting for its end.\n"],
    );
    assert.equal(readFileSync(path.join(directory, "tries"), "utf8").split("\n").length - 1, 3);
    program("flock", "exit 71");
    const unlocked = run(["patroni"], ENVIRONMENT);
    assert.deepEqual([unlocked.status, unlocked.stdout], [0, "started\n"]);
    assert.match(
      unlocked.stderr,
      /^entrypoint: \S+\/data cannot be locked \(flock ended with 71\): a restore that runs is not noticed\.\n$/,
    );
  });

  it("hands Patroni its passwords, from files as from variables, and starts it with the configuration it was given", () => {
    program(
      "patroni",
      'for name in SUPERUSER REPLICATION REWIND RESTAPI; do v=PATRONI_${name}_PASSWORD; echo "$name ${!v}"; done; echo "with $*"',
    );
    program("python3", `printf '%s\\n' "$*" >> ${directory}/programs`);
    program("flock", "true");
    mkdirSync(path.join(directory, "data"));
    const file = path.join(directory, "rewind-password");
    writeFileSync(file, `${ENVIRONMENT.REWIND_PASSWORD}\n`);
    const { REWIND_PASSWORD: rewind, ...others } = ENVIRONMENT;
    const { stdout, stderr } = run(["patroni", "/etc/other.yml"], { ...others, REWIND_PASSWORD_FILE: file });
    assert.equal(stderr, "");
    assert.equal(
      stdout,
      `SUPERUSER ${others.POSTGRES_PASSWORD}\nREPLICATION ${others.REPLICATION_PASSWORD}\nREWIND ${rewind}\nRESTAPI ${others.PATRONI_PASSWORD}\nwith /etc/other.yml\n`,
    );
    const programs = readFileSync(path.join(directory, "programs"), "utf8").trim().split("\n").sort();
    assert.deepEqual(programs, [`${COMPONENT}/backups.py watch`, `${COMPONENT}/node.py settings /etc/other.yml`]);
  });

  it("makes the roles with their passwords quoted, through standard input, and keeps the statement out of the server's log", () => {
    program("psql", `cat > ${directory}/sql; printf '%s\\n' "$@" > ${directory}/arguments; printf %s "$PGOPTIONS" > ${directory}/options`);
    const { status, stderr } = run(["create-database", "host=/run/x dbname=postgres"], {
      ...ENVIRONMENT,
      APP_PASSWORD: 'it\'s $HOME \\ "x"',
      PGOPTIONS: "-c synchronous_commit=local",
    });
    assert.deepEqual([status, stderr], [0, ""]);
    const read = (name: string): string => readFileSync(path.join(directory, name), "utf8");
    const sql = read("sql").split("\n");
    for (const line of [
      "CREATE ROLE owner LOGIN PASSWORD 'of the owner';",
      `CREATE ROLE app LOGIN PASSWORD 'it''s $HOME \\ "x"';`,
      "CREATE ROLE readonly LOGIN PASSWORD 'of a reader';",
      "CREATE ROLE monitor LOGIN PASSWORD 'of the monitor' IN ROLE pg_monitor, pg_checkpoint;",
      "CREATE DATABASE app OWNER owner;",
    ])
      assert.ok(sql.includes(line), line);
    const privileges = readFileSync(path.join(COMPONENT, "privileges.sql"), "utf8");
    assert.ok(read("sql").endsWith(`\n\\connect app\n${privileges}`), "in the app's database");
    assert.doesNotMatch(read("arguments"), /it's/);
    assert.match(read("arguments"), /^host=\/run\/x dbname=postgres$/m);
    assert.match(read("options"), /^-c synchronous_commit=local .*-c log_min_error_statement=panic/);
  });
});
