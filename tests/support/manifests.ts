import { stringify } from "yaml";
import type { Registered } from "./pulumi-mocks";

/** A Kubernetes object as `kubectl apply` takes it. */
export interface Manifest {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: { readonly name: string; readonly namespace?: string };
  readonly [field: string]: unknown;
}

/** Resources of @pulumi/kubernetes whose type is no kind. */
const NO_OBJECT = /^kubernetes:(helm\.sh|kustomize|yaml)\//;

/**
 * Every Kubernetes object that mocks recorded. Names are those that were given; where the provider would make one up, it is the resource's with a
 * made-up ending, as the mocks answered, so that references lead somewhere. Secrets have their mocked values.
 */
export function manifestsOf(resources: readonly Registered[]): Manifest[] {
  return resources.flatMap(({ type, name, inputs }): Manifest[] => {
    const [, group, version, kind] = /^kubernetes:([\w.-]+)\/(\w+):(\w+)$/.exec(type) ?? [];
    if (group === undefined || version === undefined || kind === undefined || NO_OBJECT.test(type)) return [];
    const { metadata, ...rest } = inputs as { readonly metadata?: Record<string, unknown> };
    const apiVersion = group === "core" ? version : `${group}/${version}`;
    return [{ apiVersion, kind, ...rest, metadata: { name: `${name}-1a2b3c4`, ...metadata } }];
  });
}

/** The same as YAML documents, for tools that check manifests and for a dry run on a server: namespaces and classes first. */
export function manifestsYaml(resources: readonly Registered[]): string {
  const first = ["ServiceAccount", "PriorityClass", "Namespace"];
  const ordered = manifestsOf(resources).sort((a, b) => first.indexOf(b.kind) - first.indexOf(a.kind));
  return ordered.map((manifest) => stringify(manifest, { aliasDuplicateObjects: false })).join("---\n");
}
