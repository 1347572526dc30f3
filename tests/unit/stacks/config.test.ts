import assert from "node:assert/strict";
import * as pulumi from "@pulumi/pulumi";
import fc from "fast-check";
import { neededMemoryMb } from "../../../app/src/config/machine";
import { cloudFields } from "../../../stacks/cloud/keys";
import { type ConfigSource, loadConfig, type StackConfig } from "../../../stacks/config";
import { unusedKeys } from "../../../stacks/config/keys";
import { BAD_CLOUD_VALUES } from "./bad-cloud-values";
import { BAD_KUBERNETES_VALUES } from "./bad-kubernetes-values";
import { closest, editDistance } from "../../../stacks/config/did-you-mean";

function source(values: Record<string, string>, stack = "dev", secrets: readonly string[] = []): ConfigSource {
  const prefixed = Object.entries(values).map(([key, value]) => [key.includes(":") ? key : `phased-stack:${key}`, value]);
  return {
    project: "phased-stack",
    stack,
    values: Object.fromEntries(prefixed) as Record<string, string>,
    isSecret: (key) => secrets.includes(key),
  };
}

function load(values: Record<string, string>, stack?: string): StackConfig {
  return loadConfig(source(values, stack));
}

function messageOf(values: Record<string, string>, secrets?: readonly string[]): string {
  try {
    loadConfig(source(values, "dev", secrets));
  } catch (error) {
    assert.ok(pulumi.RunError.isInstance(error), "only a RunError is shown without a stack trace");
    return error.message;
  }
  return assert.fail(`accepted ${JSON.stringify(values)}`);
}

