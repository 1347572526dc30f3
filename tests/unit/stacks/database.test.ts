import assert from "node:assert/strict";
import { mock } from "node:test";
import { isDeepStrictEqual } from "node:util";
import * as pulumi from "@pulumi/pulumi";
import { LABELS } from "../../../toolchain/lib/docker";
import { OUTPUT_KEYS } from "../../support/output-keys";
import { canary, isMarkedSecret, type Recorder, type Registered, valueOf } from "../../support/pulumi-mocks";
import { programRig, type ProgramRig } from "./support";

const CONTAINER = "docker:index/container:Container";
const VOLUME = "docker:index/volume:Volume";
const IMAGE = "docker:index/image:Image";
const PASSWORD = "random:index/randomPassword:RandomPassword";
const local = (type: string): string => `phased-stack:local:${type}`;
const FILES = local("SecretFiles");

/** A component's image. */
const imageOf = (type: string, name: string): string[] => [
  `${local(type)}$${local("Image")}::${name}-image`,
  `${local(type)}$${local("Image")}$${IMAGE}::${name}-image-build`,
];
/** A component's secrets: the component, its volume and writer, and a password for each name. */
const secretsOf = (type: string, name: string, passwords: readonly string[]): string[] => [
  `${local(type)}$${FILES}::${name}-secrets`,
  `${local(type)}$${FILES}$${CONTAINER}::${name}-secrets-writer`,
  `${local(type)}$${FILES}$${VOLUME}::${name}-secrets-volume`,
  ...passwords.map((password) => `${local(type)}$${FILES}$${PASSWORD}::${name}-secrets-${password}`),
];

const POSTGRES_PASSWORDS = ["app", "backup-passphrase", "monitor", "owner", "patroni", "readonly", "replication", "rewind", "superuser"];

/** URNs that both phases have: what changes here is replaced by a switch of phase, and with it the data of phase `cluster`. */
const SHARED_URNS = [
  `${local("App")}$${CONTAINER}::app-0`,
  `${local("App")}::app`,
  `${local("Image")}$${IMAGE}::app-image-build`,
  `${local("Image")}::app-image`,
  `${local("LoadBalancer")}$${CONTAINER}::load-balancer-haproxy`,
  ...imageOf("LoadBalancer", "load-balancer"),
  ...secretsOf("LoadBalancer", "load-balancer", []),
  `${local("LoadBalancer")}::load-balancer`,
  `${local("Network")}$docker:index/network:Network::network-bridge`,
  `${local("Network")}::network`,
  `${FILES}$${CONTAINER}::secrets-writer`,
  `${FILES}$${VOLUME}::secrets-volume`,
  `${FILES}$${PASSWORD}::secrets-admin-token`,
  `${FILES}$${PASSWORD}::secrets-session-secret`,
  `${FILES}::secrets`,
  `${local("Sqlite")}$${VOLUME}::database-data`,
  `${local("Sqlite")}::database`,
];

/** URNs of phase `database`. A URN is an identity: changing one here replaces the resource, and with it the data, on users' stacks. */
const FROZEN_URNS = [
  ...SHARED_URNS,
  `${local("App")}$${CONTAINER}::app-1`,
  `${local("App")}$${CONTAINER}::app-2`,
  `${local("App")}$${CONTAINER}::jobs-0`,
  `${local("App")}::jobs`,
  `${local("DataMove")}$${CONTAINER}::data-move-copy`,
  `${local("DataMove")}::data-move`,
  `${local("Migrate")}$${CONTAINER}::migrate-run`,
  `${local("Migrate")}::migrate`,
  ...["app-secrets", "owner-secrets"].flatMap((name) => [
    `${FILES}$${CONTAINER}::${name}-writer`,
    `${FILES}$${VOLUME}::${name}-volume`,
    `${FILES}::${name}`,
  ]),
  `${local("Etcd")}$${CONTAINER}::etcd-1`,
  `${local("Etcd")}$${VOLUME}::etcd-1-data`,
  ...imageOf("Etcd", "etcd"),
  `${local("Etcd")}::etcd`,
  ...["pg-1", "pg-2", "pg-3"].flatMap((node) => [
    `${local("Postgres")}$${CONTAINER}::postgres-${node}`,
    `${local("Postgres")}$${VOLUME}::postgres-${node}-data`,
  ]),
  `${local("Postgres")}$${VOLUME}::postgres-backups`,
  ...imageOf("Postgres", "postgres"),
  ...secretsOf("Postgres", "postgres", POSTGRES_PASSWORDS),
  `${local("Postgres")}::postgres`,
  `${local("PostgresProxy")}$${CONTAINER}::postgres-proxy-container`,
  `${local("PostgresProxy")}$${VOLUME}::postgres-proxy-sockets`,
  ...imageOf("PostgresProxy", "postgres-proxy"),
  `${local("PostgresProxy")}::postgres-proxy`,
  `${local("PgBouncer")}$${CONTAINER}::pgbouncer-container`,
  ...imageOf("PgBouncer", "pgbouncer"),
  ...secretsOf("PgBouncer", "pgbouncer", ["operator-password"]),
  `${local("PgBouncer")}::pgbouncer`,
  `${local("PostgresOperator")}$${CONTAINER}::postgres-operator-container`,
  ...imageOf("PostgresOperator", "postgres-operator"),
  ...secretsOf("PostgresOperator", "postgres-operator", []),
  `${local("PostgresOperator")}::postgres-operator`,
  ...["redis-cache", "redis-limits"].flatMap((name) => [
    `${local("Redis")}$${CONTAINER}::${name}-container`,
    `${local("Redis")}$${VOLUME}::${name}-data`,
    ...imageOf("Redis", name),
    ...secretsOf("Redis", name, ["password"]),
    `${local("Redis")}::${name}`,
  ]),
];

