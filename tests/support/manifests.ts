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

/** Kinds that others need: they are made first. */
const FIRST = ["Namespace", "PriorityClass", "ServiceAccount"];

/** The same, with what others need before them: namespaces, then classes, then accounts. */
export function inOrder(manifests: readonly Manifest[]): Manifest[] {
  const place = ({ kind }: Manifest): number => (FIRST.includes(kind) ? FIRST.indexOf(kind) : FIRST.length);
  return [...manifests].sort((a, b) => place(a) - place(b));
}

/** Objects as YAML documents, in order. */
export function yamlOf(manifests: readonly Manifest[]): string {
  return inOrder(manifests)
    .map((manifest) => stringify(manifest, { aliasDuplicateObjects: false }))
    .join("---\n");
}

/** What mocks recorded, as YAML documents, for tools that check manifests. */
export function manifestsYaml(resources: readonly Registered[]): string {
  return yamlOf(manifestsOf(resources));
}
