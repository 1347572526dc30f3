import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import path from "node:path";
import * as pulumi from "@pulumi/pulumi";
import program from "../../../stacks/index";
import { inDirectory } from "../../app/db/support";
import { issue } from "../../support/certificates";
import { manifestsOf, manifestsYaml } from "../../support/manifests";
import { OUTPUT_KEYS } from "../../support/output-keys";
import { isMarkedSecret, NO_ENGINE, Recorder, settled, valueOf } from "../../support/pulumi-mocks";

const SECRETS = {
  databaseUrl: "postgres://app:canary-value-of-app@pooler.example.com:6432/shop?sslmode=verify-full",
  databaseMigrationUrl: "postgres://owner:canary-value-of-owner@db.example.com:5432/shop?sslmode=verify-full",
  redisUrl: "rediss://:canary-value-of-cache@cache.example.com:6379",
  redisLimitsUrl: "rediss://:canary-value-of-limits@limits.example.com:6380",
};
const PLAIN = {
  phase: "cloud",
  cloudRuntime: "kubernetes",
  users: "10000",
  image: `registry.example.com/app@sha256:${"a".repeat(64)}`,
  kubernetesContext: "production",
  documentsStorageClass: "nfs",
  domainName: "shop.example.com",
  ingressClass: "nginx",
  ingressNamespace: "ingress-nginx",
  ingressTlsSecret: "shop-tls",
};

interface PodSpec {
  readonly volumes: readonly { readonly name: string; readonly configMap?: unknown }[];
  readonly containers: readonly [{ readonly volumeMounts: readonly { readonly name: string }[] }];
}

const named = (values: Readonly<Record<string, string>>): Record<string, string> =>
  Object.fromEntries(Object.entries(values).map(([key, value]) => [`phased-stack:${key}`, value]));

async function run(more: Readonly<Record<string, string>> = {}, secrets: Readonly<Record<string, string>> = SECRETS) {
  const recorder = await Recorder.install("phased-stack", "prod");
  const before = process.env["PULUMI_CONFIG_SECRET_KEYS"];
  process.env["PULUMI_CONFIG_SECRET_KEYS"] = JSON.stringify(Object.keys(named(secrets)));
  // An empty text stands for a key that is not set.
  const given = Object.entries({ ...PLAIN, ...secrets, ...more }).filter(([, value]) => value !== "");
  pulumi.runtime.setAllConfig({ ...NO_ENGINE, ...named(Object.fromEntries(given)) });
  try {
    const outputs = await program();
    await settled();
    return { recorder, outputs };
  } finally {
    if (before === undefined) delete process.env["PULUMI_CONFIG_SECRET_KEYS"];
    else process.env["PULUMI_CONFIG_SECRET_KEYS"] = before;
  }
}

async function refusal(more: Readonly<Record<string, string>>, secrets?: Readonly<Record<string, string>>): Promise<string> {
  const error: unknown = await run(more, secrets).then(
    () => assert.fail("accepted"),
    (reason: unknown) => reason,
  );
  assert.ok(pulumi.RunError.isInstance(error), String(error));
  return error.message;
}

