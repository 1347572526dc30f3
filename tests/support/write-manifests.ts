/**
 * Writes the Kubernetes objects of a production stack as YAML, from a run of the program under mocks: for a linter of manifests, and for a dry
 * run on a server. `node --import tsx tests/support/write-manifests.ts eks|kubernetes FILE`
 */
import { readFileSync, writeFileSync } from "node:fs";
import * as pulumi from "@pulumi/pulumi";
import { parse } from "yaml";
import program from "../../stacks/index";
import { manifestsYaml } from "./manifests";
import { Recorder, settled } from "./pulumi-mocks";

const IMAGE = `registry.example.com/team/app@sha256:${"a".repeat(64)}`;
const FLAGS = { queueMetrics: "keda", prometheusUrl: "http://prometheus.monitoring:9090", monitoringNamespace: "monitoring" };
const SECRETS = {
  databaseUrl: "postgres://app:mocked@db.example.com:5432/app?sslmode=verify-full",
  redisUrl: "rediss://:mocked@cache.example.com:6379",
  redisLimitsUrl: "rediss://:mocked@limits.example.com:6379",
};

/** Configuration by runtime: everything that may be there, so that everything is checked. */
const RUNTIMES: Readonly<Record<string, () => Readonly<Record<string, string>>>> = {
  eks: () => {
    const { config } = parse(readFileSync("Pulumi.prod.yaml", "utf8")) as { config: Record<string, string> };
    const plain = Object.entries(config).map(([key, value]) => [key.replace(/^.*:/, ""), value] as const);
    const own = { cloudRuntime: "eks", image: IMAGE, events: "sqs", eksAdministrators: "arn:aws:iam::123456789012:role/deployer" };
    return { ...Object.fromEntries(plain), ...own };
  },
  kubernetes: () => ({
    ...{ phase: "cloud", cloudRuntime: "kubernetes", users: "50000", image: IMAGE, kubernetesContext: "production" },
    ...{ domainName: "shop.example.com", ingressClass: "nginx", ingressNamespace: "ingress-nginx", ingressTlsSecret: "shop-tls" },
    ...{ documentsStorageClass: "nfs", kafkaBrokers: "kafka-1:9093", ...SECRETS },
  }),
};

async function main(runtime: string, file: string, extended: boolean): Promise<void> {
  const recorder = await Recorder.install("phased-stack", "prod");
  const config = { ...RUNTIMES[runtime]?.(), ...(extended ? FLAGS : {}) };
  process.env["PULUMI_CONFIG_SECRET_KEYS"] = JSON.stringify(Object.keys(SECRETS).map((key) => `phased-stack:${key}`));
  pulumi.runtime.setAllConfig(Object.fromEntries(Object.entries(config).map(([key, value]) => [`phased-stack:${key}`, value])));
  await program();
  await settled();
  writeFileSync(file, manifestsYaml(recorder.resources));
}

const [runtime = "", file = "", flags] = process.argv.slice(2);
if (!(runtime in RUNTIMES) || file === "") {
  process.stderr.write(`usage: write-manifests.ts ${Object.keys(RUNTIMES).join("|")} FILE [keda]\n`);
  process.exitCode = 2;
} else {
  main(runtime, file, flags === "keda").catch((error: unknown) => {
    process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
    process.exitCode = 1;
  });
}