describe("stack configuration", () => {
  it("has a default for everything", () => {
    const config = load({});
    assert.equal(config.phase, "cluster");
    assert.equal(config.appInstances, 1);
    assert.equal(load({ phase: "database" }).appInstances, 3, "B2");
    assert.equal(config.workers, "auto");
    assert.equal(config.port, 3001);
    assert.equal(config.publishAddress, "127.0.0.1");
    assert.deepEqual(config.appEnvironment, {});
  });

  it("B1 limits clients to 100 requests a second, and 50 on chat, unless told otherwise", () => {
    const { apiRequestsPerSecond, chatRequestsPerSecond } = load({});
    assert.deepEqual([apiRequestsPerSecond, chatRequestsPerSecond], [100, 50]);
  });

  it("protects data everywhere but on the stack dev", () => {
    assert.equal(load({}, "dev").protect, false);
    assert.equal(load({}, "prod").protect, true);
    assert.equal(load({ protect: "false" }, "prod").protect, false);
    assert.equal(load({ protect: "true" }, "dev").protect, true);
  });

  it("A1 B13 B14 reads every key", () => {
    const values = {
      phase: "database",
      appInstances: "5",
      workers: "4",
      appMemoryMb: "2048",
      appCpus: "1.5",
      workerHeapMb: "256",
      uvThreadpoolSize: "8",
      port: "8080",
      publishAddress: "::1",
      image: "registry.example.com:5000/team/app:1.2.3",
      imagesOf: "2026-11",
      appEnvironment: '{"FEATURE_X":"on","RATIO":0.5,"DEBUG":true}',
      logLevel: "debug",
      protect: "true",
      apiRequestsPerSecond: "0",
      chatRequestsPerSecond: "5",
      chatBurst: "0",
      maxBodyMb: "1",
      appBootSeconds: "120",
      tls: "generated",
      httpRedirectPort: "80",
      memoryBudgetMb: "4096",
      jobsMemoryMb: "512",
      postgresNodes: "5",
      postgresMemoryMb: "2048",
      postgresCpus: "2.5",
      etcdMembers: "3",
      durability: "strict",
      backups: "false",
      backupEveryHours: "12",
      backupFullEveryDays: "14",
      backupKeepDays: "4",
      backupUrl: "s3://backups/shop?region=eu-central-1",
      dbPoolSize: "40",
      redisCacheMb: "256",
      redisLimitsMb: "64",
      moveData: "false",
      leaveDatabase: "true",
      kafka: "true",
      kafkaMemoryMb: "768",
      kafkaRetentionHours: "24",
      kafkaRetentionMb: "512",
      monitoring: "true",
      prometheusPort: "9190",
      alertmanagerPort: "9193",
      grafanaPort: "3100",
      metricsRetentionDays: "30",
      metricsRetentionMb: "4096",
    };
    const keys = { backupS3Key: "AKIATEST", backupS3KeySecret: "hush-hush" };
    const secrets = Object.keys(keys).map((key) => `phased-stack:${key}`);
    const config = loadConfig(source({ ...values, ...keys }, "dev", secrets));
    const cloudKeys = Object.fromEntries(Object.keys(cloudFields).map((key) => [key, undefined]));
    assert.deepEqual(config, {
      ...cloudKeys,
      ...{ profile: "dev", cloudRuntime: "ecs", events: "none", cdn: true, uploadsKeyGeneration: 1 },
      ...{ cpuArchitecture: "x86_64", databaseLogin: "password" },
      phase: "database",
      appInstances: 5,
      workers: 4,
      appMemoryMb: 2048,
      appCpus: 1.5,
      workerHeapMb: 256,
      uvThreadpoolSize: 8,
      port: 8080,
      publishAddress: "::1",
      image: "registry.example.com:5000/team/app:1.2.3",
      imagesOf: "2026-11",
      appEnvironment: { FEATURE_X: "on", RATIO: "0.5", DEBUG: "true" },
      logLevel: "debug",
      protect: true,
      apiRequestsPerSecond: 0,
      apiBurst: 100,
      chatRequestsPerSecond: 5,
      chatBurst: 0,
      maxBodyMb: 1,
      appBootSeconds: 120,
      tls: "generated",
      tlsCertificateFile: undefined,
      tlsKeyFile: undefined,
      httpRedirectPort: 80,
      memoryBudgetMb: 4096,
      jobsMemoryMb: 512,
      postgresNodes: 5,
      postgresMemoryMb: 2048,
      postgresCpus: 2.5,
      etcdMembers: "3",
      durability: "strict",
      backups: false,
      backupEveryHours: 12,
      backupFullEveryDays: 14,
      backupKeepDays: 4,
      backupUrl: "s3://backups/shop?region=eu-central-1",
      backupCaFile: undefined,
      dbPoolSize: 40,
      redisCacheMb: 256,
      redisLimitsMb: 64,
      moveData: false,
      leaveDatabase: true,
      kafka: true,
      kafkaMemoryMb: 768,
      kafkaRetentionHours: 24,
      kafkaRetentionMb: 512,
      monitoring: true,
      prometheusPort: 9190,
      alertmanagerPort: 9193,
      grafanaPort: 3100,
      metricsRetentionDays: 30,
      metricsRetentionMb: 4096,
    });
  });

  const bad: Record<string, readonly string[]> = {
    phase: ["", "Cluster", "kubernetes", " cluster"],
    appInstances: ["0", "51", "-1", "1.5", "two", "", "1e1", "0x1", "01"],
    workers: ["0", "65", "all", "AUTO", ""],
    appMemoryMb: ["191", "1GB", "512m", ""],
    appCpus: ["0", "0.05", "257", "1,5", "1.234", "-1", ""],
    workerHeapMb: ["31", "65537", "x"],
    uvThreadpoolSize: ["0", "1025", "4.5"],
    port: ["0", "65536", "http", "3001/tcp", ""],
    publishAddress: ["localhost", "256.0.0.1", "0.0.0.0:80", "", "::g"],
    image: ["app", "App:1", "app:", "app@sha256:12", "https://example.com/app:1", "app:1 ", "-app:1", ""],
    imagesOf: ["", "november 2026", "2026/11", "2026-11\nRUN x", "$(date)", "a_b", "x".repeat(33)],
    appEnvironment: ["x", "[]", '"text"', '{"lower":"x"}', '{"A":{}}', '{"A":null}', "1"],
    logLevel: ["verbose", "INFO", ""],
    protect: ["yes", "1", "True", ""],
    apiRequestsPerSecond: ["-1", "1000001", "many"],
    apiBurst: ["-1", "1.5"],
    chatRequestsPerSecond: ["-1", "x"],
    chatBurst: ["-1", "x"],
    appBootSeconds: ["9", "601", "1m"],
    maxBodyMb: ["0", "1025", "10MB"],
    tls: ["on", "true", ""],
    httpRedirectPort: ["0", "65536", "http"],
    memoryBudgetMb: ["1023", "4GB", "-1"],
    jobsMemoryMb: ["255", "1GB"],
    postgresNodes: ["0", "1", "6", "three"],
    postgresMemoryMb: ["255", "1GB", "-1"],
    postgresCpus: ["0", "0.25", "1,5", "257"],
    etcdMembers: ["0", "2", "5", "01"],
    durability: ["Strict", "none", ""],
    backups: ["yes", "1", ""],
    backupEveryHours: ["0", "169", "6h"],
    backupFullEveryDays: ["0", "91", "weekly"],
    backupKeepDays: ["0", "3651", "1.5"],
    backupUrl: ["https://s3.example.com/bucket", "s3:bucket", "my-backups", "s3://", "s3://b c", ""],
    dbPoolSize: ["3", "1001", "many"],
    redisCacheMb: ["15", "4GB"],
    redisLimitsMb: ["15", "1.5"],
    moveData: ["yes", "0", ""],
    leaveDatabase: ["yes", "1", ""],
    kafka: ["yes", "1", "True", ""],
    kafkaMemoryMb: ["575", "1GB"],
    kafkaRetentionHours: ["0", "7d", "87601"],
    kafkaRetentionMb: ["3", "1GB"],
    monitoring: ["yes", "1", "on", ""],
    prometheusPort: ["0", "65536", "9090/tcp"],
    alertmanagerPort: ["0", "65536", ""],
    grafanaPort: ["0", "65536", "3000/tcp"],
    metricsRetentionDays: ["0", "15d", "3651"],
    metricsRetentionMb: ["255", "2GB"],
    ...BAD_CLOUD_VALUES,
    ...BAD_KUBERNETES_VALUES,
  };
  for (const [key, values] of Object.entries(bad)) {
    it(`refuses bad values of ${key}, naming key, value, what is allowed and the command that repairs it`, () => {
      for (const value of values) {
        const message = messageOf({ [key]: value });
        assert.match(message, new RegExp(`phased-stack:${key} is `), value);
        if (key !== "appEnvironment" && key !== "backupUrl") assert.ok(message.includes(JSON.stringify(value)), message);
        assert.match(message, /allowed: \S/);
        const command = /Fix: pulumi config set (.+)$/m.exec(message)?.[1];
        assert.ok(command, message);
        const [name = "", example = ""] = command.split(" ");
        // The advice has to be right: what it says is accepted.
        const beside = name === "httpRedirectPort" ? { tls: "generated" } : {};
        if (name !== "--path") assert.doesNotThrow(() => load({ ...beside, [name]: example.replaceAll("'", "") }), message);
      }
    });
  }

  it("the table above has every key", () => {
    // Any text is a path; files are looked at in tls.test.ts, kubernetes.test.ts and authorities.test.ts.
    const files = ["tlsCertificateFile", "tlsKeyFile", "kubeconfigFile", "databaseCaFile", "redisCaFile", "kafkaCaFile", "backupCaFile"];
    assert.deepEqual([...Object.keys(bad), ...files].sort(), Object.keys(load({})).sort());
  });

  it("keys of another phase are checked, and otherwise left alone: a phase can be tried and left without losing settings", () => {
    const set = { postgresNodes: "5", durability: "strict" };
    for (const phase of ["cluster", "database"]) assert.equal(load({ phase, ...set }).postgresNodes, 5);
    assert.match(messageOf({ phase: "cluster", postgresNodes: "9" }), /postgresNodes is "9"; allowed: an integer from 2 to 5/);
    const unused = unusedKeys({ postgresNodes: 5, durability: "strict", port: 1 }, "cluster");
    assert.deepEqual(unused, ["postgresNodes", "durability"]);
    assert.deepEqual(unusedKeys({ postgresNodes: 5, port: 1 }, "database"), []);
    assert.deepEqual(unusedKeys({ users: 10, port: 1 }, "database"), ["users"]);
    assert.deepEqual(unusedKeys({ users: 10, port: 1, dbPoolSize: 20 }, "cloud"), ["port"]);
  });

  it("reports all violations at once", () => {
    const message = messageOf({ appInstances: "0", port: "http", logLevel: "loud", appInstaces: "2" });
    assert.match(message, /has 4 problems/);
    for (const part of ["appInstances", "port", "logLevel", "appInstaces"]) assert.ok(message.includes(part), part);
    assert.ok(!message.includes("    at "), "a stack trace");
  });

  it("reports unknown keys, with the one that was meant", () => {
    assert.match(
      messageOf({ appInstance: "2" }),
      /appInstance is not a known key; did you mean appInstances\? Fix: pulumi config rm appInstance/,
    );
    assert.match(messageOf({ PORT: "2" }), /did you mean port\?/);
    assert.match(messageOf({ somethingElseEntirely: "2" }), /known keys: phase, /);
  });

  it("leaves other namespaces alone", () => {
    assert.equal(load({ "docker:host": "tcp://10.0.0.1:2375", "aws:region": "eu-central-1" }).phase, "cluster");
  });

  it("refuses a key set as a secret and does not repeat its value", () => {
    const message = messageOf({ image: "hidden-canary:1" }, ["phased-stack:image"]);
    assert.match(message, /phased-stack:image is set as a secret/);
    assert.ok(!message.includes("hidden-canary"));
  });

  it("refuses variables that look like secrets, without repeating them, and variables of the contract", () => {
    const message = messageOf({
      appEnvironment: JSON.stringify({ STRIPE_API_KEY: "canary-1", UPSTREAM: "https://u:canary-2@host/", PORT: "1", DATABASE_URL: "x" }),
    });
    for (const name of ["STRIPE_API_KEY looks like a secret", "UPSTREAM looks like a secret", "PORT belongs", "DATABASE_URL belongs"]) {
      assert.ok(message.includes(`appEnvironment.${name}`), message);
    }
    assert.ok(!message.includes("canary"), message);
    assert.deepEqual(load({ appEnvironment: '{"KEYBOARD":"de","MONKEY":"x"}' }).appEnvironment, { KEYBOARD: "de", MONKEY: "x" });
  });

  it("B7 the app's limit on authentication is no secret, whatever its name", () => {
    assert.deepEqual(load({ appEnvironment: '{"RATE_LIMIT_AUTH":"20/1m"}' }).appEnvironment, { RATE_LIMIT_AUTH: "20/1m" });
  });

  it("B13 refuses workers that do not fit into the memory of an instance; the advised value fits", () => {
    const message = messageOf({ workers: "8", workerHeapMb: "256", appMemoryMb: "1024" });
    assert.match(message, /appMemoryMb is 1024, but 8 workers with a heap of 256 MiB each \(workerHeapMb\) need \d+ MiB/);
    const advised = /Fix: pulumi config set appMemoryMb (\d+)/.exec(message)?.[1] ?? "";
    assert.equal(load({ workers: "8", workerHeapMb: "256", appMemoryMb: advised }).appMemoryMb, Number(advised));
    assert.throws(() => load({ workers: "8", workerHeapMb: "256", appMemoryMb: String(Number(advised) - 1) }));
    assert.match(messageOf({ workerHeapMb: "4096" }), /1 worker with a heap of 4096 MiB each \(workerHeapMb\) needs/);
  });

  it("A13 two services on one port are refused, with a port that is free; ports of a monitoring that is off do not matter", () => {
    const message = messageOf({ monitoring: "true", port: "9090", alertmanagerPort: "9091", prometheusPort: "9090" });
    assert.match(message, /prometheusPort and port are both 9090; allowed: different ports\. Fix: pulumi config set prometheusPort 9092$/);
    assert.equal(load({ monitoring: "true", port: "9090", alertmanagerPort: "9091", prometheusPort: "9092" }).prometheusPort, 9092);
    assert.match(messageOf({ monitoring: "true", alertmanagerPort: "3001" }), /alertmanagerPort and port are both 3001/);
    assert.equal(load({ port: "9090" }).port, 9090);
  });

  for (const name of ["alertWebhookUrl", "alertHeartbeatUrl"]) {
    it(`B8 ${name} is taken as a secret only, is an address, and is told by no message`, () => {
      const address = "https://alerts.example.com/hooks/canary";
      const key = `phased-stack:${name}`;
      assert.equal(loadConfig(source({ [name]: address }, "dev", [key])).phase, "cluster");
      for (const [value, secrets] of [
        [address, []],
        ["canary", [key]],
        ["ftp://canary/", [key]],
      ] as const) {
        const message = messageOf({ [name]: value }, secrets);
        assert.match(message, new RegExp(`${name} is .*; allowed: .* Fix: pulumi config set --secret ${name} `));
        assert.ok(!message.includes("canary"), message);
      }
    });
  }

  it("B8 the heartbeat never goes to those who are told of alerts", () => {
    const keys = ["alertWebhookUrl", "alertHeartbeatUrl"].map((name) => `phased-stack:${name}`);
    const alertWebhookUrl = "https://alerts.example.com/hooks/canary";
    const message = messageOf({ alertWebhookUrl, alertHeartbeatUrl: `${alertWebhookUrl} ` }, keys);
    assert.match(
      message,
      /alertHeartbeatUrl is the address of alertWebhookUrl; allowed: another, .* Fix: pulumi config set --secret alertH/,
    );
    assert.ok(!message.includes("canary"), message);
    loadConfig(source({ alertWebhookUrl, alertHeartbeatUrl: "https://heartbeats.example.com/canary" }, "dev", keys));
  });

  it("refuses a burst where the limit is off", () => {
    assert.match(
      messageOf({ apiRequestsPerSecond: "0", apiBurst: "5" }),
      /apiBurst is 5, but apiRequestsPerSecond 0 .* Fix: pulumi config rm apiBurst/,
    );
    assert.equal(load({ chatRequestsPerSecond: "0", chatBurst: "0" }).chatRequestsPerSecond, 0);
  });

  it("whatever the text, it is accepted or refused with a RunError that names the key", () => {
    const key = fc.constantFrom(...Object.keys(bad));
    fc.assert(
      fc.property(key, fc.string(), (name, value) => {
        try {
          load({ [name]: value });
        } catch (error) {
          assert.ok(pulumi.RunError.isInstance(error), String(error));
          assert.ok(error.message.includes(name), error.message);
        }
      }),
      { numRuns: 500 },
    );
  });

  it("needed memory grows with workers and heap, and always leaves room for the heaps", () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 64 }), fc.integer({ min: 32, max: 65_536 }), (workers, heap) => {
        const needed = neededMemoryMb("cluster", workers, heap);
        assert.ok(needed > workers * heap);
        assert.ok(neededMemoryMb("cluster", workers + 1, heap) > needed);
        assert.ok(neededMemoryMb("cluster", workers, heap + 1) >= needed);
      }),
    );
  });
});

describe("did you mean", () => {
  it("distance is a metric on what people mistype", () => {
    assert.equal(editDistance("port", "prot"), 1);
    assert.equal(editDistance("", "abc"), 3);
    fc.assert(
      fc.property(fc.string({ maxLength: 12 }), fc.string({ maxLength: 12 }), (a, b) => {
        assert.equal(editDistance(a, b), editDistance(b, a));
        assert.equal(editDistance(a, b) === 0, a === b);
        assert.ok(editDistance(a, b) <= Math.max(a.length, b.length));
      }),
    );
  });

  it("suggests nothing when nothing is near", () => {
    assert.equal(closest("zzzzzzzz", ["port", "phase"]), undefined);
    assert.equal(closest("pahse", ["port", "phase"]), "phase");
  });
});