/** What `kafka: true` adds. The volumes of the brokers, the cluster's id and the passwords belong together. */
const KAFKA_URNS = [
  ...["1", "2", "3"].flatMap((broker) => [
    `${local("Kafka")}$${CONTAINER}::kafka-${broker}`,
    `${local("Kafka")}$${VOLUME}::kafka-${broker}-data`,
  ]),
  `${local("Kafka")}$random:index/randomId:RandomId::kafka-cluster-id`,
  ...imageOf("Kafka", "kafka"),
  ...secretsOf("Kafka", "kafka", ["app-password", "broker-password"]),
  `${local("Kafka")}::kafka`,
  `${local("App")}$${CONTAINER}::consumer-0`,
  `${local("App")}::consumer`,
];

/** What `monitoring: true` adds. */
const MONITORING_URNS = [
  ...["node", "postgres", "pgbouncer", "redis"].map((one) => `${local("Exporters")}$${CONTAINER}::exporters-${one}`),
  ...imageOf("Exporters", "exporters"),
  ...secretsOf("Exporters", "exporters", []),
  `${local("Exporters")}::exporters`,
  ...["Prometheus", "Alertmanager", "Grafana"].flatMap((type) => [
    `${local(type)}$${CONTAINER}::${type.toLowerCase()}-container`,
    `${local(type)}$${VOLUME}::${type.toLowerCase()}-data`,
    ...imageOf(type, type.toLowerCase()),
    `${local(type)}::${type.toLowerCase()}`,
  ]),
  ...secretsOf("Grafana", "grafana", ["admin-password"]),
];

const urns = (ends: readonly string[]): string[] => ends.map((end) => `urn:pulumi:dev::phased-stack::${end}`).sort();

