/** A phase of growth (feature A1). The stack sets what a phase provides; the app reads its phase off its environment. */
export type Phase = "cluster" | "database" | "cloud";

/** Variables that announce a backing service, with the phase that brings it. An empty variable counts as absent. */
const SERVICE_VARIABLES: Readonly<Record<string, Phase>> = {
  DATABASE_URL: "database",
  DATABASE_READ_REPLICAS: "database",
  REDIS_URL: "database",
  REDIS_LIMITS_URL: "database",
  KAFKA_BROKERS: "database",
  SQS_QUEUE_URL: "cloud",
  S3_BUCKET: "cloud",
};

/** Set by the platforms themselves: ECS sets the first in every task, Kubernetes the second in every pod. */
const CLOUD_PLATFORM_VARIABLES = ["ECS_CONTAINER_METADATA_URI_V4", "KUBERNETES_SERVICE_HOST"];

/** What the environment says about the phase. */
export interface DetectedPhase {
  readonly phase: Phase;
  /** Names of the variables that led to it, in the order of `SERVICE_VARIABLES`. */
  readonly because: readonly string[];
}

/**
 * Works out the phase from what is configured, never from what answers: a configured service that is down makes the app
 * *degraded*, it does not put it into another phase.
 *
 * No backing service is `cluster`; backing services are `database`; backing services on a cloud platform, or a service that
 * only the cloud phase has, are `cloud`. Every variable also counts as `NAME_FILE`.
 */
export function detectPhase(environment: Readonly<Record<string, string | undefined>>): DetectedPhase {
  const isSet = (name: string): boolean => (environment[name] ?? "") !== "";
  const services = Object.keys(SERVICE_VARIABLES).flatMap((name) => [name, `${name}_FILE`].filter(isSet));
  if (services.length === 0) return { phase: "cluster", because: [] };
  const platform = CLOUD_PLATFORM_VARIABLES.filter(isSet);
  const cloudOnly = services.some((name) => SERVICE_VARIABLES[name.replace(/_FILE$/, "")] === "cloud");
  return { phase: cloudOnly || platform.length > 0 ? "cloud" : "database", because: [...services, ...platform] };
}
