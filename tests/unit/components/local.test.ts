import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { DRAIN_DELAY_SECONDS, SHUTDOWN_TIMEOUT_SECONDS } from "../../../components/contract";
import { App, type AppArgs, STOP_SECONDS } from "../../../components/local/app";
import { appEnvironment, CONTRACT_VARIABLES } from "../../../components/local/app/environment";
import { Image } from "../../../components/local/image";
import { LoadBalancer, type LoadBalancerArgs } from "../../../components/local/load-balancer";
import { Network } from "../../../components/local/network";
import { SecretFiles } from "../../../components/local/secret-files";
import { Sqlite } from "../../../components/local/sqlite";
import { canary, isMarkedSecret, Recorder, settled, valueOf } from "../../support/pulumi-mocks";

const services = {
  database: { kind: "sqlite", path: "/data/app.db" },
  sessionSecret: { path: "/run/secrets/session_secret" },
  adminToken: { path: "/run/secrets/admin_token" },
} satisfies AppArgs["services"];

const appArgs: AppArgs = {
  image: "localhost/test/app:1",
  instances: 2,
  memoryMb: 512,
  networkName: "net-1",
  services,
  settings: { appName: "test", version: "1" },
  mounts: [
    { volumeName: "data-1", containerPath: "/data" },
    { volumeName: "secrets-1", containerPath: "/run/secrets", readOnly: true },
  ],
  secretsRevision: "revision-1",
};

