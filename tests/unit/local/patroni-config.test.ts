import assert from "node:assert/strict";
import fc from "fast-check";
import { etcdArguments } from "../../../components/local/etcd";
import {
  patroniConfig,
  patroniEnvironment,
  patroniSharedConfig,
  type PatroniSettings,
  postgresContext,
  postgresSettings,
  renderPatroniConfig,
  renderRepositoryKeys,
} from "../../../components/local/postgres";
import { oddText, unlessRefused } from "./odd-text";

const node: PatroniSettings = { etcdHosts: ["etcd-1"], memoryMb: 1024, maxConnections: 100 };

/** Settings that Patroni 4.0 takes from etcd only, or sets itself: `ConfigHandler.CMDLINE_OPTIONS` of its source. */
const CLUSTER_WIDE = new Set(
  `listen_addresses port cluster_name wal_level hot_standby max_connections max_wal_senders wal_keep_segments wal_keep_size
   max_prepared_transactions max_locks_per_transaction track_commit_timestamp max_replication_slots max_worker_processes wal_log_hints`.split(
    /\s+/,
  ),
);

describe("F2 configuration of Patroni", () => {
  it("F2 who becomes primary, when, and what a commit waits for", () => {
    const { postgresql, ...shared } = patroniSharedConfig(node);
    assert.deepEqual(shared, {
      ttl: 20,
      loop_wait: 2,
      retry_timeout: 5,
      maximum_lag_on_failover: 1_048_576,
      primary_start_timeout: 0,
      primary_stop_timeout: 10,
      check_timeline: true,
      failsafe_mode: true,
      synchronous_mode: "quorum",
      synchronous_mode_strict: false,
      synchronous_node_count: 1,
    });
    assert.deepEqual([postgresql.use_pg_rewind, postgresql.use_slots], [true, true]);
    assert.ok(shared.loop_wait + 2 * shared.retry_timeout <= shared.ttl, "else Patroni changes them");
    assert.equal(patroniSharedConfig({ ...node, durability: "strict" }).synchronous_mode_strict, true);
  });

  it("A7 every setting of a server is either the cluster's or the node's, and each where Patroni reads it (property)", () => {
    fc.assert(
      fc.property(fc.integer({ min: 192, max: 32_768 }), fc.integer({ min: 25, max: 500 }), (memoryMb, maxConnections) => {
        const config = unlessRefused(() => patroniConfig({ ...node, memoryMb, maxConnections }));
        if (config === undefined) return;
        const shared = config.bootstrap.dcs.postgresql.parameters;
        const { unix_socket_directories: sockets, ...own } = config.postgresql.parameters;
        assert.equal(sockets, "/var/run/postgresql");
        assert.ok(
          Object.keys(shared).every((name) => CLUSTER_WIDE.has(name)),
          Object.keys(shared).join(),
        );
        assert.ok(
          Object.keys(own).every((name) => !CLUSTER_WIDE.has(name)),
          Object.keys(own).join(),
        );
        // What is left of the memory beside Patroni; hot_standby Patroni sets itself.
        const expected = { ...postgresSettings({ memoryMb: memoryMb - 64, maxConnections }), hot_standby_feedback: "on" };
        assert.deepEqual({ ...shared, ...own, hot_standby: "on" }, expected);
      }),
    );
  });

  it("F8 with backups the log is archived, and their memory is none of Postgres'", () => {
    const backups = { everyHours: 6, fullEveryDays: 7, keepDays: 3 };
    const [without, made] = [patroniConfig(node), patroniConfig({ ...node, backups })];
    const { archive_mode: mode, archive_command: command } = made.postgresql.parameters as Readonly<Record<string, string>>;
    assert.deepEqual([mode, command], ["on", "pgbackrest --stanza=postgres archive-push %p"]);
    assert.ok(!("archive_mode" in without.postgresql.parameters));
    const less = patroniConfig({ ...node, memoryMb: node.memoryMb - 40 }).postgresql.parameters as Readonly<Record<string, string>>;
    assert.equal((made.postgresql.parameters as Readonly<Record<string, string>>)["shared_buffers"], less["shared_buffers"]);
    assert.throws(
      () => patroniConfig({ ...node, memoryMb: 200, backups }),
      /too little for Postgres, Patroni and backups; give at least 232\./,
    );
  });

  it("F8 pgBackRest keeps the days that are wanted, and the log that waits for it cannot fill the disk", () => {
    const files = (backups?: PatroniSettings["backups"]): Map<string, string> =>
      new Map(postgresContext({ ...node, backups }).map((file) => [file.path, Buffer.from(file.content).toString()]));
    const [wanted, none] = [files({ everyHours: 6, fullEveryDays: 7, keepDays: 3 }), files()];
    const lines = wanted.get("pgbackrest.conf")!.split("\n");
    for (const line of [
      "repo1-retention-full-type=time",
      "repo1-retention-full=3",
      "archive-push-queue-max=1GiB",
      "repo1-path=/var/lib/pgbackrest",
      "[postgres]",
    ])
      assert.ok(lines.includes(line), line);
    assert.ok(lines.includes(`pg1-path=${patroniConfig(node).postgresql.data_dir}`));
    assert.deepEqual(JSON.parse(wanted.get("schedule.json")!), { everyHours: 6, fullEveryDays: 7, keepDays: 3 });
    assert.equal(JSON.parse(none.get("schedule.json")!), null);
    assert.throws(
      () => files({ everyHours: 0, fullEveryDays: 7, keepDays: 3 }),
      /backups\.everyHours: 0 is not allowed; use a whole number from 1\./,
    );
  });

  it("F8 with an object storage pgBackRest has its place and no key; it takes more memory, and everything is encrypted", () => {
    const repository = { bucket: "b", path: "/shop", endpoint: "s3.example.com", region: "eu-central-1", uriStyle: "host" } as const;
    const backups = { everyHours: 6, fullEveryDays: 7, keepDays: 3 };
    const files = (more: Partial<PatroniSettings>): Map<string, string> =>
      new Map(postgresContext({ ...node, backups, ...more }).map((file) => [file.path, Buffer.from(file.content).toString()]));
    const linesOf = (more: Partial<PatroniSettings>): string[] => files(more).get("pgbackrest.conf")!.split("\n");
    const [lines, onVolume] = [linesOf({ repository }), linesOf({})];
    assert.deepEqual(
      lines.filter((line) => !onVolume.includes(line)),
      [
        ...["repo1-type=s3", "repo1-path=/shop", "repo1-s3-bucket=b", "repo1-s3-endpoint=s3.example.com", "repo1-s3-region=eu-central-1"],
        ...["repo1-s3-uri-style=host", "repo1-cipher-type=aes-256-cbc", "io-timeout=20"],
      ],
    );
    assert.deepEqual(
      onVolume.filter((line) => !lines.includes(line)),
      ["repo1-path=/var/lib/pgbackrest"],
    );
    const own = { repository: { ...repository, certificates: "PEM\n" } };
    assert.ok(linesOf(own).includes("repo1-storage-ca-file=/etc/pgbackrest/repository-ca.pem"));
    assert.deepEqual([files(own).get("repository-ca.pem"), files({ repository }).get("repository-ca.pem")], ["PEM\n", ""]);
    // Without a schedule it is still where a restore finds it.
    assert.ok(linesOf({ repository, backups: undefined }).includes("repo1-s3-bucket=b"));
    const buffers = (more: Partial<PatroniSettings>): unknown =>
      (patroniConfig({ ...node, ...more }).postgresql.parameters as Readonly<Record<string, string>>)["shared_buffers"];
    assert.equal(buffers({ backups, repository }), buffers({ memoryMb: node.memoryMb - 72 }));
    assert.equal(buffers({ repository }), buffers({}), "nobody archives");
  });

  it("F8 a repository's keys are one line each, and what is not is refused without being shown", () => {
    const keys = { key: "AKIA", keySecret: "se/cr+et=", passphrase: "p#;[x]" };
    assert.equal(renderRepositoryKeys(keys), "[global]\nrepo1-s3-key=AKIA\nrepo1-s3-key-secret=se/cr+et=\nrepo1-cipher-pass=p#;[x]\n");
    for (const bad of ["", "two words", "line\nrepo1-path=/", "é"]) {
      for (const name of Object.keys(keys))
        assert.throws(() => renderRepositoryKeys({ ...keys, [name]: bad }), {
          message: `repository ${name}: not usable; use letters, digits and signs of ASCII without spaces.`,
        });
    }
  });

  it("A7 new clusters have checksums, SCRAM everywhere, and are open to their own network only", () => {
    const { bootstrap, postgresql } = patroniConfig(node);
    assert.ok(bootstrap.initdb.includes("data-checksums"));
    for (const option of [{ "auth-local": "scram-sha-256" }, { "auth-host": "scram-sha-256" }])
      assert.ok(bootstrap.initdb.some((entry) => JSON.stringify(entry) === JSON.stringify(option)));
    assert.ok(postgresql.pg_hba.length > 0);
    for (const rule of postgresql.pg_hba) assert.match(rule, /^(?:local \S+ \S+|host \S+ \S+ samenet) scram-sha-256$/);
  });

  it("the file is read back as what it says, and has no password", () => {
    const text = renderPatroniConfig(node);
    assert.deepEqual(JSON.parse(text), patroniConfig(node));
    assert.doesNotMatch(text, /passw(?!ord_encryption)/i);
  });

  it("names that are no host names are refused in one sentence, and never change anything else (property)", () => {
    fc.assert(
      fc.property(fc.constantFrom("scope", "etcdHosts"), oddText, (field, text) => {
        const given = { ...node, [field]: field === "etcdHosts" ? ["etcd-1", text] : text };
        const config = unlessRefused(() => patroniConfig(given));
        if (config !== undefined) assert.match(text, /^[a-z][a-z0-9-]*$/);
      }),
    );
    fc.assert(
      fc.property(oddText, (name) => {
        const environment = unlessRefused(() => patroniEnvironment(name));
        if (environment !== undefined) assert.match(name, /^[a-z][a-z0-9-]*$/);
      }),
    );
    assert.deepEqual(patroniEnvironment("pg-1"), {
      PATRONI_NAME: "pg-1",
      PATRONI_POSTGRESQL_CONNECT_ADDRESS: "pg-1:5432",
      PATRONI_RESTAPI_CONNECT_ADDRESS: "pg-1:8008",
    });
    assert.throws(() => patroniConfig({ ...node, etcdHosts: [] }), /etcdHosts: \[\] is not allowed; give the host name of at least one/);
    assert.throws(() => patroniConfig({ ...node, memoryMb: 150 }), /150 MiB are too little for Postgres and Patroni; give at least 192\./);
  });

  it("the image has the command that makes the app's user, and the directories the configuration names", () => {
    const files = new Map(postgresContext(node).map((file) => [file.path, Buffer.from(file.content).toString()]));
    assert.deepEqual([...files.keys()].sort(), [
      ...["Dockerfile", "backup_jobs.py", "backups.py", "cluster_state.py", "entrypoint.sh", "log_archive.py", "node.py"],
      ...["paced-check.sh", "patroni.yml", "pgbackrest.conf", "privileges.sql", "repository-ca.pem", "repository.py"],
      ...["restore.py", "schedule.json"],
    ]);
    assert.equal(files.get("patroni.yml"), renderPatroniConfig(node));
    const { bootstrap, postgresql } = patroniConfig(node);
    const [program = "", command = ""] = bootstrap.post_bootstrap.split(" ");
    assert.match(files.get("Dockerfile")!, new RegExp(`COPY ${program} `));
    assert.match(files.get("entrypoint.sh")!, new RegExp(`^  ${command}\\)$`, "m"));
    assert.ok(files.get("Dockerfile")!.includes(`PGDATA=${postgresql.data_dir}`));
    assert.ok(files.get("Dockerfile")!.includes(`PATH=${postgresql.bin_dir}:`));
  });
});

