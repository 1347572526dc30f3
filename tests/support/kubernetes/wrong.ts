import type { Manifest } from "../manifests";

/** A manifest with one thing changed that the server has to refuse. */
export interface Wrong {
  readonly what: string;
  readonly manifest: Manifest;
  /** What the server says. */
  readonly refused: RegExp;
}

type Path = readonly (string | number)[];
type Change = readonly [kind: string, what: string, path: Path, value: unknown, refused: RegExp];

const TEMPLATE = ["spec", "template", "spec"];
const CONTAINER = [...TEMPLATE, "containers", 0];

const BUILT_IN: readonly Change[] = [
  [
    "Deployment",
    "an unknown field",
    [...CONTAINER, "readinesProbe"],
    { httpGet: { path: "/", port: 1 } },
    /readinesProbe: field not declared/,
  ],
  ["Deployment", "labels it does not select", ["spec", "template", "metadata", "labels"], { a: "b" }, /`selector` does not match template/],
  [
    "Deployment",
    "a probe without a port",
    [...CONTAINER, "livenessProbe"],
    { httpGet: { path: "/" } },
    /httpGet.port: Required|httpGet.port: Invalid/,
  ],
  ["Deployment", "no way to roll out", ["spec", "strategy", "rollingUpdate", "maxSurge"], 0, /may not be 0 when `maxSurge` is 0/],
  [
    "Deployment",
    "more memory asked for than allowed",
    [...CONTAINER, "resources", "limits", "memory"],
    "1Mi",
    /must be less than or equal to memory limit/,
  ],
  ["Deployment", "a mount of no volume", [...CONTAINER, "volumeMounts", 0, "name"], "nowhere", /volumeMounts\[0\].name: Not found/],
  [
    "Deployment",
    "a pause longer than the grace",
    [...CONTAINER, "lifecycle", "preStop", "sleep", "seconds"],
    3600,
    /must be (?:non-negative and )?less than/,
  ],
  [
    "HorizontalPodAutoscaler",
    "more pods at least than at most",
    ["spec", "maxReplicas"],
    1,
    /must be greater than or equal to `minReplicas`/,
  ],
  ["HorizontalPodAutoscaler", "a metric of no kind", ["spec", "metrics", 0, "type"], "Guess", /Unsupported value: "Guess"/],
  ["PodDisruptionBudget", "two bounds", ["spec", "minAvailable"], 1, /minAvailable and maxUnavailable cannot be both set/],
  [
    "NetworkPolicy",
    "addresses that are none",
    ["spec", "egress", 0, "to", 0, "ipBlock"],
    { cidr: "10.0.0.0/33" },
    /Invalid value: "10.0.0.0\/33"/,
  ],
  ["Service", "a port above 65535", ["spec", "ports", 0, "port"], 70_000, /must be between 1 and 65535/],
  ["Ingress", "a path of no type", ["spec", "rules", 0, "http", "paths", 0, "pathType"], "Guess", /pathType: Unsupported value/],
  ["PersistentVolumeClaim", "no size", ["spec", "resources", "requests", "storage"], "0", /must be greater than zero/],
  [
    "Job",
    "a pod that is started again for ever",
    [...TEMPLATE, "restartPolicy"],
    "Always",
    /restartPolicy: .*(?:Required|Unsupported) value/,
  ],
];

const CUSTOM: readonly Change[] = [
  ["ScaledObject", "triggers that are no list", ["spec", "triggers"], "prometheus", /triggers.*(?:must be of type array|expected list)/],
  ["ScaledObject", "an unknown field", ["spec", "minReplicas"], 1, /minReplicas: field not declared/],
  ["ServiceMonitor", "an interval without a unit", ["spec", "endpoints", 0, "interval"], "15", /endpoints\[0\].interval.*should match/],
  ["HTTPRoute", "a host with a port", ["spec", "hostnames", 0], "shop.example.com:443", /hostnames\[0\].*should match/],
];

const KARPENTER: readonly Change[] = [
  ["NodePool", "an unknown policy", ["spec", "disruption", "consolidationPolicy"], "Never", /Unsupported value: "Never"/],
  [
    "NodePool",
    "a requirement without values",
    ["spec", "template", "spec", "requirements", 0, "values"],
    [],
    /must have a value defined|requirements with operator 'In'/,
  ],
];

