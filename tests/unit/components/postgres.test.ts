import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import * as pulumi from "@pulumi/pulumi";
import { Etcd, type EtcdArgs } from "../../../components/local/etcd";
import { patroniSharedConfig, Postgres, type PostgresArgs } from "../../../components/local/postgres";
import { PASSWORD_NAMES } from "../../../components/local/postgres/roles";
import { canary, isMarkedSecret, Recorder, type Registered, settled, valueOf } from "../../support/pulumi-mocks";

const CONTAINER = "docker:index/container:Container";

/** URNs of two nodes and one member. A URN is an identity: changing one here replaces the resource, and with it the data, on users' stacks. */
const FROZEN_URNS = [
  "Etcd$docker:index/container:Container::etcd-1",
  "Etcd$docker:index/volume:Volume::etcd-1-data",
  "Etcd$phased-stack:local:Image$docker:index/image:Image::etcd-image-build",
  "Etcd$phased-stack:local:Image::etcd-image",
  "Etcd::etcd",
  "Postgres$docker:index/container:Container::postgres-pg-1",
  "Postgres$docker:index/container:Container::postgres-pg-2",
  "Postgres$docker:index/volume:Volume::postgres-backups",
  "Postgres$docker:index/volume:Volume::postgres-pg-1-data",
  "Postgres$docker:index/volume:Volume::postgres-pg-2-data",
  "Postgres$phased-stack:local:Image$docker:index/image:Image::postgres-image-build",
  "Postgres$phased-stack:local:Image::postgres-image",
  "Postgres$phased-stack:local:SecretFiles$docker:index/container:Container::postgres-secrets-writer",
  "Postgres$phased-stack:local:SecretFiles$docker:index/volume:Volume::postgres-secrets-volume",
  ...["app", "backup-passphrase", "monitor", "owner", "patroni", "readonly", "replication", "rewind", "superuser"].map(
    (role) => `Postgres$phased-stack:local:SecretFiles$random:index/randomPassword:RandomPassword::postgres-secrets-${role}`,
  ),
  "Postgres$phased-stack:local:SecretFiles::postgres-secrets",
  "Postgres::postgres",
].map((rest) => `urn:pulumi:dev::phased-stack::phased-stack:local:${rest}`);

