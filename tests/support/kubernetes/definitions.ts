import type { KubernetesObject } from "../../../toolchain/lib/kubernetes-api";

/** Kinds whose projects publish their definitions neither as a Go module nor on another registry. */
const UNPUBLISHED: readonly {
  readonly group: string;
  readonly kind: string;
  readonly plural: string;
  readonly scope: "Cluster" | "Namespaced";
}[] = [
  { group: "eks.amazonaws.com", kind: "NodeClass", plural: "nodeclasses", scope: "Cluster" },
  { group: "eks.amazonaws.com", kind: "TargetGroupBinding", plural: "targetgroupbindings", scope: "Namespaced" },
  { group: "secrets-store.csi.x-k8s.io", kind: "SecretProviderClass", plural: "secretproviderclasses", scope: "Namespaced" },
];

/** Definitions that take any field: of these kinds the server checks names, labels and namespaces only. */
export const PERMISSIVE_DEFINITIONS: readonly KubernetesObject[] = UNPUBLISHED.map(({ group, kind, plural, scope }) => ({
  apiVersion: "apiextensions.k8s.io/v1",
  kind: "CustomResourceDefinition",
  metadata: { name: `${plural}.${group}` },
  spec: {
    ...{ group, scope, names: { kind, plural, singular: kind.toLowerCase() } },
    versions: [
      {
        ...{ name: "v1", served: true, storage: true },
        schema: { openAPIV3Schema: { type: "object", "x-kubernetes-preserve-unknown-fields": true } },
      },
    ],
  },
}));