const FROZEN: readonly Change[] = [
  ["PriorityClass", "another value", ["value"], 5, /value: Forbidden: may not be changed in an update/],
  ["ConfigMap", "another environment", ["data", "LOG_LEVEL"], "trace", /field is immutable when `immutable` is set/],
  ["Secret", "another secret", ["stringData", "added"], "value", /field is immutable when `immutable` is set/],
  ["Job", "another image", [...CONTAINER, "image"], "registry.example.com/other:1", /field is immutable/],
  ["Deployment", "another selector", ["spec", "selector", "matchLabels", "added"], "label", /field is immutable|does not match template/],
];

const SECURITY: readonly Change[] = [
  ["Deployment", "privileged", ["containers", 0, "securityContext"], { privileged: true }, /must not set securityContext.privileged=true/],
  [
    "Deployment",
    "with rights to be had",
    ["containers", 0, "securityContext", "allowPrivilegeEscalation"],
    true,
    /allowPrivilegeEscalation != false/,
  ],
  ["Deployment", "with capabilities", ["containers", 0, "securityContext", "capabilities"], {}, /unrestricted capabilities/],
  ["Deployment", "as root", ["containers", 0, "securityContext", "runAsUser"], 0, /runAsUser=0|runAsNonRoot/],
  ["Deployment", "without a filter of system calls", ["securityContext", "seccompProfile"], { type: "Unconfined" }, /seccompProfile/],
  ["Deployment", "in the node's network", ["hostNetwork"], true, /host namespaces|hostNetwork/],
  ["Deployment", "with the node's files", ["volumes", 0], { name: "data", hostPath: { path: "/" } }, /hostPath/],
];

const changesOf =
  (changes: readonly Change[]) =>
  (manifests: readonly Manifest[]): readonly Wrong[] =>
    changes.map(([kind, what, path, value, refused]) => ({
      what: `${kind} with ${what}`,
      manifest: changed(first(manifests, kind, path), path, value),
      refused,
    }));

/** By what knows that they are wrong. */
export const wrongManifests = {
  /** The kinds of Kubernetes itself. */
  builtIn: changesOf(BUILT_IN),
  /** The definitions of custom resources. */
  custom: changesOf(CUSTOM),
  karpenter: changesOf(KARPENTER),
  /** Refused because of what is there already. */
  frozen: changesOf(FROZEN),
};

/** Pods as the Deployment of the web role makes them, each with one right too many; all are refused by their namespace's label. */
export function wrongPods(manifests: readonly Manifest[]): readonly Wrong[] {
  const { metadata, spec } = first(manifests, "Deployment", []) as unknown as {
    metadata: { namespace: string };
    spec: { template: { metadata: { labels: object }; spec: object } };
  };
  return SECURITY.map(([, what, path, value, refused]) => ({
    what: `a pod ${what}`,
    manifest: {
      ...{
        apiVersion: "v1",
        kind: "Pod",
        metadata: { name: "wrong", namespace: metadata.namespace, labels: spec.template.metadata.labels },
      },
      spec: changed(spec.template.spec, path, value),
    },
    refused: new RegExp(`violates PodSecurity "restricted:latest": .*(?:${refused.source})`, "s"),
  }));
}

/** The first object of a kind that has what the path leads to, or its parent. */
function first(manifests: readonly Manifest[], kind: string, path: Path): Manifest {
  const found = manifests.find((manifest) => manifest.kind === kind && hasPlace(manifest, path.slice(0, -1)));
  if (found === undefined) throw new Error(`the stack has no ${kind} with ${path.join(".")}`);
  return found;
}

function hasPlace(value: unknown, path: Path): boolean {
  const [key, ...rest] = path;
  if (key === undefined) return typeof value === "object" && value !== null;
  return typeof value === "object" && value !== null && hasPlace((value as Record<string | number, unknown>)[key], rest);
}

function changed<T extends object>(object: T, path: Path, value: unknown): T {
  const copy = structuredClone(object);
  const place = path.slice(0, -1).reduce<unknown>((at, key) => (at as Record<string | number, unknown>)[key], copy);
  (place as Record<string | number, unknown>)[path.at(-1) ?? ""] = value;
  return copy;
}