describe("components of the database", () => {
  let recorder: Recorder;
  let directory: string;
  beforeEach(async () => {
    recorder = await Recorder.install();
    directory = mkdtempSync(path.join(tmpdir(), "phased-database-"));
  });
  afterEach(() => rmSync(directory, { recursive: true, force: true }));

  const etcdArgs = (): EtcdArgs => ({
    members: 1,
    networkName: "net-1",
    protect: false,
    platform: "linux/amd64",
    contextDirectory: path.join(directory, "etcd"),
  });
  const postgresArgs = (): PostgresArgs => ({
    nodes: 3,
    memoryMb: 512,
    maxConnections: 60,
    durability: "available",
    protect: false,
    networkName: "net-1",
    platform: "linux/amd64",
    contextDirectory: path.join(directory, "postgres"),
    etcdHosts: ["etcd-1"],
  });
  const labelsOf = ({ inputs }: Registered): Record<string, string> =>
    Object.fromEntries((inputs["labels"] as { label: string; value: string }[]).map(({ label, value }) => [label, value]));
  /** Names of the containers that a container waits for. */
  const waitsFor = (name: string): string[] =>
    recorder
      .get(name)
      .dependencies.filter((urn) => urn.includes(CONTAINER) && !urn.includes("SecretFiles"))
      .map((urn) => urn.split("::").at(-1) ?? "");

  it("keep their URNs, and each child is named after its parent", async () => {
    new Etcd("etcd", etcdArgs());
    new Postgres("postgres", { ...postgresArgs(), nodes: 2 });
    await settled();
    assert.deepEqual(recorder.resources.map(({ urn }) => urn).sort(), [...FROZEN_URNS].sort());
    for (const { name, parent } of recorder.resources.filter((resource) => resource.parent !== ""))
      assert.ok(name.startsWith(`${parent.split("::").at(-1) ?? "?"}-`), `${name} is a child of ${parent}`);
  });

  describe("Postgres", () => {
    it("F2 nodes are created one after the other, each healthy before the next", async () => {
      const postgres = new Postgres("postgres", postgresArgs());
      await settled();
      assert.deepEqual(postgres.nodeNames, ["pg-1", "pg-2", "pg-3"]);
      assert.deepEqual(
        ["postgres-pg-1", "postgres-pg-2", "postgres-pg-3"].map((name) => waitsFor(name)),
        [[], ["postgres-pg-1"], ["postgres-pg-2"]],
      );
      const { dependencies } = recorder.get("postgres-pg-1");
      assert.ok(
        dependencies.some((urn) => urn.endsWith("::postgres-secrets-writer")),
        `no node starts before its passwords are there: ${dependencies.join(" ")}`,
      );
      for (const node of postgres.nodeNames) {
        const { inputs, deleteBeforeReplace } = recorder.get(`postgres-${node}`);
        assert.deepEqual([inputs["wait"], deleteBeforeReplace], [true, true], "two containers never share a volume");
        assert.deepEqual(inputs["networksAdvanced"], [{ name: "net-1", aliases: [node] }]);
        assert.equal(inputs["ports"], undefined, "nothing is reachable from outside");
        assert.deepEqual(inputs["volumes"], [
          { volumeName: `postgres-${node}-data-1a2b3c4`, containerPath: "/var/lib/postgresql/data" },
          { volumeName: "postgres-backups-1a2b3c4", containerPath: "/var/lib/pgbackrest" },
          { volumeName: "postgres-secrets-volume-1a2b3c4", containerPath: "/run/secrets", readOnly: true },
        ]);
        const labels = labelsOf(recorder.get(`postgres-${node}`));
        assert.deepEqual([labels["phased-stack.service"], labels["phased-stack.node"]], ["postgres", node]);
      }
      assert.deepEqual(
        postgres.nodes.containers.map((container) => container === postgres.nodes.containers[0]),
        [true, false, false],
      );
      assert.deepEqual(await Promise.all(postgres.nodes.containers.map((container) => valueOf(container.name))), [
        "postgres-pg-1-1a2b3c4",
        "postgres-pg-2-1a2b3c4",
        "postgres-pg-3-1a2b3c4",
      ]);
    });

    for (const [primary, order] of Object.entries({
      "pg-1": ["postgres-pg-2", "postgres-pg-3", "postgres-pg-1"],
      "pg-2": ["postgres-pg-1", "postgres-pg-3", "postgres-pg-2"],
      "pg-3": ["postgres-pg-1", "postgres-pg-2", "postgres-pg-3"],
      // A node that is no longer wanted: Pulumi deletes it at the end.
      "pg-4": ["postgres-pg-1", "postgres-pg-2", "postgres-pg-3"],
    })) {
      it(`F2 ${primary} is primary: it is replaced last, and nothing else is another resource`, async () => {
        new Postgres("postgres", postgresArgs());
        await settled();
        const before = Object.fromEntries(recorder.resources.map(({ urn, inputs }) => [urn, inputs]));
        recorder = await Recorder.install();
        new Postgres("postgres", { ...postgresArgs(), primary });
        await settled();
        assert.deepEqual(
          order.map((name) => waitsFor(name)),
          [[], ...order.slice(0, -1).map((name) => [name])],
        );
        assert.deepEqual(Object.fromEntries(recorder.resources.map(({ urn, inputs }) => [urn, inputs])), before);
      });
    }

    it("containers wait for etcd, data do not: what is protected keeps everything it depends on, its parents' too, from being destroyed", async () => {
      const etcd = new Etcd("etcd", etcdArgs());
      new Postgres("postgres", postgresArgs(), { dependsOn: [etcd] });
      await settled();
      assert.ok(recorder.get("postgres-pg-1").dependencies.some((urn) => urn.endsWith("::etcd-1")));
      for (const name of ["postgres", "postgres-pg-1-data"]) assert.deepEqual(recorder.get(name).dependencies, [], name);
    });

    it("F2 its nodes wait for what it waits for, and go before that when the stack is destroyed", async () => {
      const etcd = new Etcd("etcd", etcdArgs());
      new Postgres("postgres", postgresArgs(), { dependsOn: etcd });
      await settled();
      assert.deepEqual(waitsFor("postgres-pg-1"), ["etcd-1"]);
    });

    it("a secret is in no environment, label or image, and only in what is marked as one", async () => {
      const postgres = new Postgres("postgres", postgresArgs());
      await settled();
      const generated = recorder.ofType("random:index/randomPassword:RandomPassword").map(({ name }) => name);
      // What no repository needs is no file.
      const passwords = generated.filter((name) => name !== "postgres-secrets-backup-passphrase").map(canary);
      assert.deepEqual([passwords.length, generated.length], [8, 9]);
      for (const resource of recorder.resources) {
        for (const password of passwords) assert.ok(!resource.plain.includes(password), `${resource.name} shows a password`);
      }
      for (const password of passwords) assert.ok(recorder.get("postgres-secrets-writer").secrets.includes(password));
      assert.deepEqual(Object.keys(postgres.passwords).sort(), ["app", "monitor", "owner", "patroni", "readonly", "superuser"]);
      for (const [role, password] of Object.entries(postgres.passwords)) {
        assert.equal(await valueOf(password), canary(`postgres-secrets-${role}`));
        assert.equal(await isMarkedSecret(password), true);
      }
      const environment = recorder.get("postgres-pg-2").inputs["envs"] as string[];
      assert.ok(environment.includes("OWNER_PASSWORD_FILE=/run/secrets/owner"));
      assert.ok(environment.includes("PATRONI_NAME=pg-2"));
      assert.ok(environment.includes("PATRONI_POSTGRESQL_CONNECT_ADDRESS=pg-2:5432"));
    });

    describe("with backups in an object storage", () => {
      const repository = {
        ...{ bucket: "b", path: "/shop", endpoint: "s3.example.com:9000", region: "us-east-1", uriStyle: "path" as const },
        certificates: "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n",
      };
      const repositoryKeys = { key: "AKIATEST", keySecret: pulumi.secret("hush-hush") };

      it("F8 its keys and the passphrase are one file more, in plain nowhere, and the passphrase can be shown", async () => {
        const postgres = new Postgres("postgres", { ...postgresArgs(), repository, repositoryKeys });
        await settled();
        const passphrase = canary("postgres-secrets-backup-passphrase");
        const { uploads } = recorder.get("postgres-secrets-writer").inputs as { uploads: { file: string; content: string }[] };
        const files = new Map(uploads.map(({ file, content }) => [file, content]));
        assert.equal(
          files.get("/run/secrets/pgbackrest.conf"),
          `[global]\nrepo1-s3-key=AKIATEST\nrepo1-s3-key-secret=hush-hush\nrepo1-cipher-pass=${passphrase}\n`,
        );
        assert.equal(files.size, PASSWORD_NAMES.length + 1);
        for (const resource of recorder.resources)
          for (const secret of ["hush-hush", passphrase]) assert.ok(!resource.plain.includes(secret), `${resource.name} shows ${secret}`);
        const shown = postgres.backupPassphrase ?? assert.fail("there is none");
        assert.deepEqual([await valueOf(shown), await isMarkedSecret(shown)], [passphrase, true]);
      });

      it("F8 every resource of before is the same one: the volume stays, and the passphrase too when it goes back", async () => {
        new Postgres("postgres", { ...postgresArgs(), nodes: 2, repository, repositoryKeys });
        new Etcd("etcd", etcdArgs());
        await settled();
        assert.deepEqual(recorder.resources.map(({ urn }) => urn).sort(), [...FROZEN_URNS].sort());
      });

      it("F8 a passphrase that is given is the one that is used", async () => {
        const given = { ...repositoryKeys, passphrase: pulumi.secret("of-another-host") };
        const postgres = new Postgres("postgres", { ...postgresArgs(), repository, repositoryKeys: given });
        await settled();
        const { uploads } = recorder.get("postgres-secrets-writer").inputs as { uploads: { content: string }[] };
        assert.ok(uploads.some(({ content }) => content.endsWith("repo1-cipher-pass=of-another-host\n")));
        assert.equal(await valueOf(postgres.backupPassphrase!), "of-another-host");
      });

      it("refuses a place without keys, and keys without a place", () => {
        for (const half of [{ repository }, { repositoryKeys }])
          assert.throws(
            () => new Postgres("half", { ...postgresArgs(), ...half }),
            /give both of repository and repositoryKeys, or neither$/,
          );
      });
    });

    it("a node has time to hand over and to stop, and writes to nothing but its volume and memory", async () => {
      new Postgres("postgres", { ...postgresArgs(), memoryMb: 2048, cpus: 1 });
      await settled();
      const { inputs } = recorder.get("postgres-pg-1");
      const handOver = /^readonly HAND_OVER_SECONDS=(\d+)$/m.exec(
        readFileSync(path.resolve(__dirname, "../../../components/local/postgres/entrypoint.sh"), "utf8"),
      )?.[1];
      const { primary_stop_timeout: ownStop } = patroniSharedConfig(postgresArgs());
      assert.ok(Number(handOver) > 0);
      assert.equal(inputs["stopTimeout"], inputs["destroyGraceSeconds"]);
      assert.ok(Number(inputs["stopTimeout"]) > Number(handOver) + ownStop + 5, "and a margin");
      assert.equal(inputs["stopSignal"], "SIGTERM");
      assert.deepEqual([inputs["memory"], inputs["memorySwap"], inputs["cpus"], inputs["shmSize"]], [2048, 2048, "1.0", 512]);
      assert.equal(inputs["readOnly"], true);
      assert.deepEqual(inputs["capabilities"], { drops: ["ALL"] });
      assert.deepEqual(Object.keys(inputs["tmpfs"] as object).sort(), ["/tmp", "/var/run/postgresql"]);
    });

    it("its settings are part of its image: any change of them is another tag, and nothing else is", async () => {
      const version = (name: string, change: Partial<PostgresArgs>): string => {
        const contextDirectory = path.join(directory, name);
        return new Postgres(name, { ...postgresArgs(), contextDirectory, ...change }).nodes.image.version;
      };
      const base = version("a", {});
      assert.equal(version("b", { nodes: 5, protect: true, primary: "pg-2", cpus: 1 }), base);
      const backups = { everyHours: 6, fullEveryDays: 7, keepDays: 2 };
      const repository = { bucket: "b", path: "/", endpoint: "e", region: "r", uriStyle: "host" as const };
      const [repositoryKeys, other] = [
        { key: "k", keySecret: "s" },
        { key: "l", keySecret: "t", passphrase: "u" },
      ];
      const stored = version("s", { repository, repositoryKeys });
      assert.equal(version("t", { repository, repositoryKeys: other }), stored, "a new key is no new image");
      const changes: Partial<PostgresArgs>[] = [
        ...[{ repository, repositoryKeys }],
        ...[{ maxConnections: 61 }, { memoryMb: 513 }, { durability: "strict" as const }, { etcdHosts: ["x"] }],
        ...[{ backups }, { backups: { ...backups, everyHours: 7 } }, { backups: { ...backups, keepDays: 3 } }],
      ];
      for (const [index, change] of changes.entries()) assert.notEqual(version(`c${index}`, change), base, JSON.stringify(change));
      await settled();
    });

    it("F8 keeps the data and their backups when it is protected, and no relabelling replaces a volume", async () => {
      new Postgres("postgres", { ...postgresArgs(), protect: true });
      await settled();
      for (const volume of ["pg-1-data", "pg-2-data", "pg-3-data", "backups"]) {
        const { protect, retainOnDelete, ignoreChanges } = recorder.get(`postgres-${volume}`);
        assert.deepEqual([protect, retainOnDelete, ignoreChanges], [true, true, ["labels"]]);
      }
      assert.equal(recorder.get("postgres-secrets-volume").protect, false);
      // They are in the data: whoever has other ones cannot log in to what was kept.
      for (const name of PASSWORD_NAMES) assert.equal(recorder.get(`postgres-secrets-${name}`).protect, true, name);
    });

    it("refuses in one sentence what it cannot run", () => {
      for (const nodes of [0, 1, 6, 2.5, Number.NaN]) {
        assert.throws(
          () => new Postgres(`pg${nodes}`, { ...postgresArgs(), nodes }),
          new RegExp(`nodes is ${nodes}; allowed: an integer from 2 to 5$`),
        );
      }
      assert.throws(() => new Postgres("small", { ...postgresArgs(), memoryMb: 100 }), /100 MiB are too little/);
    });

    it("lets the user change the children", async () => {
      new Postgres("postgres", {
        ...postgresArgs(),
        transform: { container: { workingDir: "/srv" }, volume: { driver: "local" }, image: (args) => (args.skipPush = false) },
      });
      await settled();
      assert.deepEqual(
        [recorder.get("postgres-pg-3").inputs["workingDir"], recorder.get("postgres-pg-3").inputs["readOnly"]],
        ["/srv", true],
      );
      assert.equal(recorder.get("postgres-pg-3-data").inputs["driver"], "local");
      assert.equal(recorder.get("postgres-image-build").inputs["skipPush"], false);
    });
  });

  describe("Etcd", () => {
    it("F2 three members know each other, and are started one after the other", async () => {
      const etcd = new Etcd("etcd", { ...etcdArgs(), members: 3 });
      await settled();
      assert.deepEqual(etcd.hosts, ["etcd-1", "etcd-2", "etcd-3"]);
      assert.deepEqual(
        ["etcd-1", "etcd-2", "etcd-3"].map((name) => waitsFor(name)),
        [[], ["etcd-1"], ["etcd-2"]],
      );
      for (const host of etcd.hosts) {
        const { inputs, deleteBeforeReplace } = recorder.get(host);
        assert.deepEqual([inputs["wait"], deleteBeforeReplace, inputs["ports"]], [true, true, undefined]);
        const command = inputs["command"] as string[];
        assert.ok(command.includes(`--name=${host}`));
        assert.ok(command.includes("--initial-cluster-token=dev"), "members of two stacks refuse each other");
        assert.deepEqual(inputs["volumes"], [{ volumeName: `${host}-data-1a2b3c4`, containerPath: "/var/lib/etcd" }]);
        assert.deepEqual(inputs["networksAdvanced"], [{ name: "net-1", aliases: [host] }]);
        const labels = labelsOf(recorder.get(host));
        assert.deepEqual([labels["phased-stack.service"], labels["phased-stack.node"]], ["etcd", host]);
      }
    });

    it("keeps who is primary when it is protected", async () => {
      new Etcd("etcd", { ...etcdArgs(), protect: true, memoryMb: 200 });
      await settled();
      const { protect, retainOnDelete, ignoreChanges } = recorder.get("etcd-1-data");
      assert.deepEqual([protect, retainOnDelete, ignoreChanges], [true, true, ["labels"]]);
      assert.equal(recorder.get("etcd-1").inputs["memory"], 200);
    });

    it("refuses two members, which survive no more than one", () => {
      assert.throws(() => new Etcd("etcd", { ...etcdArgs(), members: 2 as 1 }), /members is 2; allowed: 1 or 3$/);
    });
  });
});