describe("arguments of etcd", () => {
  const value = (given: readonly string[], name: string): string | undefined =>
    given.find((argument) => argument.startsWith(`--${name}=`))?.slice(name.length + 3);

  it("one member, or three that know each other by the same list", () => {
    const hosts = ["etcd-1", "etcd-2", "etcd-3"];
    const members = hosts.map((_, index) => etcdArguments({ member: index + 1, hosts }));
    assert.deepEqual(
      members.map((given) => value(given, "name")),
      hosts,
    );
    assert.equal(new Set(members.map((given) => value(given, "initial-cluster"))).size, 1);
    assert.equal(value(members[0]!, "initial-cluster"), "etcd-1=http://etcd-1:2380,etcd-2=http://etcd-2:2380,etcd-3=http://etcd-3:2380");
    for (const [index, given] of members.entries()) assert.equal(value(given, "advertise-client-urls"), `http://etcd-${index + 1}:2379`);
    assert.equal(value(etcdArguments({ member: 1, hosts: ["etcd"] }), "auto-compaction-mode"), "periodic");
  });

  it("odd names and numbers are refused in one sentence, or are one argument (property)", () => {
    const names = etcdArguments({ member: 1, hosts: ["a"] }).map((argument) => argument.split("=", 1)[0]);
    fc.assert(
      fc.property(oddText, oddText, fc.integer({ min: -2, max: 5 }), (host, token, member) => {
        const given = unlessRefused(() => etcdArguments({ member, hosts: [host, "b", "c"], token }));
        if (given === undefined) return;
        assert.deepEqual(
          given.map((argument) => argument.split("=", 1)[0]),
          names,
        );
        assert.match(`${host}${token}`, /^[\w.-]+$/);
        assert.ok(member >= 1 && member <= 3);
      }),
    );
    assert.throws(() => etcdArguments({ member: 1, hosts: ["a", "b"] }), /2 members .* use 1 or 3 different names/);
    assert.throws(() => etcdArguments({ member: 1, hosts: [] }), /0 members/);
    assert.throws(() => etcdArguments({ member: 1, hosts: ["a", "a", "a"] }), /use 1 or 3 different names/);
  });
});
