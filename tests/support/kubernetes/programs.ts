import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import * as pulumi from "@pulumi/pulumi";
import program from "../../../stacks/index";
import { issue } from "../certificates";
import { type Changes, EKS, freshCloudRun, TWO_REGIONS } from "../cloud-program";
import { type Manifest, manifestsOf } from "../manifests";
import { NO_ENGINE, Recorder, settled } from "../pulumi-mocks";

const IMAGE = `registry.example.com/team/app@sha256:${"a".repeat(64)}`;

/** Values that are given as secrets. */
const SECRETS = {
  databaseUrl: "postgres://app:mocked@db.example.com:5432/app?sslmode=verify-full",
  redisUrl: "rediss://:mocked@cache.example.com:6379",
  redisLimitsUrl: "rediss://:mocked@limits.example.com:6379",
} as const;

/** What a production stack on any cluster is told: everything that may be there, so that everything is checked. */
const ANY_CLUSTER = {
  ...{ phase: "cloud", cloudRuntime: "kubernetes", users: "50000", image: IMAGE, kubernetesContext: "production" },
  ...{ domainName: "shop.example.com", ingressClass: "nginx", ingressNamespace: "ingress-nginx", ingressTlsSecret: "shop-tls" },
  ...{ documentsStorageClass: "nfs", kafkaBrokers: "kafka-1:9093", ...SECRETS },
  ...{ imagePullSecret: "registry", dnsCidrs: "169.254.20.10/32" },
} as const;

/** The least that a stack for development is told. */
const LEAST = {
  ...{ phase: "cloud", cloudRuntime: "kubernetes", profile: "dev", users: "100", image: IMAGE, kubernetesContext: "kind" },
  ...{ documentsStorageClass: "standard", protect: "false", ...SECRETS },
} as const;

/** Objects of projects beside Kubernetes itself: KEDA's autoscalers, the Prometheus operator's monitor. */
const OPERATORS = {
  ...{ queueMetrics: "keda", prometheusUrl: "http://prometheus.monitoring:9090" },
  ...{ monitoringNamespace: "monitoring", monitoringLabels: "release=prometheus" },
} as const;

const GATEWAY: Changes = { gateway: "gateways/public", ingressClass: undefined, ingressTlsSecret: undefined };

type Run = (stack: string) => Promise<Recorder>;

/** Stacks whose program makes Kubernetes objects, by a name that is the stack's. */
const STACKS = {
  dev: anyCluster(LEAST),
  prod: anyCluster(ANY_CLUSTER),
  "prod-external": anyCluster({ ...ANY_CLUSTER, queueMetrics: "external" }, ["databaseCaFile", "redisCaFile", "kafkaCaFile"]),
  "prod-keda": anyCluster({ ...ANY_CLUSTER, ...OPERATORS, ...GATEWAY }),
  "eks-dev": onEks("dev", { profile: "dev" }),
  "eks-prod": onEks("prod", { events: "sqs" }),
  "eks-prod-keda": onEks("prod", { events: "sqs", ...OPERATORS }),
  "eks-second": onEks("prod", TWO_REGIONS),
  "eks-second-taken": onEks("prod", { ...TWO_REGIONS, writeRegion: TWO_REGIONS.secondRegion }),
} as const satisfies Record<string, Run>;

export type KubernetesStack = keyof typeof STACKS;

export const KUBERNETES_STACKS = Object.keys(STACKS) as KubernetesStack[];

/**
 * The Kubernetes objects that the program makes for a stack, from a run under mocks. Of two regions, each with a cluster, those of the second:
 * the first has what a stack with one region has.
 * @param name of the stack, and so of its namespace
 */
export async function kubernetesManifests(stack: KubernetesStack, name: string = stack): Promise<Manifest[]> {
  const { resources } = await STACKS[stack](name);
  const second = resources.filter(({ provider }) => provider.includes("::second-eks::"));
  return manifestsOf(second.length > 0 ? second : resources);
}

/** @param authorities keys that name a file with a certificate of one's own authority */
function anyCluster(values: Changes, authorities: readonly string[] = []): Run {
  return async (stack) => {
    const directory = mkdtempSync(path.join(tmpdir(), "kubernetes-program-"));
    const file = path.join(directory, "authority.pem");
    writeFileSync(file, issue({ name: "Shop CA" }).certificate);
    const recorder = await Recorder.install("phased-stack", stack);
    const before = process.env["PULUMI_CONFIG_SECRET_KEYS"];
    process.env["PULUMI_CONFIG_SECRET_KEYS"] = JSON.stringify(Object.keys(SECRETS).map((key) => `phased-stack:${key}`));
    const all = { ...values, ...Object.fromEntries(authorities.map((key) => [key, file])) };
    const given = Object.entries(all).filter((entry): entry is [string, string] => entry[1] !== undefined);
    pulumi.runtime.setAllConfig({ ...NO_ENGINE, ...Object.fromEntries(given.map(([key, value]) => [`phased-stack:${key}`, value])) });
    try {
      await program();
      await settled();
    } finally {
      rmSync(directory, { recursive: true });
      if (before === undefined) delete process.env["PULUMI_CONFIG_SECRET_KEYS"];
      else process.env["PULUMI_CONFIG_SECRET_KEYS"] = before;
    }
    return recorder;
  };
}

function onEks(stack: "dev" | "prod", changes: Changes): Run {
  return async (name) => (await freshCloudRun(stack, { ...EKS, ...changes }, { name })).recorder;
}
