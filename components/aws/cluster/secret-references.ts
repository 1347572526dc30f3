import * as k8s from "@pulumi/kubernetes";
import * as pulumi from "@pulumi/pulumi";
import { listed } from "../../transform";
import { type KubernetesArgs, labelsOf } from "../../kubernetes/context";
import { type MountedSecrets, secretFile } from "../../kubernetes/secret-files";
import type { SecretReference } from "../service/environment";

export interface SecretReferencesArgs extends KubernetesArgs {
  readonly region: string;
  /** Name of the object, e.g. the role of who is given the secrets. */
  readonly objectName: string;
  /** References by variable, in ECS' form: an ARN of Secrets Manager, with `:KEY::` behind it for a part of JSON. */
  readonly references: Readonly<Record<string, SecretReference | undefined>>;
}

/**
 * Secrets that pods are given by reference, as tasks on ECS are: files that are read from Secrets Manager, as the pod's own role, when it
 * starts. What reads them is an add-on of the cluster, which has to be there before ({@link ClusterAddons}). Their values are neither in
 * Kubernetes nor in what Pulumi sends it, and what is rotated there is what the next pod reads.
 */
export class SecretReferences extends pulumi.ComponentResource {
  readonly mounted: MountedSecrets;
  private readonly provider: k8s.apiextensions.CustomResource;

  constructor(name: string, args: SecretReferencesArgs, opts?: pulumi.ComponentResourceOptions) {
    super("phased-stack:aws:SecretReferences", name, {}, opts);
    const { context, region, objectName } = args;
    const given = Object.entries(args.references).filter((entry): entry is [string, SecretReference] => entry[1] !== undefined);
    const references = given.sort(([a], [b]) => (a < b ? -1 : 1));
    this.provider = new k8s.apiextensions.CustomResource(
      `${name}-provider`,
      {
        apiVersion: "secrets-store.csi.x-k8s.io/v1",
        kind: "SecretProviderClass",
        metadata: { name: objectName, namespace: context.namespace, labels: labelsOf(context) },
        spec: {
          provider: "aws",
          // The provider reads YAML, which JSON is.
          parameters: {
            region,
            usePodIdentity: "true",
            objects: pulumi.jsonStringify(references.map(([variable, reference]) => part(variable, reference))),
          },
        },
      },
      { parent: this, dependsOn: listed(opts?.dependsOn) },
    );
    this.mounted = {
      names: references.map(([variable]) => variable),
      source: {
        csi: { driver: "secrets-store.csi.k8s.io", readOnly: true, volumeAttributes: { secretProviderClass: this.provider.metadata.name } },
      },
    };
    this.registerOutputs({});
  }

  /** The resources this component is made of. */
  get nodes(): { readonly provider: k8s.apiextensions.CustomResource } {
    return { provider: this.provider };
  }
}

/** One secret as the provider is told of it: the whole of it, or one key of its JSON. */
function part(variable: string, reference: SecretReference): pulumi.Output<Record<string, unknown>> {
  const file = secretFile(variable);
  return pulumi.output(reference).apply((text): Record<string, unknown> => {
    const { arn, key } = parseReference(text);
    if (key === undefined) return { objectName: arn, objectAlias: file };
    // The provider writes the whole secret as well, under the first name.
    return { objectName: arn, objectAlias: `${file}_json`, jmesPath: [{ path: key, objectAlias: file }] };
  });
}

/** ARN and key of a reference in ECS' form; an ARN has seven parts. */
export function parseReference(reference: string): { readonly arn: string; readonly key: string | undefined } {
  const parts = reference.split(":");
  const key = parts[7];
  return { arn: parts.slice(0, 7).join(":"), key: key === undefined || key === "" ? undefined : key };
}
