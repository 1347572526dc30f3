import type * as pulumi from "@pulumi/pulumi";
import type { AppRole } from "../local/app/environment";

/** Where in a cluster a component's objects belong. */
export interface KubernetesContext {
  /** Name of the Pulumi project; in every object's labels. */
  readonly project: string;
  /** Name of the stack. */
  readonly stack: string;
  /** Name of the namespace all objects are in. */
  readonly namespace: pulumi.Input<string>;
}

/** What every component of this folder is told. */
export interface KubernetesArgs {
  readonly context: KubernetesContext;
}

/** What a pod does: a role of the app, or the migration before it. */
export type PodRole = AppRole | "migrations";

/** Names under which roles are found in the namespace, with the app's port (feature A18): `http://app:3001`. The same as on ECS. */
export const SERVICE_NAMES: Readonly<Record<AppRole, string>> = { web: "app", jobs: "jobs", consumer: "consumer" };

/**
 * Name of the environment that is kept ready for the day a role's pods take over from another region. A person hands it to them in a hurry
 * (docs/region-failover.md), so it is known.
 */
export const takeoverName = (role: AppRole): string => `${SERVICE_NAMES[role]}-takeover`;

/** Most characters of a name that is part of a host name (RFC 1123). */
const LONGEST_NAME = 63;

/** `PROJECT-STACK`, with a suffix where one is given, in what Kubernetes takes as a name: small letters, digits and dashes. */
export function objectName({ project, stack }: Pick<KubernetesContext, "project" | "stack">, suffix?: string): string {
  const whole = [project, stack, ...(suffix === undefined ? [] : [suffix])].join("-").toLowerCase();
  return whole
    .replace(/[^a-z0-9]+/g, "-")
    .slice(0, LONGEST_NAME)
    .replace(/^-+|-+$/g, "");
}

/** Labels that pods of this stack have in common: what policies of the network go by. */
export function partOf({ project, stack }: Pick<KubernetesContext, "project" | "stack">): Record<string, string> {
  return { "app.kubernetes.io/part-of": objectName({ project, stack }) };
}

/** Labels by which a role's pods are found. They never change: a Deployment cannot change what it selects. */
export function selectorOf(context: KubernetesContext, role: PodRole): Record<string, string> {
  return { ...partOf(context), "app.kubernetes.io/component": role };
}

/** Labels of an object, in Kubernetes' recommended names. */
export function labelsOf(context: KubernetesContext, role?: PodRole): Record<string, string> {
  return {
    ...(role === undefined ? partOf(context) : selectorOf(context, role)),
    "app.kubernetes.io/name": objectName({ project: context.project, stack: "app" }),
    "app.kubernetes.io/managed-by": "pulumi",
  };
}
