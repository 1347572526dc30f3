import * as pulumi from "@pulumi/pulumi";
import { type CloudKey, cloudFields } from "./cloud/keys";
import { crossFieldViolations } from "./config/checks";
import type { Field } from "./config/fields";
import { fields, type Given, type StackConfig, unusedKeys } from "./config/keys";
import { closest } from "./config/did-you-mean";
import { SECRET_FIELDS, secretValues, secretViolations } from "./config/secrets";
import { shardViolations } from "./config/shards";
import { authorityViolations } from "./kubernetes/authorities";

export { type Phase, PHASES, type StackConfig } from "./config/keys";

/** What the configuration is read from. */
export interface ConfigSource {
  readonly project: string;
  readonly stack: string;
  /** All configuration of the stack, keys with their namespace. */
  readonly values: Readonly<Record<string, string>>;
  readonly isSecret: (key: string) => boolean;
}

/**
 * Reads and validates the whole configuration of the running program.
 * @throws RunError listing every violation with the command that repairs it.
 */
export function loadConfig(source: ConfigSource = programConfig()): StackConfig {
  const violations: string[] = [];
  const given = readFields(source, violations);
  const config = withDefaults(given, source.stack);
  const onKubernetes = config.phase === "cloud" && config.cloudRuntime === "kubernetes";
  const secrets = secretValues(source);
  violations.push(
    ...unknownKeys(source),
    ...crossFieldViolations(config, given, secrets.kubeconfig !== undefined),
    ...secretViolations(source, [
      ...(onKubernetes ? (["cloudRuntime kubernetes"] as const) : []),
      ...(config.phase === "database" && config.backupUrl !== undefined ? (["backupUrl"] as const) : []),
    ]),
    ...(onKubernetes ? [...authorityViolations(config, secrets), ...shardViolations(secrets, config.databaseShardsForNew)] : []),
  );
  if (violations.length === 0) {
    tellUnused(given, config);
    return config;
  }
  const count = violations.length === 1 ? "a problem" : `${violations.length} problems`;
  throw new pulumi.RunError(
    `the configuration of stack ${source.stack} has ${count}:\n${violations.map((violation) => `  - ${violation}`).join("\n")}`,
  );
}

function programConfig(): ConfigSource {
  // The SDK keeps its own `isConfigSecret` to itself; this is the variable the language host fills for it.
  const secretKeys = JSON.parse(process.env["PULUMI_CONFIG_SECRET_KEYS"] ?? "[]") as readonly string[];
  return {
    project: pulumi.getProject(),
    stack: pulumi.getStack(),
    values: pulumi.runtime.allConfig(),
    isSecret: (key) => secretKeys.includes(key),
  };
}

function readFields(source: ConfigSource, violations: string[]): Given {
  const given: Record<string, unknown> = {};
  for (const [key, field] of Object.entries<Field<unknown>>(fields)) {
    const fullKey = `${source.project}:${key}`;
    const text = source.values[fullKey];
    if (text === undefined) continue;
    if (source.isSecret(fullKey)) {
      violations.push(`${fullKey} is set as a secret, but its value would be visible in containers. Fix: ${setCommand(key, field)}`);
      continue;
    }
    const parsed = field.schema.safeParse(text);
    if (parsed.success) given[key] = parsed.data;
    // The value of variables and of addresses is not repeated: somebody may have put a password there.
    else {
      const shown = key === "appEnvironment" || key === "backupUrl" ? "not usable" : JSON.stringify(text);
      violations.push(`${fullKey} is ${shown}; allowed: ${field.allowed}. Fix: ${setCommand(key, field)}`);
    }
  }
  return given;
}

function setCommand(key: string, field: Field<unknown>): string {
  return field.example.startsWith("--path") ? `pulumi config set ${field.example}` : `pulumi config set ${key} ${field.example}`;
}

/** Not refused: a stack may go to another phase and back without losing its settings. Not silent either: somebody may wait for an effect. */
function tellUnused(given: Given, { phase }: StackConfig): void {
  const unused = unusedKeys(given, phase);
  if (unused.length === 0) return;
  void pulumi.log.info(
    `without effect in phase ${phase}, kept for the phase that uses ${unused.length === 1 ? "it" : "them"}: ${unused.join(", ")}`,
  );
}

/** Keys of phase `cloud` without a default. */
const UNSET_CLOUD = Object.fromEntries(Object.keys(cloudFields).map((key) => [key, undefined])) as Record<CloudKey, undefined>;

function withDefaults(given: Given, stack: string): StackConfig {
  return {
    ...UNSET_CLOUD,
    phase: "cluster",
    appInstances: given.phase === "database" ? 3 : 1,
    workers: "auto",
    appMemoryMb: undefined,
    appCpus: undefined,
    workerHeapMb: undefined,
    uvThreadpoolSize: undefined,
    port: 3001,
    publishAddress: "127.0.0.1",
    tls: "off",
    tlsCertificateFile: undefined,
    tlsKeyFile: undefined,
    httpRedirectPort: undefined,
    image: undefined,
    imagesOf: undefined,
    appEnvironment: {},
    logLevel: "info",
    protect: stack !== "dev",
    apiRequestsPerSecond: 100,
    apiBurst: 100,
    chatRequestsPerSecond: 50,
    chatBurst: 50,
    appBootSeconds: 90,
    maxBodyMb: 10,
    memoryBudgetMb: undefined,
    jobsMemoryMb: undefined,
    postgresNodes: 3,
    postgresMemoryMb: undefined,
    postgresCpus: undefined,
    etcdMembers: "1",
    durability: "available",
    backups: true,
    backupEveryHours: 6,
    backupFullEveryDays: 7,
    backupKeepDays: 7,
    backupUrl: undefined,
    backupCaFile: undefined,
    dbPoolSize: undefined,
    redisCacheMb: undefined,
    redisLimitsMb: undefined,
    moveData: true,
    leaveDatabase: false,
    kafka: false,
    kafkaMemoryMb: undefined,
    kafkaRetentionHours: 168,
    kafkaRetentionMb: 256,
    monitoring: false,
    prometheusPort: 9090,
    alertmanagerPort: 9093,
    grafanaPort: 3000,
    metricsRetentionDays: 15,
    metricsRetentionMb: 2048,
    profile: stack === "dev" ? "dev" : "prod",
    cloudRuntime: "ecs",
    databaseLogin: "password",
    events: "none",
    cdn: true,
    uploadsKeyGeneration: 1,
    cpuArchitecture: "x86_64",
    ...given,
  };
}

function unknownKeys({ project, values }: ConfigSource): string[] {
  const prefix = `${project}:`;
  const names = Object.keys(values).filter((key) => key.startsWith(prefix));
  return names
    .map((key) => key.slice(prefix.length))
    .filter((key) => !(key in fields) && !(key in SECRET_FIELDS))
    .sort()
    .map((key) => {
      const suggestion = closest(key, Object.keys(fields));
      const meant = suggestion === undefined ? `known keys: ${Object.keys(fields).join(", ")}` : `did you mean ${suggestion}?`;
      return `${prefix}${key} is not a known key; ${meant} Fix: pulumi config rm ${key}`;
    });
}
