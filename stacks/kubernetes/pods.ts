import type * as k8s from "@pulumi/kubernetes";
import type * as pulumi from "@pulumi/pulumi";
import type { MountedAuthorities } from "../../components/kubernetes/authorities";
import { type KubernetesContext, objectName } from "../../components/kubernetes/context";
import { Migrations } from "../../components/kubernetes/migrations";
import type { MountedSecrets } from "../../components/kubernetes/secret-files";
import { type Backlog, Workload, workerHeapMb, type WorkloadArgs } from "../../components/kubernetes/workload";
import type { AppRole, AppSettings } from "../../components/local/app/environment";
import type { CloudPlan, ServicePlan } from "../cloud/sizing/types";
import type { StackConfig } from "../config";

type Variables = WorkloadArgs["variables"];

/** What the app's pods are given, on any cluster. */
export interface PodParts {
  /** What the names of everything begin with. @default nothing */
  readonly prefix?: string;
  readonly context: KubernetesContext;
  readonly provider: k8s.Provider;
  readonly plan: CloudPlan;
  readonly roles: readonly AppRole[];
  readonly image: pulumi.Input<string>;
  /** Settings that the role does not change. */
  readonly settings: AppSettings;
  /** Environment of a role's pods. */
  readonly variables: (settings: AppSettings) => Variables;
  /** Environment that is kept ready beside it, see {@link WorkloadArgs}. @default none */
  readonly takeover?: ((settings: AppSettings) => Variables) | undefined;
  readonly secrets: MountedSecrets;
  /** Authorities of one's own, for the migration, too. @default none */
  readonly authorities?: MountedAuthorities | undefined;
  /** @default something in `dependsOn` has migrated the schema */
  readonly migrations?: { readonly variables: Variables; readonly secrets: MountedSecrets } | undefined;
  readonly documentsClaim?: pulumi.Input<string> | undefined;
  /** Objects that have to know the web role's service before its first pod is made. @default none */
  readonly beforeWebPods?: WorkloadArgs["beforePods"];
  /** What has to be there before any pod starts. */
  readonly dependsOn: readonly pulumi.Resource[];
}

/** What runs in a cluster. */
export interface AppPods {
  /** By role. */
  readonly workloads: Readonly<Partial<Record<AppRole, Workload>>>;
  readonly migrations: Migrations | undefined;
}

/** Migrations first, then web, jobs and consumer, each with its autoscaler. */
export function appPods(config: StackConfig, parts: PodParts): AppPods {
  const { prefix = "", context, provider, plan, image } = parts;
  const migrations =
    parts.migrations &&
    new Migrations(
      `${prefix}migrations`,
      { context, image, authorities: parts.authorities, imagePullSecret: config.imagePullSecret, ...parts.migrations },
      { provider, dependsOn: [...parts.dependsOn] },
    );
  const sizes: Readonly<Record<AppRole, ServicePlan>> = { web: plan.web, jobs: plan.jobs, consumer: plan.consumer };
  const workload = (role: AppRole): Workload => {
    const { workers, memoryMb, cpu, minTasks, maxTasks, poolMax, replicaPoolMax } = sizes[role];
    const settings: AppSettings = {
      ...parts.settings,
      role,
      workers,
      workerHeapMb: config.workerHeapMb ?? workerHeapMb(memoryMb, workers),
      pools: { max: poolMax, replicaMax: replicaPoolMax },
    };
    return new Workload(
      `${prefix}${role}`,
      {
        ...{ context, role, image, memoryMb, documentsClaim: parts.documentsClaim },
        ...{ secrets: parts.secrets, authorities: parts.authorities, imagePullSecret: config.imagePullSecret },
        // What the system needs of a node is taken from all pods alike.
        cpuMilli: Math.floor((cpu / 1024) * 1000 * (plan.nodes?.podCpuShare ?? 1)),
        ...{ minPods: minTasks, maxPods: maxTasks },
        variables: parts.variables(settings),
        takeover: parts.takeover?.(settings),
        backlog: backlogOf(config, role, plan, context),
        ...(role === "web" && parts.beforeWebPods !== undefined ? { beforePods: parts.beforeWebPods } : {}),
      },
      { provider, dependsOn: [...(migrations === undefined ? [] : [migrations]), ...parts.dependsOn] },
    );
  };
  return { workloads: Object.fromEntries(parts.roles.map((role) => [role, workload(role)])), migrations };
}

/** What waits, as the app itself counts it (`app/src/jobs/metrics.ts`, `app/src/events/metrics.ts`): every pod of a role sees the same. */
const WAITING = {
  jobs: {
    metricName: "jobs_waiting",
    query: (namespace: string) => `sum(max by (queue) (jobs{state="waiting",namespace="${namespace}"}))`,
  },
  consumer: {
    metricName: "kafka_consumer_lag",
    query: (namespace: string) => `sum(max by (topic, partition) (kafka_consumer_lag{namespace="${namespace}"}))`,
  },
} as const;

function backlogOf(
  { queueMetrics, prometheusUrl }: StackConfig,
  role: AppRole,
  plan: CloudPlan,
  context: KubernetesContext,
): Backlog | undefined {
  if (role === "web") return undefined;
  const { metricName, query } = WAITING[role];
  const perPod = plan[role].backlogPerTask;
  if (queueMetrics === "external") return { perPod, source: { kind: "external", metricName } };
  // That the address is there, is checked with the rest of the configuration.
  if (queueMetrics !== "keda" || prometheusUrl === undefined) return undefined;
  return { perPod, source: { kind: "keda", prometheusUrl, query: query(objectName(context)) } };
}