describe("local components", () => {
  let recorder: Recorder;
  let directory: string;

  beforeEach(async () => {
    recorder = await Recorder.install();
    directory = mkdtempSync(path.join(tmpdir(), "phased-component-"));
  });

  afterEach(() => rmSync(directory, { recursive: true, force: true }));

  describe("Network", () => {
    it("is a bridge of the stack's own", async () => {
      const network = new Network("net");
      assert.equal(await valueOf(network.networkName), "net-bridge-1a2b3c4");
      assert.equal(recorder.get("net-bridge").inputs["driver"], "bridge");
      assert.equal(await valueOf(network.nodes.network.name), "net-bridge-1a2b3c4");
    });

    it("lets the user change the child", async () => {
      new Network("net", { transform: { network: (args) => (args.internal = true) } });
      await settled();
      assert.equal(recorder.get("net-bridge").inputs["internal"], true);
    });
  });

  describe("Sqlite", () => {
    it("is a volume that no relabelling replaces", async () => {
      const database = new Sqlite("db", { protect: false });
      await settled();
      assert.deepEqual(database.connection, { kind: "sqlite", path: "/data/app.db" });
      assert.deepEqual(recorder.get("db-data").ignoreChanges, ["labels"]);
    });

    it("keeps the data when it is protected", async () => {
      new Sqlite("db", { protect: true });
      await settled();
      const { protect, retainOnDelete } = recorder.get("db-data");
      assert.deepEqual([protect, retainOnDelete], [true, true]);
    });
  });

  describe("SecretFiles", () => {
    it("writes generated secrets into a volume by a container that never starts", async () => {
      const secrets = new SecretFiles("sec", { generate: ["session_secret", "admin_token"], image: "any:1" });
      await settled();
      assert.equal(secrets.files.admin_token.path, "/run/secrets/admin_token");
      assert.equal(await valueOf(secrets.values.admin_token), canary("sec-admin-token"));
      assert.equal(await isMarkedSecret(secrets.values.admin_token), true);
      const writer = recorder.get("sec-writer");
      assert.deepEqual([writer.inputs["start"], writer.inputs["mustRun"], writer.inputs["networkMode"]], [false, false, "none"]);
      assert.deepEqual(writer.inputs["uploads"], [
        { file: "/run/secrets/admin_token", content: canary("sec-admin-token"), permissions: "0444" },
        { file: "/run/secrets/session_secret", content: canary("sec-session-secret"), permissions: "0444" },
      ]);
      assert.deepEqual(writer.inputs["volumes"], [{ volumeName: "sec-volume-1a2b3c4", containerPath: "/run/secrets" }]);
      assert.ok(!writer.plain.includes("canary"), "a secret is in plain");
      assert.ok(writer.secrets.includes(canary("sec-session-secret")));
    });

    it("a new app image makes no new files, and new files never delete the app first", async () => {
      new SecretFiles("sec", { generate: ["a"], image: "any:1" });
      await settled();
      assert.deepEqual(recorder.get("sec-writer").ignoreChanges, ["image"]);
      assert.equal(recorder.get("sec-writer").deleteBeforeReplace, false);
    });

    it("tells a change of content by its revision, which says nothing about the content", async () => {
      const secrets = new SecretFiles("sec", { generate: ["a"], image: "any:1" });
      assert.equal(await valueOf(secrets.revision), "sec-writer-id");
      assert.equal(await isMarkedSecret(secrets.revision), false);
    });

    it("refuses names that would lead out of the directory", () => {
      for (const name of ["../x", "a/b", "", "A", ".x"]) {
        assert.throws(() => new SecretFiles(`sec-${name}`, { generate: [name], image: "any:1" }), /not usable as file names/);
      }
    });
  });

  describe("Image", () => {
    const files = [{ path: "Dockerfile", content: Buffer.from("FROM scratch\n"), executable: false }];

    it("is built under a tag of its content, stays on the host, and is never pushed", async () => {
      const source = { repository: "app", files, contextDirectory: path.join(directory, "c"), platform: "linux/arm64" };
      const image = new Image("img", { source });
      const other = new Image("img2", {
        source: { ...source, files: [...files, { path: "x", content: Buffer.from("x"), executable: false }] },
      });
      await settled();
      const { inputs, retainOnDelete } = recorder.get("img-build");
      assert.equal(inputs["imageName"], `localhost/phased-stack/app:${image.version}`);
      assert.deepEqual([inputs["skipPush"], retainOnDelete], [true, true]);
      assert.equal((inputs["build"] as Record<string, unknown>)["platform"], "linux/arm64");
      assert.notEqual(other.version, image.version);
      assert.equal(await valueOf(image.reference), inputs["imageName"]);
    });

    it("B15 has the same tag as ever without imagesOf, and another with each word; what is built has it after FROM", async () => {
      const make = (name: string, imagesOf?: string): Image =>
        new Image(name, {
          source: { repository: "app", files, contextDirectory: path.join(directory, name), platform: "linux/amd64", imagesOf },
        });
      const [unset, october, november] = [make("unset"), make("october", "2026-10"), make("november", "2026-11")];
      await settled();
      // A tag on users' hosts: another one here is an update of every container they have.
      assert.equal(unset.version, "29a6526986bef4cd");
      assert.equal(new Set([unset.version, october.version, november.version]).size, 3);
      assert.equal(readFileSync(path.join(directory, "unset/Dockerfile"), "utf8"), "FROM scratch\n");
      assert.equal(readFileSync(path.join(directory, "november/Dockerfile"), "utf8"), "FROM scratch\nARG IMAGES_OF=2026-11\n");
      assert.equal(recorder.get("november-build").inputs["imageName"], `localhost/phased-stack/app:${november.version}`);
    });

    it("needs a Dockerfile", () => {
      const source = { repository: "app", files: [], contextDirectory: path.join(directory, "c"), platform: "linux/amd64" };
      assert.throws(() => new Image("img", { source }), /no Dockerfile/);
    });

    it("may be an existing one, which is kept when the stack goes", async () => {
      const image = new Image("img", { source: { reference: "team/app:2.0" } });
      assert.equal(await valueOf(image.reference), "team/app:2.0");
      assert.equal(image.version, "2.0");
      assert.deepEqual(recorder.get("img-remote").inputs, { name: "team/app:2.0", keepLocally: true });
    });
  });

  describe("App", () => {
    it("runs equal instances with least privilege that publish no port and replace without a gap", async () => {
      const app = new App("app", { ...appArgs, cpus: 1.5 });
      assert.deepEqual(await valueOf(app.containerNames), ["app-0-1a2b3c4", "app-1-1a2b3c4"]);
      const [first, second] = recorder.ofType("docker:index/container:Container");
      assert.deepEqual(second?.inputs, first?.inputs);
      const inputs = first!.inputs;
      assert.equal(first!.deleteBeforeReplace, false);
      assert.equal(inputs["ports"], undefined);
      assert.equal(inputs["wait"], true);
      assert.deepEqual([inputs["memory"], inputs["memorySwap"], inputs["cpus"]], [512, 512, "1.5"]);
      assert.equal(inputs["readOnly"], true);
      assert.deepEqual(inputs["capabilities"], { drops: ["ALL"] });
      assert.deepEqual(inputs["securityOpts"], ["no-new-privileges:true"]);
      assert.deepEqual(inputs["networksAdvanced"], [{ name: "net-1", aliases: ["app", "app-spare"] }]);
      assert.deepEqual(inputs["volumes"], [
        { volumeName: "data-1", containerPath: "/data" },
        { volumeName: "secrets-1", containerPath: "/run/secrets", readOnly: true },
      ]);
      assert.ok((inputs["labels"] as object[]).some((label) => JSON.stringify(label).includes("revision-1")));
    });

    it("C7 gives a container more time to stop than the app takes to drain", async () => {
      new App("app", appArgs);
      await settled();
      const { stopTimeout, destroyGraceSeconds } = recorder.get("app-0").inputs as Record<string, number>;
      assert.deepEqual([stopTimeout, destroyGraceSeconds], [STOP_SECONDS, STOP_SECONDS]);
      assert.ok(STOP_SECONDS > DRAIN_DELAY_SECONDS + SHUTDOWN_TIMEOUT_SECONDS);
    });

    it("B14 refuses numbers of instances it cannot run", () => {
      for (const instances of [0, -1, 1.5, 51, Number.NaN]) {
        assert.throws(() => new App(`app-${instances}`, { ...appArgs, instances }), /allowed: an integer from 1 to 50/);
      }
    });

    it("lets the user change the containers", async () => {
      new App("app", { ...appArgs, instances: 1, transform: { container: { workingDir: "/srv" } } });
      await settled();
      assert.equal(recorder.get("app-0").inputs["workingDir"], "/srv");
      assert.equal(recorder.get("app-0").inputs["readOnly"], true);
    });
  });

  describe("LoadBalancer", () => {
    const args = (): LoadBalancerArgs => ({
      port: 4001,
      publishAddress: "0.0.0.0",
      publicHost: "box",
      networkName: "net-1",
      upstream: "app",
      apiLimit: { requestsPerSecond: 100, burst: 100 },
      chatLimit: { requestsPerSecond: 50, burst: 50 },
      maxBodyMb: 10,
      operatorToken: "canary-token",
      platform: "linux/amd64",
      contextDirectory: path.join(directory, "lb"),
    });

    it("owns the port, and is therefore deleted before it is replaced", async () => {
      const balancer = new LoadBalancer("lb", args());
      assert.equal(await valueOf(balancer.url), "http://box:4001");
      const { inputs, deleteBeforeReplace } = recorder.get("lb-haproxy");
      assert.equal(deleteBeforeReplace, true);
      assert.deepEqual(inputs["ports"], [{ internal: 8080, external: 4001, ip: "0.0.0.0" }]);
      assert.equal(inputs["readOnly"], true);
      assert.equal(inputs["image"], recorder.get("lb-image-build").inputs["imageName"]);
    });

    it("A4 the operator's token comes by a file in a volume, and is plain nowhere", async () => {
      new LoadBalancer("operated", args());
      await settled();
      const { volumes } = recorder.get("operated-haproxy").inputs as { volumes: Record<string, unknown>[] };
      assert.deepEqual(
        volumes.map(({ containerPath, readOnly }) => ({ containerPath, readOnly })),
        [{ containerPath: "/run/secrets", readOnly: true }],
      );
      const { inputs, secrets } = recorder.get("operated-secrets-writer");
      const [upload] = inputs["uploads"] as { file: string }[];
      assert.equal(upload?.file, "/run/secrets/operator_token");
      assert.ok(secrets.includes("canary-token"));
      assert.ok(recorder.resources.every(({ plain }) => !plain.includes("canary-token")));
    });

    it("A12 holds a connection for each of 5,000 users and half as many again, with the descriptors and the memory that HAProxy reckons with", async () => {
      new LoadBalancer("sized", { ...args(), tls: { kind: "generated" }, redirectPort: 4080 });
      await settled();
      const config = readFileSync(path.join(directory, "lb/haproxy.cfg"), "utf8");
      const maxConnections = Number(/^ +maxconn (\d+)$/m.exec(config)?.[1]);
      assert.ok(maxConnections >= 1.5 * 5000, `${maxConnections} connections`);
      // compute_ideal_maxsock(): ten at least, three for each thread, one for every listener and every server that is checked, and its resolver's.
      const threads = Number(/thread-hard-limit (\d+)/.exec(config)?.[1]);
      const checked = Number(/server-template app 1-(\d+) .* check /.exec(config)?.[1]);
      const listeners = config.match(/^ +bind /gm)?.length ?? 0;
      const needed = 2 * maxConnections + 10 + 3 * threads + checked + listeners + 2;
      const { memory, ulimits } = recorder.get("sized-haproxy").inputs as { memory: number; ulimits: { soft: number }[] };
      assert.ok(needed <= (ulimits[0]?.soft ?? 0), `${needed} descriptors`);
      // With `-m 1024` it allows itself 29,000.
      assert.ok(memory >= 48 + (maxConnections * 1024) / 29_000, `${memory} MiB`);
    });

    it("writes addresses of IPv6 as URLs need them", async () => {
      assert.equal(await valueOf(new LoadBalancer("lb", { ...args(), publicHost: "::1" }).url), "http://[::1]:4001");
    });

    it("B1 own certificate: a secret in a volume; another one changes neither the image nor the container", async () => {
      const balancer = (name: string, pem: string): LoadBalancer =>
        new LoadBalancer(name, { ...args(), contextDirectory: path.join(directory, name), tls: { kind: "own", pem } });
      const [one, other] = [balancer("tls-a", "canary-key-1"), balancer("tls-b", "canary-key-2")];
      assert.equal(await valueOf(one.url), "https://box:4001");
      assert.equal(one.nodes.image.version, other.nodes.image.version);
      await settled();
      const { inputs, dependencies } = recorder.get("tls-a-haproxy");
      assert.deepEqual(inputs["ports"], [{ internal: 8443, external: 4001, ip: "0.0.0.0" }]);
      assert.deepEqual(inputs["command"], ["watch", "/run/secrets/tls.pem"]);
      // The volumes of the two are different ones, of one stack they are the same.
      assert.deepEqual({ ...recorder.get("tls-b-haproxy").inputs, volumes: [] }, { ...inputs, volumes: [] });
      const writer = recorder.get("tls-a-secrets-writer");
      assert.ok(
        dependencies.some((urn) => urn.endsWith("::tls-a-secrets-writer")),
        "the certificate is there before HAProxy starts",
      );
      assert.ok(writer.secrets.includes("canary-key-1"));
      assert.ok(recorder.resources.every(({ plain }) => !plain.includes("canary-key")));
    });

    it("B1 generated certificate: in a volume of its own, for the public name and this machine; plain HTTP redirects", async () => {
      const balancer = new LoadBalancer("tls-c", { ...args(), tls: { kind: "generated" }, redirectPort: 4080 });
      assert.equal(await valueOf(balancer.url), "https://box:4001");
      await settled();
      const { inputs } = recorder.get("tls-c-haproxy");
      assert.deepEqual(inputs["command"], ["generate", "/var/lib/haproxy-tls/tls.pem", "DNS:box,DNS:localhost,IP:127.0.0.1,IP:::1"]);
      // In the order in which the provider reads them back.
      assert.deepEqual(inputs["ports"], [
        { internal: 8080, external: 4080, ip: "0.0.0.0" },
        { internal: 8443, external: 4001, ip: "0.0.0.0" },
      ]);
      const volumes = inputs["volumes"] as Record<string, unknown>[];
      assert.deepEqual(
        volumes.map(({ containerPath }) => containerPath),
        ["/run/secrets", "/var/lib/haproxy-tls"],
      );
    });

    it("another limit is another image; another port is not", async () => {
      const version = (name: string, change: Partial<LoadBalancerArgs>): string => {
        const contextDirectory = path.join(directory, name);
        return new LoadBalancer(name, { ...args(), contextDirectory, ...change }).nodes.image.version;
      };
      const base = version("a", {});
      assert.equal(version("b", { port: 4002 }), base);
      assert.notEqual(version("c", { apiLimit: { requestsPerSecond: 99, burst: 100 } }), base);
      assert.notEqual(version("d", { maxBodyMb: 11 }), base);
      await settled();
    });
  });
});

