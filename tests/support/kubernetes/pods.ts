import type { KubernetesApi, KubernetesObject } from "../../../toolchain/lib/kubernetes-api";

/** A pod's fields that tests look at. */
export interface Pod extends KubernetesObject {
  readonly spec: { readonly containers: readonly { readonly image: string }[] };
  readonly status: { readonly phase: string; readonly conditions?: readonly { readonly type: string; readonly status: string }[] };
}

/** Pods of a role that are not on their way out. @param role as its label has it, e.g. `web` */
export async function podsOf(api: KubernetesApi, namespace: string, role: string): Promise<Pod[]> {
  const pods = (await api.list("v1", "Pod", namespace)) as readonly Pod[];
  return pods
    .map((pod) => ({ ...pod, apiVersion: "v1", kind: "Pod" }))
    .filter(({ metadata }) => (metadata["labels"] as Record<string, string>)["app.kubernetes.io/component"] === role)
    .filter(({ metadata }) => metadata["deletionTimestamp"] === undefined);
}

export function isReady({ status }: Pod): boolean {
  return status.conditions?.some(({ type, status: value }) => type === "Ready" && value === "True") === true;
}

/** Says of a pod what its node would: that it runs, and answers its readiness probe. */
export async function markReady(api: KubernetesApi, pod: Pod): Promise<void> {
  const lastTransitionTime = new Date().toISOString();
  const conditions = ["Initialized", "ContainersReady", "Ready"].map((type) => ({ type, status: "True", lastTransitionTime }));
  await api.writeStatus(pod, { phase: "Running", conditions });
}

/** Says of a pod that its container has ended well. */
export async function markSucceeded(api: KubernetesApi, pod: Pod): Promise<void> {
  await api.writeStatus(pod, { phase: "Succeeded" });
}

/** Has a pod evicted, as whoever empties a node does. @throws KubernetesApiError with status 429 when a disruption budget forbids it */
export async function evict(api: KubernetesApi, { metadata: { name, namespace } }: Pod): Promise<void> {
  const metadata = { name, ...(namespace === undefined ? {} : { namespace }) };
  await api.request("POST", `/api/v1/namespaces/${namespace ?? ""}/pods/${name}/eviction`, {
    ...{ apiVersion: "policy/v1", kind: "Eviction", metadata },
  });
}
