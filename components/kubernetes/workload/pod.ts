import type * as k8s from "@pulumi/kubernetes";
import type * as pulumi from "@pulumi/pulumi";
import { heapLimitMb, residentLimitMb } from "../../../app/src/config/machine";
import { APP_PORT, DRAIN_DELAY_SECONDS, HEALTH_PATH, READY_PATH, SHUTDOWN_TIMEOUT_SECONDS } from "../../contract";
import { AUTHORITIES_DIRECTORY, type MountedAuthorities } from "../authorities";
import { type KubernetesContext, labelsOf, type PodRole, selectorOf } from "../context";
import { type MountedSecrets, SECRETS_DIRECTORY } from "../secret-files";

/** The only writable directory of a pod that lasts no longer than it. */
export const DATA_DIRECTORY = "/data";

/** Where uploaded documents are, on a volume that all pods share. */
export const DOCUMENTS_DIRECTORY = "/documents";

const defaults = {
  /** User and group of the app in its image: above 10,000, so that they are nobody's on the node. */
  user: 10_001,
  /** Seconds between the moment a pod is to go and SIGTERM: until then nobody sends it anything new any more. */
  preStopSeconds: 15,
  /** Seconds that are left after drain and shutdown, before it is killed. */
  stopMarginSeconds: 5,
  graceSeconds: 60,
  dataSize: "1Gi",
  /** Of the node's disk: logs, and what is in {@link DATA_DIRECTORY}. */
  diskRequest: "1Gi",
  diskLimit: "2Gi",
  /** Asked often while it starts: it may take 90 s, as on Docker. */
  startup: { periodSeconds: 2, timeoutSeconds: 2, failureThreshold: 45 },
  readiness: { periodSeconds: 5, timeoutSeconds: 3, failureThreshold: 2 },
  liveness: { periodSeconds: 10, timeoutSeconds: 5, failureThreshold: 3 },
} as const;

/** Seconds a pod needs to stop; the grace is not less. */
export const STOP_SECONDS = defaults.preStopSeconds + DRAIN_DELAY_SECONDS + SHUTDOWN_TIMEOUT_SECONDS + defaults.stopMarginSeconds;

/** What pods of a role are made of. */
export interface PodArgs {
  readonly context: KubernetesContext;
  readonly role: PodRole;
  /** By digest. */
  readonly image: pulumi.Input<string>;
  /** Thousandths of a CPU it asks for. There is no limit: it would stand still while the node has time. */
  readonly cpuMilli: number;
  /** MiB it asks for and may have: what it has is then never taken away. */
  readonly memoryMb: number;
  /** ConfigMap with its environment. */
  readonly configMapName: pulumi.Input<string>;
  readonly secrets: MountedSecrets;
  /** Authorities of one's own. @default none: the app believes those that Node believes */
  readonly authorities?: MountedAuthorities | undefined;
  readonly serviceAccountName: pulumi.Input<string>;
  /** @default the cluster's */
  readonly priorityClassName?: pulumi.Input<string> | undefined;
  /** Secret with the login of the image's registry. @default none: nodes get the image by themselves */
  readonly imagePullSecret?: string | undefined;
  /** Claim of the volume with uploaded documents. @default none, they are kept elsewhere */
  readonly documentsClaim?: pulumi.Input<string> | undefined;
  /** Words after the image's entry point. @default none: the app starts */
  readonly command?: readonly string[];
}

/** V8 heap of each worker, MiB, as the app itself derives it from its limit: all of them together stay within 75 % of that. */
export function workerHeapMb(memoryMb: number, workers: number): number {
  return heapLimitMb(undefined, residentLimitMb(memoryMb, workers));
}