describe("the app's environment", () => {
  it("follows from the contract", () => {
    const environment = appEnvironment(services, {
      appName: "shop",
      version: "abc",
      workers: 4,
      workerHeapMb: 256,
      uvThreadpoolSize: 8,
      logLevel: "debug",
      trustedProxies: 1,
      extra: { FEATURE_X: "on" },
    });
    assert.deepEqual(environment, {
      ADMIN_TOKEN_FILE: "/run/secrets/admin_token",
      APP_NAME: "shop",
      APP_VERSION: "abc",
      DRAIN_DELAY_MS: "3000",
      FEATURE_X: "on",
      HOST: "0.0.0.0",
      LOG_LEVEL: "debug",
      NODE_ENV: "production",
      PORT: "3001",
      SESSION_SECRET_FILE: "/run/secrets/session_secret",
      SHUTDOWN_TIMEOUT_MS: "30000",
      SQLITE_PATH: "/data/app.db",
      TRUST_PROXY: "1",
      UV_THREADPOOL_SIZE: "8",
      WORKERS: "4",
      WORKER_HEAP_MB: "256",
    });
    assert.deepEqual(Object.keys(environment), Object.keys(environment).sort(), "the order is part of the container's identity");
  });

  it("leaves out what is not set, and lists every variable it sets as its own", () => {
    const environment = appEnvironment(services, { appName: "shop", version: "abc" });
    assert.ok(!("WORKER_HEAP_MB" in environment) && !("UV_THREADPOOL_SIZE" in environment));
    assert.equal(environment["WORKERS"], "auto");
    for (const name of Object.keys(environment)) assert.ok(CONTRACT_VARIABLES.includes(name), name);
  });

  it("does not let an extra variable change the contract", () => {
    for (const name of ["PORT", "SESSION_SECRET", "DATABASE_URL", "REDIS_URL", "KAFKA_BROKERS"]) {
      assert.throws(() => appEnvironment(services, { appName: "a", version: "b", extra: { [name]: "x" } }), new RegExp(name));
    }
  });
});