describe("phase cloud on any Kubernetes cluster", function () {
  // Each test runs the whole program.
  this.timeout(120_000);

  it("A14 runs the app without anything of AWS, with the outputs of every phase", async () => {
    const { recorder, outputs } = await run();
    assert.deepEqual(
      recorder.resources.filter(({ type }) => type.startsWith("aws:") || type === "pulumi:providers:aws"),
      [],
    );
    assert.deepEqual(Object.keys(outputs).sort(), OUTPUT_KEYS);
    const expected = {
      appUrl: "https://shop.example.com",
      databaseHost: "pooler.example.com",
      databaseReaderHost: "pooler.example.com",
      redisHost: "cache.example.com",
      kafkaBrokers: "",
      databasePassword: "canary-value-of-app",
    };
    for (const [key, value] of Object.entries(expected)) assert.equal(await valueOf(outputs[key]!), value, key);
    for (const key of ["databasePassword", "adminToken"]) assert.ok(await isMarkedSecret(outputs[key]!), key);
    const kinds = manifestsOf(recorder.resources).map(({ kind }) => kind);
    for (const kind of ["Namespace", "Deployment", "Job", "Ingress", "PersistentVolumeClaim", "NetworkPolicy", "PodDisruptionBudget"]) {
      assert.ok(kinds.includes(kind), kind);
    }
    assert.equal(recorder.get("kubernetes").inputs["context"], "production");
  });

  it("hands over addresses as files, the owner's to the migration alone, and shows none", async () => {
    const { recorder } = await run();
    const filesOf = (name: string): Record<string, string> => recorder.get(name).inputs["stringData"] as Record<string, string>;
    assert.deepEqual(Object.keys(filesOf("app-secrets-secret")), [
      "admin_token",
      "database_url",
      "redis_limits_url",
      "redis_url",
      "session_secret",
    ]);
    assert.deepEqual(Object.keys(filesOf("migrations-secrets-secret")), ["database_app_password", "database_url", "redis_limits_url"]);
    assert.doesNotMatch(JSON.stringify(filesOf("app-secrets-secret")), /owner/);
    const { data } = recorder.get("migrations-environment").inputs as { data: Record<string, string> };
    assert.deepEqual([data["DATABASE_APP_USER"], data["DATABASE_URL_FILE"]], ["app", "/run/secrets/database_url"]);
    for (const { name, plain } of recorder.resources) assert.doesNotMatch(plain, /canary-value-of-/, name);
  });

  it("A17 further databases for companies reach the app as files, their owners the migration, and pods their ports", async () => {
    const further = {
      databaseShards:
        "s2=postgres://app:canary-value-of-app@pooler-2.example.com:6433/shop, s3=postgres://app:canary-value-of-app@db-3.example.com/shop",
      databaseShardsMigration:
        "s2=postgres://owner:canary-value-of-owner-2@db-2.example.com:5434/shop,s3=postgres://owner:canary-value-of-owner-3@db-3.example.com/shop",
      databaseShardsRead:
        "s2=postgres://app:canary-value-of-app@r-2a.example.com:5435/shop,s2=postgres://app:canary-value-of-app@r-2b.example.com:5435/shop",
    };
    const { recorder } = await run({ databaseShardsForNew: "s3,first" }, { ...SECRETS, ...further });
    const valueIn = (name: string, key: string): unknown => (recorder.get(name).inputs["stringData"] as Record<string, unknown>)[key];
    assert.equal(valueIn("app-secrets-secret", "database_shards"), further.databaseShards);
    assert.equal(valueIn("app-secrets-secret", "database_shards_replicas"), further.databaseShardsRead);
    assert.equal(valueIn("migrations-secrets-secret", "database_shards"), further.databaseShardsMigration);
    assert.doesNotMatch(JSON.stringify(recorder.get("app-secrets-secret").inputs["stringData"]), /owner/);
    const { data } = recorder.get("web-environment").inputs as { data: Record<string, string> };
    assert.equal(data["DATABASE_SHARDS_FILE"], "/run/secrets/database_shards");
    assert.equal(data["DATABASE_SHARDS_FOR_NEW"], "s3,first");
    const policies = manifestsYaml(recorder.resources.filter(({ type }) => type.includes("NetworkPolicy")));
    for (const port of [5432, 6432, 6433, 5434, 5435]) assert.match(policies, new RegExp(`port: ${port}\\b`), `port ${port}`);
    for (const { name, plain } of recorder.resources) assert.doesNotMatch(plain, /canary-value-of-/, name);
  });

  it("A17 refuses databases that do not go together, and shows no address", async () => {
    const shards = { ...SECRETS, databaseShards: "s2=postgres://app:canary-value-of-app@db-2.example.com/shop" };
    const owners = { ...shards, databaseShardsMigration: "s2=postgres://owner:canary-value-of-owner@db-2.example.com/shop" };
    const refused = async (secrets: Readonly<Record<string, string>>): Promise<string> => {
      const told = await refusal({}, secrets);
      assert.doesNotMatch(told, /canary/);
      return told;
    };
    assert.match(await refused(shards), /databaseMigrationUrl and databaseShardsMigration do not name the owner of every database/);
    const other = { ...owners, databaseShards: "s2=postgres://app:canary-value-of-x@db-2.example.com/shop" };
    assert.match(await refused(other), /databaseShards has another login for "s2" than databaseUrl/);
    for (const databaseShards of ["postgres://app:canary-value-of-app@db-2.example.com/shop", "first=postgres://db-2.example.com/shop"]) {
      assert.match(await refused({ ...SECRETS, databaseShards }), /databaseShards is not usable; allowed: addresses of further databases/);
    }
    const unknown = await refusal({ databaseShardsForNew: "first,s4" }, owners);
    assert.match(
      unknown,
      /databaseShardsForNew has "s4", which is not in databaseShards; allowed: first, s2\. Fix: pulumi config set databaseShardsForNew first,s2/,
    );
    assert.match(
      await refusal({ databaseShardsForNew: "s2" }),
      /databaseShardsForNew has "s2", which is not in databaseShards; allowed: first\./,
    );
    const read = { ...owners, databaseShardsRead: "s3=postgres://app:canary-value-of-app@r-3.example.com/shop" };
    assert.match(await refused(read), /databaseShardsRead has "s3", which is not in databaseShards; allowed: s2\./);
    const plain = await refusal({ databaseShards: shards.databaseShards }, SECRETS);
    assert.match(plain, /databaseShards is set in plain text/);
  });

  it("A14 gives authorities of one's own to all pods as files, which the app is told of", () =>
    inDirectory(async (directory) => {
      const file = path.join(directory, "ca.pem");
      const { certificate } = issue();
      writeFileSync(file, certificate);
      const { recorder } = await run({ databaseCaFile: file, redisCaFile: file });
      assert.deepEqual(recorder.get("authorities-files").inputs["data"], { "database_ca.pem": certificate, "redis_ca.pem": certificate });
      for (const name of ["web", "jobs", "migrations"]) {
        const { data } = recorder.get(`${name}-environment`).inputs as { data: Record<string, string> };
        assert.deepEqual(
          [data["DATABASE_CA"], data["REDIS_CA"], data["KAFKA_TLS_CA_FILE"]],
          ["/etc/authorities/database_ca.pem", "/etc/authorities/redis_ca.pem", undefined],
        );
        const { inputs } = recorder.get(name === "migrations" ? "migrations-job" : `${name}-deployment`);
        const { spec } = (inputs["spec"] as { template: { spec: PodSpec } }).template;
        assert.deepEqual(
          spec.volumes.filter(({ configMap }) => configMap !== undefined),
          [{ name: "authorities", configMap: { name: "authorities-files-1a2b3c4" } }],
        );
        const mount = spec.containers[0].volumeMounts.find((mounted) => mounted.name === "authorities");
        assert.deepEqual(mount, { name: "authorities", mountPath: "/etc/authorities", readOnly: true });
      }
      assert.doesNotMatch(JSON.stringify((await run()).recorder.resources), /authorities/, "nothing of it otherwise");
      const plain = { ...SECRETS, redisLimitsUrl: "redis://:canary-value-of-limits@limits.example.com" };
      assert.match(await refusal({ redisCaFile: file }, plain), /redisCaFile is set, but redisLimitsUrl has no TLS/);
      assert.match(await refusal({ kafkaCaFile: "/nowhere" }), /kafkaCaFile \/nowhere does not exist/);
    }));

  it("lets pods reach the ports of what they are told of, and requests in from the ingress controller only", async () => {
    const { recorder } = await run();
    const portsOf = (name: string): number[] => {
      const { egress } = recorder.get(name).inputs["spec"] as { egress: { ports: { port: number }[] }[] };
      return egress.flatMap(({ ports }) => ports.map(({ port }) => port));
    };
    assert.deepEqual(portsOf("network-policies-allow-to-database"), [5432, 6432]);
    assert.deepEqual(portsOf("network-policies-allow-to-redis"), [6379, 6380]);
    assert.match(JSON.stringify(recorder.get("network-policies-allow-clients").inputs), /"kubernetes.io\/metadata.name":"ingress-nginx"/);
  });

  it("fits what a cluster has: a private registry, its own DNS, the labels its Prometheus and its Ingress look for", async () => {
    const { recorder } = await run({
      imagePullSecret: "registry",
      dnsCidrs: "169.254.20.10/32",
      monitoringNamespace: "monitoring",
      monitoringLabels: "release=kube-prometheus-stack",
      ingressAnnotations: "cert-manager.io/cluster-issuer=letsencrypt,nginx.ingress.kubernetes.io/proxy-body-size=64m",
    });
    for (const name of ["web-deployment", "jobs-deployment", "migrations-job"]) {
      const { template } = recorder.get(name).inputs["spec"] as { template: { spec: { imagePullSecrets?: unknown } } };
      assert.deepEqual(template.spec.imagePullSecrets, [{ name: "registry" }], name);
    }
    assert.match(JSON.stringify(recorder.get("network-policies-allow-dns").inputs), /"cidr":"169.254.20.10\/32"/);
    const metadataOf = (name: string) =>
      recorder.get(name).inputs["metadata"] as Record<"annotations" | "labels", Record<string, string> | undefined>;
    assert.equal(metadataOf("monitoring-app").labels?.["release"], "kube-prometheus-stack");
    const { annotations } = metadataOf("entrance-ingress");
    assert.equal(annotations?.["cert-manager.io/cluster-issuer"], "letsencrypt");
    assert.equal(annotations?.["nginx.ingress.kubernetes.io/proxy-body-size"], "64m");

    const plain = (await run()).recorder;
    const { annotations: usual } = plain.get("entrance-ingress").inputs["metadata"] as { annotations: Record<string, string> };
    assert.equal(usual["nginx.ingress.kubernetes.io/proxy-body-size"], "32m", "documents of 25 MiB pass");
    assert.doesNotMatch(JSON.stringify(plain.get("web-deployment").inputs), /imagePullSecrets/);
  });

  it("A18 runs a consumer where there is a Kafka, and is reached by a Gateway where there is one", async () => {
    const { recorder, outputs } = await run({
      kafkaBrokers: "kafka-1:9093,kafka-2:9093",
      gateway: "gateways/public",
      ingressClass: "",
      ingressTlsSecret: "",
    });
    assert.equal(await valueOf(outputs["kafkaBrokers"]!), "kafka-1:9093,kafka-2:9093");
    const { data } = recorder.get("consumer-environment").inputs as { data: Record<string, string> };
    assert.deepEqual([data["KAFKA_BROKERS"], data["KAFKA_TLS"], data["ROLE"]], ["kafka-1:9093,kafka-2:9093", "true", "consumer"]);
    assert.equal(recorder.ofType("kubernetes:gateway.networking.k8s.io/v1:HTTPRoute").length, 1);
  });

  it("protects documents and what they are in", async () => {
    const { recorder } = await run();
    assert.deepEqual(
      recorder.resources.filter(({ protect }) => protect).map(({ name }) => name),
      ["namespace-namespace", "documents-claim"],
    );
  });

  it("registers the same when it runs again", async () => {
    const yaml = async (): Promise<string> => manifestsYaml((await run()).recorder.resources);
    assert.equal(await yaml(), await yaml());
  });

  it("tells everything that is missing at once, and no value that is secret", async () => {
    const recorder = await Recorder.install("phased-stack", "prod");
    pulumi.runtime.setAllConfig({ ...NO_ENGINE, ...named({ phase: "cloud", cloudRuntime: "kubernetes" }) });
    const error = await program().then(
      () => assert.fail("accepted"),
      (reason: unknown) => reason as Error,
    );
    for (const key of ["users", "documentsStorageClass", "image", "kubernetesContext", "databaseUrl", "redisUrl", "redisLimitsUrl"]) {
      assert.match(error.message, new RegExp(`${key}.* (is|nor kubeconfig is) (not )?set[^\\n]*Fix: pulumi config set`), key);
    }
    assert.match(error.message, /has 7 problems/);
    assert.deepEqual(recorder.names(), []);
    const wrong = await refusal({}, { ...SECRETS, redisUrl: "http://:canary-value-of-x@cache" });
    assert.match(wrong, /redisUrl is not usable; allowed: the address of a Redis/);
    assert.doesNotMatch(wrong, /canary/);
    const plain = await refusal({ databaseReadUrl: SECRETS.databaseUrl });
    assert.match(plain, /databaseReadUrl is set in plain text, where everybody/);
    assert.doesNotMatch(plain, /canary/);
  });

  it("refuses what does not go together", async () => {
    assert.match(await refusal({ gateway: "gateways/public" }), /ingressClass and gateway are both set/);
    assert.match(
      await refusal({ databaseLogin: "iam" }),
      /databaseLogin is iam, which RDS has; allowed with cloudRuntime kubernetes: password/,
    );
    assert.match(
      await refusal({ databases: "2" }),
      /databases is 2, which are made on RDS; allowed with cloudRuntime kubernetes: addresses of further databases of yours, in databaseShards/,
    );
    assert.match(await refusal({ events: "sqs" }), /events is sqs, which AWS has; allowed with cloudRuntime kubernetes: none/);
    const annotated = { ingressAnnotations: "a=b", ingressClass: "", ingressTlsSecret: "" };
    assert.match(await refusal(annotated), /ingressAnnotations is set, but ingressClass is not/);
    assert.match(await refusal({ monitoringLabels: "release=prometheus" }), /monitoringLabels is set, but monitoringNamespace is not/);
    assert.match(await refusal({ kubeconfigFile: "/nowhere/config" }), /kubeconfigFile \/nowhere\/config does not exist/);
    assert.match(await refusal({ image: "registry.example.com/app:1" }), /allowed in phase cloud: a reference by digest/);
  });
});