/** A pod that keeps the restricted Pod Security Standard. With a `command` it runs once and serves nobody. */
export function podTemplate(args: PodArgs): k8s.types.input.core.v1.PodTemplateSpec {
  const { context, role, command } = args;
  return {
    metadata: { labels: labelsOf(context, role) },
    spec: {
      serviceAccountName: args.serviceAccountName,
      automountServiceAccountToken: false,
      enableServiceLinks: false,
      ...(args.imagePullSecret === undefined ? {} : { imagePullSecrets: [{ name: args.imagePullSecret }] }),
      ...(args.priorityClassName === undefined ? {} : { priorityClassName: args.priorityClassName }),
      securityContext: {
        runAsNonRoot: true,
        runAsUser: defaults.user,
        runAsGroup: defaults.user,
        fsGroup: defaults.user,
        // A volume with many files would be walked through at every start otherwise.
        fsGroupChangePolicy: "OnRootMismatch",
        seccompProfile: { type: "RuntimeDefault" },
      },
      containers: [container(args)],
      volumes: [
        { name: "data", emptyDir: { sizeLimit: defaults.dataSize } },
        { name: "secrets", ...args.secrets.source },
        ...(args.authorities === undefined ? [] : [{ name: "authorities", configMap: { name: args.authorities.configMapName } }]),
        ...(args.documentsClaim === undefined ? [] : [{ name: "documents", persistentVolumeClaim: { claimName: args.documentsClaim } }]),
      ],
      ...(command === undefined
        ? {
            terminationGracePeriodSeconds: Math.max(defaults.graceSeconds, STOP_SECONDS),
            topologySpreadConstraints: spread(context, role),
          }
        : { restartPolicy: "Never" }),
    },
  };
}

function container(args: PodArgs): k8s.types.input.core.v1.Container {
  const { command } = args;
  const memory = `${args.memoryMb}Mi`;
  return {
    name: "app",
    image: args.image,
    // A digest never means another image: there is nothing to ask the registry for when it is here.
    imagePullPolicy: "IfNotPresent",
    ...(command === undefined ? serving() : { args: [...command] }),
    envFrom: [{ configMapRef: { name: args.configMapName } }],
    resources: {
      requests: { cpu: `${args.cpuMilli}m`, memory, "ephemeral-storage": defaults.diskRequest },
      limits: { memory, "ephemeral-storage": defaults.diskLimit },
    },
    securityContext: {
      allowPrivilegeEscalation: false,
      privileged: false,
      readOnlyRootFilesystem: true,
      runAsNonRoot: true,
      runAsUser: defaults.user,
      runAsGroup: defaults.user,
      capabilities: { drop: ["ALL"] },
    },
    volumeMounts: [
      { name: "data", mountPath: DATA_DIRECTORY },
      { name: "secrets", mountPath: SECRETS_DIRECTORY, readOnly: true },
      ...(args.authorities === undefined ? [] : [{ name: "authorities", mountPath: AUTHORITIES_DIRECTORY, readOnly: true }]),
      ...(args.documentsClaim === undefined ? [] : [{ name: "documents", mountPath: DOCUMENTS_DIRECTORY }]),
    ],
  };
}

/** What a container that answers has, whatever its role: the app listens in all of them. */
function serving(): Pick<k8s.types.input.core.v1.Container, "ports" | "startupProbe" | "readinessProbe" | "livenessProbe" | "lifecycle"> {
  const health = { httpGet: { path: HEALTH_PATH, port: "http" } };
  return {
    ports: [{ name: "http", containerPort: APP_PORT, protocol: "TCP" }],
    startupProbe: { ...health, ...defaults.startup },
    readinessProbe: { httpGet: { path: READY_PATH, port: "http" }, ...defaults.readiness },
    // Never asks a service: a database that is away is no reason to restart what waits for it.
    livenessProbe: { ...health, ...defaults.liveness },
    lifecycle: { preStop: { sleep: { seconds: defaults.preStopSeconds } } },
  };
}

/** Over zones and nodes as evenly as there is room; a pod that would upset it starts all the same. */
function spread(context: KubernetesContext, role: PodRole): k8s.types.input.core.v1.TopologySpreadConstraint[] {
  return ["topology.kubernetes.io/zone", "kubernetes.io/hostname"].map((topologyKey) => ({
    maxSkew: 1,
    topologyKey,
    whenUnsatisfiable: "ScheduleAnyway",
    labelSelector: { matchLabels: selectorOf(context, role) },
    // Pods of one version by themselves: the old ones are about to go.
    matchLabelKeys: ["pod-template-hash"],
  }));
}
