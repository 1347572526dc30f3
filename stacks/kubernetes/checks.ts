import { existsSync } from "node:fs";
import { cloudFields, type CloudKey } from "../cloud/keys";
import { isRange } from "../cloud/regions";
import type { StackConfig } from "../config/keys";

const fix = (key: CloudKey): string => `Fix: pulumi config set ${key} ${cloudFields[key].example}`;

/** Keys cloudRuntime kubernetes cannot do without, beside secrets. */
const REQUIRED = ["users", "documentsStorageClass"] as const satisfies CloudKey[];

/** What is missing for any cluster, or does not go together. */
export function kubernetesViolations(config: StackConfig, hasKubeconfig: boolean): string[] {
  const violations = REQUIRED.filter((key) => config[key] === undefined).map(
    (key) => `${key} is not set, and cloudRuntime kubernetes needs it; allowed: ${cloudFields[key].allowed}. ${fix(key)}`,
  );
  if (config.image === undefined) {
    violations.push(
      "image is not set, and a cluster of your own has no registry that this stack could push to; allowed: a reference by digest. " +
        "Fix: pulumi config set image REPOSITORY@sha256:DIGEST (docker images --digests)",
    );
  }
  if (config.kubernetesContext === undefined && !hasKubeconfig) {
    violations.push(
      `neither kubernetesContext nor kubeconfig is set, and an update could go to the wrong cluster; allowed: one of them. ${fix("kubernetesContext")}`,
    );
  }
  if (config.kubeconfigFile !== undefined && !existsSync(config.kubeconfigFile)) {
    violations.push(
      `kubeconfigFile ${config.kubeconfigFile} does not exist; allowed: ${cloudFields.kubeconfigFile.allowed}. ${fix("kubeconfigFile")}`,
    );
  }
  if (config.ingressClass !== undefined && config.gateway !== undefined) {
    violations.push("ingressClass and gateway are both set; allowed: one of them. Fix: pulumi config rm ingressClass");
  }
  if (config.ingressClass !== undefined || config.gateway !== undefined) {
    const needed = { ingressNamespace: "requests from it would be refused", domainName: "requests are told apart by it" } as const;
    for (const key of Object.keys(needed) as (keyof typeof needed)[]) {
      if (config[key] !== undefined) continue;
      violations.push(`${key} is not set, and ${needed[key]}; allowed: ${cloudFields[key].allowed}. ${fix(key)}`);
    }
  }
  if (config.ingressTlsSecret !== undefined && config.ingressClass === undefined) {
    violations.push(`ingressTlsSecret is set, but ingressClass is not; allowed: both or neither. ${fix("ingressClass")}`);
  }
  if (config.ingressAnnotations !== undefined && config.ingressClass === undefined) {
    violations.push(`ingressAnnotations is set, but ingressClass is not; allowed: both or neither. ${fix("ingressClass")}`);
  }
  if (config.events !== "none") {
    violations.push(
      `events is ${config.events}, which AWS has; allowed with cloudRuntime kubernetes: none, and kafkaBrokers for a Kafka of yours. Fix: pulumi config rm events`,
    );
  }
  if (config.databaseLogin !== "password") {
    violations.push(
      `databaseLogin is ${config.databaseLogin}, which RDS has; allowed with cloudRuntime kubernetes: password, in databaseUrl. Fix: pulumi config rm databaseLogin`,
    );
  }
  if (config.databases !== undefined) {
    violations.push(
      `databases is ${config.databases}, which are made on RDS; allowed with cloudRuntime kubernetes: addresses of further databases of yours, in databaseShards. Fix: pulumi config rm databases`,
    );
  }
  return [...violations, ...queueViolations(config)];
}

/** What is missing for EKS, or does not go together. */
export function eksViolations(config: StackConfig): string[] {
  const violations: string[] = [];
  if (config.eksAdministrators === undefined) {
    violations.push(
      `eksAdministrators is not set, and nobody could get into the cluster; allowed: ${cloudFields.eksAdministrators.allowed}. ${fix("eksAdministrators")}`,
    );
  }
  if (config.profile === "prod" && config.eksApiCidrs !== undefined) {
    violations.push(
      "eksApiCidrs is set, but profile prod keeps the cluster's API inside of the network; allowed: with profile dev, and eksPrivateCidrs for ways inside. Fix: pulumi config rm eksApiCidrs",
    );
  }
  // EKS takes one entry for whoever it is.
  const both = config.eksViewers?.filter((arn) => config.eksAdministrators?.includes(arn)) ?? [];
  if (both.length > 0) {
    violations.push(
      `eksViewers has ${both.join(", ")}, which eksAdministrators has as well; allowed: each ARN in one of them. Fix: take it out of one`,
    );
  }
  const odd = config.eksPrivateCidrs?.filter((cidr) => !isRange(cidr)) ?? [];
  if (odd.length > 0) {
    violations.push(
      `eksPrivateCidrs has ${odd.join(", ")}; allowed: the first address of a range and the length of its prefix. ${fix("eksPrivateCidrs")}`,
    );
  }
  const open = config.eksApiCidrs?.filter((cidr) => cidr.endsWith("/0")) ?? [];
  if (open.length > 0) {
    violations.push(`eksApiCidrs has ${open.join(", ")}, which is everybody; allowed: your own addresses. ${fix("eksApiCidrs")}`);
  }
  if (config.cpuArchitecture !== "x86_64") {
    violations.push(
      `cpuArchitecture is ${config.cpuArchitecture}, and the nodes of the plan are x86_64; allowed with cloudRuntime eks: x86_64. Fix: pulumi config rm cpuArchitecture`,
    );
  }
  return [...violations, ...queueViolations(config)];
}

function queueViolations({ queueMetrics, prometheusUrl, monitoringNamespace, monitoringLabels }: StackConfig): string[] {
  const violations: string[] = [];
  if (queueMetrics === "keda" && prometheusUrl === undefined) {
    violations.push(
      `queueMetrics is keda, but prometheusUrl is not set; allowed: ${cloudFields.prometheusUrl.allowed}. ${fix("prometheusUrl")}`,
    );
  }
  if (monitoringLabels !== undefined && monitoringNamespace === undefined) {
    violations.push(
      `monitoringLabels is set, but monitoringNamespace is not; allowed: both or monitoringNamespace alone. ${fix("monitoringNamespace")}`,
    );
  }
  if (queueMetrics === "keda" && monitoringNamespace === undefined) {
    violations.push(
      `queueMetrics is keda, but without monitoringNamespace Prometheus does not read the app's figures; allowed: ${cloudFields.monitoringNamespace.allowed}. ${fix("monitoringNamespace")}`,
    );
  }
  return violations;
}
