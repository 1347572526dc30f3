import assert from "node:assert/strict";
import { mock } from "node:test";
import * as pulumi from "@pulumi/pulumi";
import { LABELS } from "../../../toolchain/lib/docker";
import { OUTPUT_KEYS } from "../../support/output-keys";
import { canary, isMarkedSecret, type Recorder, type Registered, valueOf } from "../../support/pulumi-mocks";
import { databaseProgram, envsOf, filesOf } from "./database-support";
import { CONTAINER, FROZEN_URNS, IMAGE, PASSWORD, POSTGRES_PASSWORDS, urns, VOLUME } from "./database-urns";
import { programRig } from "./support";

describe("phase database", function () {
  this.timeout(60_000);
  const program = databaseProgram();

  it("A1 tells where its services are, in the keys every phase has; the database's password is secret", async () => {
    const { outputs } = await program.run();
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
        await program.run(config);
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
    const { recorder } = await program.run({ workerHeapMb: "200", kafka: "true" });
    const heapOf = (name: string): string | undefined => envsOf(recorder, name)["WORKER_HEAP_MB"];
    assert.deepEqual([heapOf("app-0"), heapOf("app-2"), heapOf("jobs-0"), heapOf("consumer-0")], ["200", "200", undefined, undefined]);
  });

  it("keeps its URNs", async () => {
    const { recorder } = await program.run();
    assert.deepEqual(recorder.resources.map(({ urn }) => urn).sort(), urns(FROZEN_URNS));
  });

  it("labels the app's containers where the image is one's own, and no others: a label more would replace all that there are", async () => {
    const labelled = async (config: Readonly<Record<string, string>>): Promise<string[]> =>
      (await program.rig.run(config)).recorder
        .ofType(CONTAINER)
        .filter(({ inputs }) => (inputs["labels"] as { label: string }[]).some(({ label }) => label === LABELS.ownImage))
        .map(({ name }) => name)
        .sort();
    const own = { image: "registry.example.com/team/app:1" };
    assert.deepEqual(await labelled({ phase: "database", kafka: "true", ...own }), ["app-0", "app-1", "app-2", "consumer-0", "jobs-0"]);
    assert.deepEqual(await labelled(own), ["app-0"]);
    assert.deepEqual(await labelled({ phase: "database" }), []);
  });

  it("every child has a parent and a name that starts with the parent's", async () => {
    const { recorder } = await program.run();
    const top = recorder.resources.filter((resource) => resource.type.startsWith("phased-stack:") && resource.parent === "");
    for (const child of recorder.resources.filter((resource) => !top.includes(resource))) {
      const parentName = child.parent.split("::").at(-1) ?? "";
      assert.ok(parentName !== "" && child.name.startsWith(`${parentName}-`), `${child.name} is a child of "${parentName}"`);
    }
  });

  it("no secret is in plain anywhere, and no physical name is fixed, so stacks live side by side", async () => {
    const { recorder } = await program.run();
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
    const { recorder } = await program.run();
    const published = recorder.ofType(CONTAINER).filter(({ inputs }) => inputs["ports"] !== undefined);
    assert.deepEqual(
      published.map(({ name }) => name),
      ["load-balancer-haproxy"],
    );
  });

  it("every Docker object has the labels of its project and stack", async () => {
    const { recorder } = await program.run({}, "staging");
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
      const data = (await program.run({}, stack)).recorder.resources.filter(isData);
      assert.equal(data.length, 7, "documents, three of Postgres, etcd's, two of Redis");
      for (const { name, protect, retainOnDelete } of data)
        assert.deepEqual([protect, retainOnDelete], [wanted, wanted], `${stack}: ${name}`);
    }
  });

  it("E8 the app is told of PgBouncer, of a database for each node, and of both Redis servers, by files where it is secret", async () => {
    const { recorder } = await program.run();
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
    const { recorder } = await program.run({ kafka: "true" });
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
      ((await program.run()).recorder.get("migrate-run").inputs["labels"] as { label: string; value: string }[]).find(
        ({ label }) => label === "phased-stack.attempt",
      )?.value;
    const container = (Status: string) => [{ Labels: { "phased-stack.attempt": "4" }, Status, Created: 100 }];
    try {
      assert.equal(await attempt(), "1");
      program.rig.containers = { migrate: container("Exited (0) 2 hours ago") };
      assert.equal(await attempt(), "4");
      program.rig.containers = { migrate: container("Exited (1) 2 hours ago") };
      assert.equal(await attempt(), "5");
    } finally {
      program.rig.containers = {};
    }
  });

  it("A14 an image of one's own makes its tables by itself, with the owner's address among its files", async () => {
    const { recorder } = await program.run({ image: "registry.example.com/team/app:1" });
    for (const name of ["migrate", "owner-secrets", "app-secrets"]) assert.ok(!recorder.names().includes(name), name);
    const { MIGRATIONS: migrations, DATABASE_DIRECT_URL_FILE: file = "" } = envsOf(recorder, "app-0");
    assert.equal(migrations, undefined);
    const direct = `postgres://owner:${canary("postgres-secrets-owner")}@postgres-proxy:5000/app`;
    assert.equal(filesOf(recorder, "secrets")[file], direct);
  });

  it("F3 what is stateful goes one after the other, the app waits for it, and nobody is deleted because of somebody else", async () => {
    const { recorder } = await program.run();
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
    const [three, five] = [(await program.run()).recorder, (await program.run({ appInstances: "5" })).recorder];
    assert.deepEqual(
      five.names().filter((name) => !three.names().includes(name)),
      ["app-3", "app-4"],
    );
    for (const before of three.resources.filter(({ name }) => !/^(app|jobs)-\d$/.test(name))) {
      assert.deepEqual(five.get(before.name).inputs, before.inputs, before.name);
    }
  });

  it("the same sources give the same registrations: a second up has nothing to do", async () => {
    const [first, second] = [(await program.run()).recorder, (await program.run()).recorder];
    const inputsOf = (recorder: Recorder) => Object.fromEntries(recorder.resources.map(({ urn, inputs }) => [urn, inputs]));
    assert.deepEqual(inputsOf(second), inputsOf(first));
  });

  it("a change of what Postgres has is a change of its nodes only", async () => {
    const [before, after] = [(await program.run()).recorder, (await program.run({ postgresMemoryMb: "900" })).recorder];
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

  it("B15 the operator knows whether backups are wanted: only then it is a problem when nobody tells of any", async () => {
    const told = async (config: Record<string, string>): Promise<string | undefined> =>
      envsOf((await program.run(config)).recorder, "postgres-operator-container")["BACKUPS_WANTED"];
    assert.deepEqual([await told({}), await told({ backups: "false" })], ["true", "false"]);
  });

  it("F8 with backupUrl nothing is another resource; keys come as secrets, and the passphrase is an output", async () => {
    const frozen = (await program.run()).recorder.resources.map(({ urn }) => urn).sort();
    const keys = { backupS3Key: "AKIATEST", backupS3KeySecret: "hush-hush" };
    process.env["PULUMI_CONFIG_SECRET_KEYS"] = JSON.stringify(Object.keys(keys).map((key) => `phased-stack:${key}`));
    const { recorder, outputs } = await program.run({ backupUrl: "s3://backups/shop?region=eu-central-1", ...keys }).finally(() => {
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

  it("registers nothing when the plan does not fit", async () => {
    const { message, recorder } = await program.rig.refusal({ "phased-stack:phase": "database", "phased-stack:postgresMemoryMb": "16000" });
    assert.match(message, /^postgresMemoryMb is 16000 for each of 3 containers, .* Fix: pulumi config set postgresMemoryMb \d+$/);
    assert.deepEqual(recorder.names(), []);
    const cpus = await program.rig.refusal({ "phased-stack:phase": "database", "phased-stack:postgresCpus": "3" });
    assert.match(
      cpus.message,
      /postgresCpus is 3; allowed: at most 2, the CPUs of the Docker host\. Fix: pulumi config set postgresCpus 2/,
    );
    // What only phase database has does not keep phase cluster from coming up.
    await program.rig.run({ postgresCpus: "3", postgresMemoryMb: "16000" });
  });
});