describe("phase database", function () {
  this.timeout(60_000);
  let rig: ProgramRig;
  const run = (config: Readonly<Record<string, string>> = {}, stack?: string) => rig.run({ phase: "database", ...config }, stack);
  const envsOf = (recorder: Recorder, name: string): Record<string, string> =>
    Object.fromEntries((recorder.get(name).inputs["envs"] as string[]).map((line) => line.split(/=(.*)/s) as [string, string]));

  const filesOf = (recorder: Recorder, secrets: string): Record<string, string> => {
    const uploads = recorder.get(`${secrets}-writer`).inputs["uploads"] as { file: string; content: string }[];
    return Object.fromEntries(uploads.map(({ file, content }) => [file, content]));
  };

  before(async () => {
    rig = await programRig();
  });

  after(() => rig.close());

  it("A1 tells where its services are, in the keys every phase has; the database's password is secret", async () => {
    const { outputs } = await run();
    assert.deepEqual(Object.keys(outputs).sort(), OUTPUT_KEYS);
    const wanted = {
      phase: "database",
      appUrl: "http://127.0.0.1:3001",
      consoleUrl: "http://127.0.0.1:3001/console",
      databaseHost: "pgbouncer",
      databaseReaderHost: "postgres-proxy",
      databasePassword: canary("postgres-secrets-app"),
      redisHost: "redis-cache",
      kafkaBrokers: "",
      adminToken: canary("secrets-admin-token"),
    };
    for (const [key, value] of Object.entries(wanted)) assert.equal(await valueOf(outputs[key]!), value, key);
    for (const key of OUTPUT_KEYS) {
      assert.equal(
        await isMarkedSecret(outputs[key]!),
        ["adminToken", "backupPassphrase", "databasePassword", "grafanaPassword"].includes(key),
        key,
      );
    }
  });

  it("B13 says its plan before anything is registered, with the heap of the app and the container that moves rows", async () => {
    const info = mock.method(pulumi.log, "info", () => Promise.resolve());
    try {
      const told = async (config: Readonly<Record<string, string>>): Promise<string[]> => {
        info.mock.resetCalls();
        await run(config);
        return info.mock.calls.map(({ arguments: [line] }) => line ?? "").filter((line) => line.startsWith("plan for this Docker host "));
      };
      const [plan = "", ...others] = await told({});
      assert.deepEqual(others, []);
      assert.match(plan, /^plan for this Docker host \(2 CPUs, 8192 MiB\): \d+ MiB at most of \d+ MiB$/m);
      assert.match(plan, /^app +3 +\d+ MiB .*heap \d+ MiB/m);
      assert.match(plan, /^data-move +1 +384 MiB /m);
      assert.doesNotMatch((await told({ moveData: "false" })).join(), /data-move/);
    } finally {
      info.mock.restore();
    }
  });

  it("A9 workerHeapMb is the web's: jobs and consumer, whose memory is not planned for it, derive their own", async () => {
    const { recorder } = await run({ workerHeapMb: "200", kafka: "true" });
    const heapOf = (name: string): string | undefined => envsOf(recorder, name)["WORKER_HEAP_MB"];
    assert.deepEqual([heapOf("app-0"), heapOf("app-2"), heapOf("jobs-0"), heapOf("consumer-0")], ["200", "200", undefined, undefined]);
  });

  it("keeps its URNs", async () => {
    const { recorder } = await run();
    assert.deepEqual(recorder.resources.map(({ urn }) => urn).sort(), urns(FROZEN_URNS));
  });

  it("F1 rows of phase cluster are moved before the app starts on Postgres; not with moveData false, and not for an image of one's own", async () => {
    const { recorder } = await run();
    const { inputs } = recorder.get("data-move-copy");
    const [program] = inputs["command"] as string[];
    assert.match(
      program ?? "",
      / node transfer\.js --move to-postgres --from sqlite:\/data\/app\.db --to file:\/run\/secrets\/database_direct_url /,
    );
    assert.deepEqual([inputs["restart"], inputs["wait"], inputs["readOnly"]], ["no", true, true]);
    const names = recorder.resources.map(({ name }) => name);
    assert.ok(names.indexOf("data-move-copy") > names.indexOf("postgres-proxy-container"));
    for (const app of ["app-0", "jobs-0"]) assert.ok(names.indexOf("data-move-copy") < names.indexOf(app), app);
    for (const config of [{ moveData: "false" }, { image: "registry.example.com/team/app:1" }]) {
      const others = (await run(config)).recorder.resources.map(({ name }) => name);
      assert.ok(!others.includes("data-move-copy") && others.includes("app-0"), JSON.stringify(config));
    }
  });

  it("labels the app's containers where the image is one's own, and no others: a label more would replace all that there are", async () => {
    const labelled = async (config: Readonly<Record<string, string>>): Promise<string[]> =>
      (await rig.run(config)).recorder
        .ofType(CONTAINER)
        .filter(({ inputs }) => (inputs["labels"] as { label: string }[]).some(({ label }) => label === LABELS.ownImage))
        .map(({ name }) => name)
        .sort();
    const own = { image: "registry.example.com/team/app:1" };
    assert.deepEqual(await labelled({ phase: "database", kafka: "true", ...own }), ["app-0", "app-1", "app-2", "consumer-0", "jobs-0"]);
    assert.deepEqual(await labelled(own), ["app-0"]);
    assert.deepEqual(await labelled({ phase: "database" }), []);
  });

  it("A1 where a move back began, Postgres is written again before the app starts, also with moveData false; done once it is done", async () => {
    const told = ({ recorder }: Awaited<ReturnType<typeof run>>): string =>
      /--move \S+/.exec((recorder.get("data-move-copy").inputs["command"] as string[])[0] ?? "")?.[0] ?? "";
    const attempt = (Status: string, Created: number) => [{ Labels: { "phased-stack.attempt": "1" }, Status, Created }];
    try {
      rig.containers = { "data-move-back": attempt("Up 1 hour (healthy)", 100) };
      assert.equal(told(await run()), "--move to-postgres");
      const opening = await run({ moveData: "false" });
      assert.equal(told(opening), "--move open-postgres");
      const names = opening.recorder.resources.map(({ name }) => name);
      for (const app of ["app-0", "jobs-0"]) assert.ok(names.indexOf("data-move-copy") < names.indexOf(app), app);
      assert.ok(!(await run({ image: "registry.example.com/team/app:1" })).recorder.names().includes("data-move-copy"));
      // The update that opened it deleted the other container at its end.
      rig.containers = { "data-move-open": attempt("Up 1 hour (healthy)", 200) };
      assert.ok((await run({ moveData: "false" })).recorder.names().includes("data-move-copy"), "kept: another update changes nothing");
      rig.containers = { "data-move-open": attempt("Exited (1) 1 hour ago", 200) };
      assert.ok(!(await run({ moveData: "false" })).recorder.names().includes("data-move-copy"));
    } finally {
      rig.containers = {};
    }
  });

  it("A1 leaving it for phase cluster with leaveDatabase, rows are copied back before the app starts on SQLite", async () => {
    const { recorder } = await rig.run({ leaveDatabase: "true" });
    const names = recorder.resources.map(({ name }) => name);
    assert.ok(names.indexOf("data-move-back-copy") >= 0 && names.indexOf("data-move-back-copy") < names.indexOf("app-0"));
    assert.ok(!(await rig.run({})).recorder.resources.some(({ name }) => name.startsWith("data-move")));
  });

  it("A1 leaveDatabase that is still set is warned of: it would hold for the next time, too", async () => {
    const warn = mock.method(pulumi.log, "warn", () => Promise.resolve());
    const warned = (): boolean => warn.mock.calls.some(({ arguments: [line = ""] }) => line.includes("pulumi config rm leaveDatabase"));
    try {
      await run();
      assert.equal(warned(), false);
      await run({ leaveDatabase: "true" });
      assert.equal(warned(), true);
    } finally {
      warn.mock.restore();
    }
  });

  it("A1 its volumes without its containers, as down --keep-data leaves them, are no reason to delete them unasked", async () => {
    rig.hasPostgresVolumes = true;
    try {
      for (const config of [{}, { "phased-stack:moveData": "false" }, { "phased-stack:image": "registry.example.com/team/app:1" }]) {
        const { message, recorder } = await rig.refusal({ "phased-stack:phase": "cluster", ...config });
        assert.match(message, /Redis and Kafka with the events.*pulumi config set leaveDatabase true.*pulumi config rm leaveDatabase/);
        assert.deepEqual(recorder.resources, []);
      }
      const { message } = await rig.refusal({ "phased-stack:phase": "cluster", "phased-stack:leaveDatabase": "true" });
      assert.match(message, /Postgres that does not run/);
      const { recorder } = await rig.run({ leaveDatabase: "true", moveData: "false" });
      assert.ok(recorder.resources.some(({ name }) => name === "app-0"));
    } finally {
      rig.hasPostgresVolumes = false;
    }
  });

  it("A1 phase cluster on a file that was sealed is refused before anything is made: no instance on it would ever be ready", async () => {
    const answer = (status: string): string =>
      `HTTP/1.0 503 Service Unavailable\r\n\r\n{"status":"${status}"}HTTP/1.0 200 OK\r\n\r\n{"status":"ok","database":{"kind":"sqlite"}}`;
    try {
      rig.appAnswers = answer("moved");
      for (const config of [
        { "phased-stack:moveData": "false" },
        { "phased-stack:moveData": "false", "phased-stack:leaveDatabase": "true" },
        { "phased-stack:leaveDatabase": "true" },
        {},
      ]) {
        const { message, recorder } = await rig.refusal({ "phased-stack:phase": "cluster", ...config });
        assert.match(message, /^the SQLite file of this stack is sealed.*docs\/runbooks\/sealed-file\.md says$/, JSON.stringify(config));
        assert.deepEqual(recorder.resources, []);
      }
      rig.appAnswers = answer("ready");
      assert.ok((await rig.run({ moveData: "false" })).recorder.resources.some(({ name }) => name === "app-0"));
    } finally {
      rig.appAnswers = undefined;
    }
  });

  it("has everything phase cluster has under the same URN: switching there and back deletes no document and no SQLite data", async () => {
    const cluster = (await rig.run({})).recorder;
    assert.deepEqual(cluster.resources.map(({ urn }) => urn).sort(), urns(SHARED_URNS));
    const { recorder } = await run();
    assert.deepEqual(recorder.get("database-data").inputs, cluster.get("database-data").inputs);
    for (const app of ["app-0", "jobs-0"]) {
      const mounts = recorder.get(app).inputs["volumes"] as { volumeName: string; containerPath: string }[];
      assert.ok(
        mounts.some(({ volumeName, containerPath }) => volumeName === "database-data-1a2b3c4" && containerPath === "/data"),
        app,
      );
      assert.equal(envsOf(recorder, app)["DOCUMENTS_PATH"], "/data/documents");
    }
  });

  it("every child has a parent and a name that starts with the parent's", async () => {
    const { recorder } = await run();
    const top = recorder.resources.filter((resource) => resource.type.startsWith("phased-stack:") && resource.parent === "");
    for (const child of recorder.resources.filter((resource) => !top.includes(resource))) {
      const parentName = child.parent.split("::").at(-1) ?? "";
      assert.ok(parentName !== "" && child.name.startsWith(`${parentName}-`), `${child.name} is a child of "${parentName}"`);
    }
  });

  it("no secret is in plain anywhere, and no physical name is fixed, so stacks live side by side", async () => {
    const { recorder } = await run();
    const canaries = recorder.ofType(PASSWORD).map(({ name }) => canary(name));
    assert.equal(canaries.length, 2 + POSTGRES_PASSWORDS.length + 1 + 2);
    for (const resource of recorder.resources) {
      for (const value of canaries) assert.ok(!resource.plain.includes(value), `${resource.name} shows ${value}`);
      assert.equal(resource.inputs["name"], undefined, `${resource.name} has a fixed physical name`);
    }
    const seen = recorder.resources.flatMap((resource) => resource.secrets).join("\n");
    // Redis is given the hash of its password only; the app has the URL with it.
    // Without backupUrl nobody is given the passphrase.
    const given = canaries.filter((value) => value !== canary("postgres-secrets-backup-passphrase"));
    for (const value of given) assert.ok(seen.includes(value), `the scan did not look for ${value}`);
  });

  it("only the load balancer is published", async () => {
    const { recorder } = await run();
    const published = recorder.ofType(CONTAINER).filter(({ inputs }) => inputs["ports"] !== undefined);
    assert.deepEqual(
      published.map(({ name }) => name),
      ["load-balancer-haproxy"],
    );
  });

  it("every Docker object has the labels of its project and stack", async () => {
    const { recorder } = await run({}, "staging");
    const labelled = recorder.resources.filter(({ type }) => /^docker:.*:(Container|Network|Volume)$/.test(type));
    for (const { inputs, name } of labelled) {
      const labels = Object.fromEntries((inputs["labels"] as { label: string; value: string }[]).map(({ label, value }) => [label, value]));
      assert.deepEqual([labels["phased-stack.project"], labels["phased-stack.stack"]], ["phased-stack", "staging"], name);
      assert.ok(labels["phased-stack.service"], name);
    }
  });

  it("protects all data outside dev, and only there", async () => {
    const isData = ({ type, name }: Registered): boolean => type === VOLUME && name.endsWith("-data");
    for (const [stack, wanted] of [
      ["dev", false],
      ["prod", true],
    ] as const) {
      const data = (await run({}, stack)).recorder.resources.filter(isData);
      assert.equal(data.length, 7, "documents, three of Postgres, etcd's, two of Redis");
      for (const { name, protect, retainOnDelete } of data)
        assert.deepEqual([protect, retainOnDelete], [wanted, wanted], `${stack}: ${name}`);
    }
  });

  it("E8 the app is told of PgBouncer, of a database for each node, and of both Redis servers, by files where it is secret", async () => {
    const { recorder } = await run();
    const web = envsOf(recorder, "app-0");
    assert.equal(web["DATABASE_URL"], "postgres://app@pgbouncer:6432/app");
    const nodes = [1, 2, 3].map((node) => `postgres://app@pgbouncer:6432/app_pg-${node}`);
    assert.equal(web["DATABASE_READ_REPLICAS"], nodes.join(","));
    assert.deepEqual([web["ROLE"], envsOf(recorder, "jobs-0")["ROLE"]], ["web", "jobs"]);
    const files = filesOf(recorder, "app-secrets");
    const given = (name: string): string | undefined => files[web[`${name}_FILE`] ?? ""];
    assert.equal(given("SESSION_SECRET"), canary("secrets-session-secret"));
    assert.equal(given("ADMIN_TOKEN"), canary("secrets-admin-token"));
    assert.equal(given("DATABASE_PASSWORD"), canary("postgres-secrets-app"));
    assert.equal(given("REDIS_URL"), `redis://app:${canary("redis-cache-secrets-password")}@redis-cache:6379`);
    assert.equal(given("REDIS_LIMITS_URL"), `redis://app:${canary("redis-limits-secrets-password")}@redis-limits:6379`);
  });

  it("A14 one container migrates before the app starts, and of the app's image it and what moves rows alone have the owner's password", async () => {
    const { recorder } = await run({ kafka: "true" });
    const owner = canary("postgres-secrets-owner");
    assert.deepEqual(filesOf(recorder, "owner-secrets"), {
      "/run/secrets/database_direct_url": `postgres://owner:${owner}@postgres-proxy:5000/app`,
    });
    const volumesOf = (name: string): string[] =>
      (recorder.get(name).inputs["volumes"] as { volumeName: string }[]).map(({ volumeName }) => volumeName).sort();
    const apps = ["app-0", "app-1", "app-2", "jobs-0", "consumer-0"];
    for (const name of apps) {
      assert.deepEqual(volumesOf(name), ["app-secrets-volume-1a2b3c4", "database-data-1a2b3c4"], name);
      const environment = envsOf(recorder, name);
      assert.deepEqual([environment["MIGRATIONS"], environment["DATABASE_DIRECT_URL_FILE"]], ["external", undefined], name);
    }
    for (const set of ["app-secrets", "secrets"]) assert.ok(!Object.values(filesOf(recorder, set)).join().includes(owner), set);
    assert.deepEqual(volumesOf("migrate-run"), ["owner-secrets-volume-1a2b3c4"]);
    const migrate = envsOf(recorder, "migrate-run");
    assert.equal(migrate["DATABASE_URL_FILE"], "/run/secrets/database_direct_url");
    assert.equal(migrate["REDIS_LIMITS_URL"], "redis://redis-limits:6379");
    const names = recorder.resources.map(({ name }) => name);
    assert.ok(names.indexOf("migrate-run") > names.indexOf("data-move-copy"));
    for (const name of apps) assert.ok(names.indexOf("migrate-run") < names.indexOf(name), name);
    const ends = recorder.get("migrate").dependencies.map((urn) => urn.split("::").at(-1) ?? "");
    for (const needed of ["data-move-copy", "postgres-pg-3", "postgres-proxy-container", "pgbouncer-container"])
      assert.ok(ends.includes(needed), `it waits for ${needed}`);
  });

  it("A14 a migration that failed is migrated again by the next update; one that ended well is not", async () => {
    const attempt = async (): Promise<string | undefined> =>
      ((await run()).recorder.get("migrate-run").inputs["labels"] as { label: string; value: string }[]).find(
        ({ label }) => label === "phased-stack.attempt",
      )?.value;
    const container = (Status: string) => [{ Labels: { "phased-stack.attempt": "4" }, Status, Created: 100 }];
    try {
      assert.equal(await attempt(), "1");
      rig.containers = { migrate: container("Exited (0) 2 hours ago") };
      assert.equal(await attempt(), "4");
      rig.containers = { migrate: container("Exited (1) 2 hours ago") };
      assert.equal(await attempt(), "5");
    } finally {
      rig.containers = {};
    }
  });

  it("A14 an image of one's own makes its tables by itself, with the owner's address among its files", async () => {
    const { recorder } = await run({ image: "registry.example.com/team/app:1" });
    for (const name of ["migrate", "owner-secrets", "app-secrets"]) assert.ok(!recorder.names().includes(name), name);
    const { MIGRATIONS: migrations, DATABASE_DIRECT_URL_FILE: file = "" } = envsOf(recorder, "app-0");
    assert.equal(migrations, undefined);
    const direct = `postgres://owner:${canary("postgres-secrets-owner")}@postgres-proxy:5000/app`;
    assert.equal(filesOf(recorder, "secrets")[file], direct);
  });

  it("F3 what is stateful goes one after the other, the app waits for it, and nobody is deleted because of somebody else", async () => {
    const { recorder } = await run();
    const ends = (name: string): string[] => recorder.get(name).dependencies.map((urn) => urn.split("::").at(-1) ?? "");
    assert.ok(ends("postgres-pg-1").includes("etcd-1"));
    assert.ok(ends("postgres-pg-2").includes("postgres-pg-1"));
    assert.ok(ends("postgres-pg-3").includes("postgres-pg-1"), "on the first start the others copy the first at the same time");
    // The component waits, and its containers for the component.
    for (const app of ["app", "jobs"]) {
      for (const needed of ["postgres-pg-3", "pgbouncer-container", "postgres-proxy-container", "redis-cache-container"]) {
        assert.ok(ends(app).includes(needed), `${app} waits for ${needed}`);
      }
    }
    for (const { name, deleteBeforeReplace } of recorder.ofType(CONTAINER)) {
      const ownsSomething = /^(postgres-pg|etcd-|redis-.*-container|load-balancer-haproxy)/.test(name);
      assert.equal(deleteBeforeReplace, ownsSomething, name);
    }
  });

  it("B14 scaling the app adds instances and touches nothing but them", async () => {
    const [three, five] = [(await run()).recorder, (await run({ appInstances: "5" })).recorder];
    assert.deepEqual(
      five.names().filter((name) => !three.names().includes(name)),
      ["app-3", "app-4"],
    );
    for (const before of three.resources.filter(({ name }) => !/^(app|jobs)-\d$/.test(name))) {
      assert.deepEqual(five.get(before.name).inputs, before.inputs, before.name);
    }
  });

  it("the same sources give the same registrations: a second up has nothing to do", async () => {
    const [first, second] = [(await run()).recorder, (await run()).recorder];
    const inputsOf = (recorder: Recorder) => Object.fromEntries(recorder.resources.map(({ urn, inputs }) => [urn, inputs]));
    assert.deepEqual(inputsOf(second), inputsOf(first));
  });

  it("a change of what Postgres has is a change of its nodes only", async () => {
    const [before, after] = [(await run()).recorder, (await run({ postgresMemoryMb: "900" })).recorder];
    const changed = before.resources
      .filter(({ name, inputs }) => JSON.stringify(after.get(name).inputs) !== JSON.stringify(inputs))
      .map(({ name }) => name)
      // The app takes what memory is left; that is changed in place.
      .filter((name) => !/^app-\d$/.test(name));
    // The writer of secrets is made of any image and ignores the change.
    assert.deepEqual(after.get("postgres-secrets-writer").ignoreChanges, ["image"]);
    const expected = ["postgres-image-build", "postgres-pg-1", "postgres-pg-2", "postgres-pg-3", "postgres-secrets-writer"];
    assert.deepEqual(changed.sort(), expected);
  });

  it("B15 another imagesOf builds every image anew and replaces what runs of it; nothing changes its identity, nor without the key at all", async () => {
    const large = await programRig(32_768);
    const all = { phase: "database", kafka: "true", monitoring: "true" };
    const recorders: Recorder[] = [];
    try {
      for (const word of [{}, { imagesOf: "2026-10" }, { imagesOf: "2026-11" }])
        recorders.push((await large.run({ ...all, ...word })).recorder);
    } finally {
      await large.close();
    }
    const [unset, october, november] = recorders as [Recorder, Recorder, Recorder];
    const urnsOf = (recorder: Recorder): string[] => recorder.resources.map(({ urn }) => urn).sort();
    assert.deepEqual(urnsOf(october), urnsOf(unset));
    assert.deepEqual(urnsOf(november), urnsOf(unset));
    const images = unset.ofType(IMAGE);
    assert.equal(images.length, 14);
    for (const { name } of images) {
      const names = [unset, october, november].map((recorder) => recorder.get(name).inputs["imageName"]);
      assert.equal(new Set(names).size, 3, `${name} has ${names.join(", ")}`);
    }
    const stays = (one: Registered): boolean => one.inputs["image"] === october.get(one.name).inputs["image"];
    assert.deepEqual(
      november
        .ofType(CONTAINER)
        .filter(stays)
        .map(({ name }) => name),
      [],
    );
  });

  it("B5 with Kafka it has brokers and who reads their events, and all else keeps its URN", async () => {
    const { recorder, outputs } = await run({ kafka: "true" });
    assert.deepEqual(recorder.resources.map(({ urn }) => urn).sort(), urns([...FROZEN_URNS, ...KAFKA_URNS]));
    assert.equal(await valueOf(outputs["kafkaBrokers"]!), "kafka-1:9092,kafka-2:9092,kafka-3:9092");
    for (const name of ["app-0", "jobs-0", "consumer-0"]) {
      const { KAFKA_BROKERS, KAFKA_SASL_MECHANISM, KAFKA_SASL_USERNAME, KAFKA_SASL_PASSWORD_FILE } = envsOf(recorder, name);
      assert.deepEqual(
        [KAFKA_BROKERS, KAFKA_SASL_MECHANISM, KAFKA_SASL_USERNAME, KAFKA_SASL_PASSWORD_FILE],
        ["kafka-1:9092,kafka-2:9092,kafka-3:9092", "SCRAM-SHA-512", "app", "/run/secrets/kafka_password"],
      );
    }
    assert.equal(envsOf(recorder, "consumer-0")["ROLE"], "consumer");
    const uploads = recorder.get("app-secrets-writer").inputs["uploads"] as { file: string; content: string }[];
    assert.equal(uploads.find(({ file }) => file === "/run/secrets/kafka_password")?.content, canary("kafka-secrets-app-password"));
    for (const password of ["app", "broker"])
      for (const resource of recorder.resources)
        assert.ok(!resource.plain.includes(canary(`kafka-secrets-${password}-password`)), resource.name);
  });

  it("B5 without Kafka the app is told of none, and has no password for it", async () => {
    const { recorder } = await run({ kafkaRetentionHours: "24" });
    assert.ok(Object.keys(envsOf(recorder, "app-0")).every((name) => !name.startsWith("KAFKA_")));
    assert.ok(!JSON.stringify(recorder.get("secrets-writer").inputs["uploads"]).includes("kafka"));
  });

  it("B5 protected data are the brokers' volumes, the cluster's id and the passwords in them", async () => {
    const { recorder } = await run({ kafka: "true", protect: "true" });
    const kept = recorder.resources.filter(({ name, protect }) => name.startsWith("kafka-") && protect).map(({ name }) => name);
    const expected = ["kafka-1-data", "kafka-2-data", "kafka-3-data", "kafka-cluster-id"];
    assert.deepEqual(kept.sort(), [...expected, "kafka-secrets-app-password", "kafka-secrets-broker-password"]);
  });

  it("A13 B8 with monitoring it has Prometheus, Alertmanager, Grafana and exporters, published for the host alone; all else stays as it is", async () => {
    // Given sizes: what is planned gives way for it.
    const sizes = { postgresMemoryMb: "600", jobsMemoryMb: "400", redisCacheMb: "64", redisLimitsMb: "32" };
    const { recorder: without } = await run(sizes);
    const { recorder, outputs } = await run({ ...sizes, monitoring: "true", prometheusPort: "9190" });
    assert.deepEqual(recorder.resources.map(({ urn }) => urn).sort(), urns([...FROZEN_URNS, ...MONITORING_URNS]));
    assert.equal(await valueOf(outputs["prometheusUrl"]!), "http://127.0.0.1:9190");
    // The app gets the memory that is left; that is changed in place.
    for (const before of without.resources.filter(({ name }) => !/^app-\d$/.test(name)))
      assert.deepEqual(recorder.get(before.name).inputs, before.inputs, before.name);
    const ports = recorder.ofType(CONTAINER).flatMap(({ inputs }) => (inputs["ports"] ?? []) as { external: number; ip: string }[]);
    assert.deepEqual(ports.map(({ external, ip }) => `${ip}:${external}`).sort(), [
      "127.0.0.1:3000",
      "127.0.0.1:3001",
      "127.0.0.1:9093",
      "127.0.0.1:9190",
    ]);
    for (const resource of recorder.resources)
      assert.ok(!resource.plain.includes(canary("postgres-secrets-monitor")), `${resource.name} shows the password of monitor`);
    const uploads = recorder.get("exporters-secrets-writer").inputs["uploads"] as { file: string; content: string }[];
    assert.ok(uploads.every(({ content }) => content.includes(canary("postgres-secrets-monitor"))));
  });

  it("B15 the operator knows whether backups are wanted: only then it is a problem when nobody tells of any", async () => {
    const told = async (config: Record<string, string>): Promise<string | undefined> =>
      envsOf((await run(config)).recorder, "postgres-operator-container")["BACKUPS_WANTED"];
    assert.deepEqual([await told({}), await told({ backups: "false" })], ["true", "false"]);
  });

  it("F8 with backupUrl nothing is another resource; keys come as secrets, and the passphrase is an output", async () => {
    const frozen = (await run()).recorder.resources.map(({ urn }) => urn).sort();
    const keys = { backupS3Key: "AKIATEST", backupS3KeySecret: "hush-hush" };
    process.env["PULUMI_CONFIG_SECRET_KEYS"] = JSON.stringify(Object.keys(keys).map((key) => `phased-stack:${key}`));
    const { recorder, outputs } = await run({ backupUrl: "s3://backups/shop?region=eu-central-1", ...keys }).finally(() => {
      delete process.env["PULUMI_CONFIG_SECRET_KEYS"];
    });
    assert.deepEqual(recorder.resources.map(({ urn }) => urn).sort(), frozen);
    const passphrase = canary("postgres-secrets-backup-passphrase");
    assert.equal(await valueOf(outputs["backupPassphrase"]!), passphrase);
    const { uploads } = recorder.get("postgres-secrets-writer").inputs as { uploads: { file: string; content: string }[] };
    const file = uploads.find((upload) => upload.file === "/run/secrets/pgbackrest.conf");
    for (const secret of [...Object.values(keys), passphrase]) assert.ok(file?.content.includes(secret), "the nodes are given it");
    for (const resource of recorder.resources)
      for (const secret of ["hush-hush", passphrase]) assert.ok(!resource.plain.includes(secret), `${resource.name} shows it`);
  });

  it("B9 Grafana's address and the password of its admin are outputs; the password is a file, and in plain nowhere", async () => {
    const { recorder, outputs } = await run({ monitoring: "true", grafanaPort: "3100" });
    assert.equal(await valueOf(outputs["grafanaUrl"]!), "http://127.0.0.1:3100");
    const password = canary("grafana-secrets-admin-password");
    assert.equal(await valueOf(outputs["grafanaPassword"]!), password);
    assert.equal(envsOf(recorder, "grafana-container")["GF_SECURITY_ADMIN_PASSWORD__FILE"], "/run/secrets/admin_password");
    for (const resource of recorder.resources) assert.ok(!resource.plain.includes(password), resource.name);
  });

  it("B9 without an image of Grafana there is none, and nothing that pretends to be it; all else of the monitoring is there", async () => {
    const poor = await programRig(8192, false);
    try {
      const { recorder, outputs } = await poor.run({ phase: "database", monitoring: "true" });
      assert.deepEqual(
        recorder.names().filter((name) => name.includes("grafana")),
        [],
      );
      assert.deepEqual([await valueOf(outputs["grafanaUrl"]!), await valueOf(outputs["grafanaPassword"]!)], ["", ""]);
      assert.equal(await valueOf(outputs["prometheusUrl"]!), "http://127.0.0.1:9090");
      assert.ok(recorder.names().includes("prometheus-container"));
    } finally {
      await poor.close();
    }
  });

  /** With monitoring and addresses, as secrets. */
  const withAddresses = (given: Readonly<Record<string, string>>): ReturnType<typeof run> => {
    process.env["PULUMI_CONFIG_SECRET_KEYS"] = JSON.stringify(Object.keys(given).map((key) => `phased-stack:${key}`));
    return run({ monitoring: "true", ...given }).finally(() => {
      delete process.env["PULUMI_CONFIG_SECRET_KEYS"];
    });
  };

  it("B8 the addresses of webhook and heartbeat are files that Alertmanager alone sees, and are in plain nowhere", async () => {
    const webhook = "https://alerts.example.com/hooks/canary-of-the-webhook";
    const heartbeat = "https://heartbeats.example.com/canary-of-the-heartbeat";
    for (const [given, files] of [
      [{ alertWebhookUrl: webhook }, [["/run/secrets/webhook_url", webhook]]],
      [{ alertHeartbeatUrl: heartbeat }, [["/run/secrets/heartbeat_url", heartbeat]]],
      [
        { alertWebhookUrl: webhook, alertHeartbeatUrl: heartbeat },
        [
          ["/run/secrets/heartbeat_url", heartbeat],
          ["/run/secrets/webhook_url", webhook],
        ],
      ],
    ] as const) {
      const { recorder } = await withAddresses(given);
      const uploads = recorder.get("alertmanager-secrets-writer").inputs["uploads"] as { file: string; content: string }[];
      assert.deepEqual(
        uploads.map(({ file, content }) => [file, content]),
        files,
      );
      const names = recorder.names().filter((name) => name.startsWith("alertmanager-secrets"));
      assert.deepEqual(names.sort(), ["alertmanager-secrets", "alertmanager-secrets-volume", "alertmanager-secrets-writer"]);
      for (const resource of recorder.resources)
        for (const address of Object.values(given)) assert.ok(!resource.plain.includes(address), resource.name);
    }
  });

  it("B8 a preview says that nobody would notice, unless there is a heartbeat; without monitoring there is nothing to say", async () => {
    const info = mock.method(pulumi.log, "info", () => Promise.resolve());
    try {
      const said = (): boolean => {
        const lines = info.mock.calls.map(({ arguments: [line] }) => line);
        info.mock.resetCalls();
        return lines.some(
          (line = "") => line.startsWith("nobody notices when the whole host") && line.includes("set --secret alertHeartbeatUrl "),
        );
      };
      await run({ monitoring: "true" });
      assert.equal(said(), true);
      await withAddresses({ alertHeartbeatUrl: "https://heartbeats.example.com/TOKEN" });
      assert.equal(said(), false);
      await run({});
      assert.equal(said(), false);
    } finally {
      info.mock.restore();
    }
  });

  it("B8 a heartbeat changes no resource but Alertmanager's; without one its container is what it was", async () => {
    const webhook = { alertWebhookUrl: "https://alerts.example.com/hooks/TOKEN" };
    const { recorder: without } = await withAddresses(webhook);
    const { recorder } = await withAddresses({ ...webhook, alertHeartbeatUrl: "https://heartbeats.example.com/TOKEN" });
    assert.deepEqual(recorder.names().sort(), without.names().sort());
    const changed = without.resources.filter(({ name, inputs }) => !isDeepStrictEqual(recorder.get(name).inputs, inputs));
    assert.deepEqual(
      changed.map(({ name }) => name).filter((name) => !name.startsWith("alertmanager-")),
      [],
    );
    const container = (from: Recorder): { command: string[]; labels: { label: string }[] } =>
      from.get("alertmanager-container").inputs as { command: string[]; labels: { label: string }[] };
    const labelled = (from: Recorder): boolean => container(from).labels.some(({ label }) => label === LABELS.heartbeat);
    assert.deepEqual([container(without).command, labelled(without)], [["--web.external-url=http://127.0.0.1:9093"], false]);
    // By that the rules tell what was not handed over to whom, and status that there is one.
    assert.deepEqual([container(recorder).command.slice(1), labelled(recorder)], [["--enable-feature=receiver-name-in-metrics"], true]);
  });

  it("registers nothing when the plan does not fit", async () => {
    const { message, recorder } = await rig.refusal({ "phased-stack:phase": "database", "phased-stack:postgresMemoryMb": "16000" });
    assert.match(message, /^postgresMemoryMb is 16000 for each of 3 containers, .* Fix: pulumi config set postgresMemoryMb \d+$/);
    assert.deepEqual(recorder.names(), []);
    const cpus = await rig.refusal({ "phased-stack:phase": "database", "phased-stack:postgresCpus": "3" });
    assert.match(
      cpus.message,
      /postgresCpus is 3; allowed: at most 2, the CPUs of the Docker host\. Fix: pulumi config set postgresCpus 2/,
    );
    // What only phase database has does not keep phase cluster from coming up.
    await rig.run({ postgresCpus: "3", postgresMemoryMb: "16000" });
  });
});
