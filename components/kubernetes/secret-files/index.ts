import * as k8s from "@pulumi/kubernetes";
import * as pulumi from "@pulumi/pulumi";
import { type KubernetesArgs, labelsOf, type PodRole } from "../context";

/** Where a container finds its secrets; the same on every target. */
export const SECRETS_DIRECTORY = "/run/secrets";

/** A file for its owner and group: pods give their volumes to the app's group. */
const FILE_MODE = 0o440;

/** Secrets as a volume of a pod. Their values are in no environment variable, which everybody who may look at a pod would see. */
export interface MountedSecrets {
  /** Variables of the app contract whose values are in files: each is given as `NAME_FILE`. */
  readonly names: readonly string[];
  /** What the volume is made from. */
  readonly source: Omit<k8s.types.input.core.v1.Volume, "name">;
}

/** Name of the file a variable's value is in, e.g. `redis_url`. */
export function secretFile(variable: string): string {
  return variable.toLowerCase();
}

/** The variables that tell the app where its secrets are, e.g. `REDIS_URL_FILE`. */
export function fileVariables({ names }: MountedSecrets): Record<string, string> {
  return Object.fromEntries(names.map((name) => [`${name}_FILE`, `${SECRETS_DIRECTORY}/${secretFile(name)}`]));
}

export interface SecretFilesArgs extends KubernetesArgs {
  /** Whose they are: other roles' pods are not given them. */
  readonly role: PodRole | "app";
  /** Values by variable. */
  readonly values: Readonly<Record<string, pulumi.Input<string>>>;
}

/**
 * Secrets kept in the cluster itself. A changed value is a new object with a new name, which pods refer to: so they are replaced one after
 * the other, and those that wait to be see the old value until then. Whether etcd encrypts them is for the cluster to say.
 */
export class SecretFiles extends pulumi.ComponentResource {
  readonly mounted: MountedSecrets;
  private readonly secret: k8s.core.v1.Secret;

  constructor(name: string, args: SecretFilesArgs, opts?: pulumi.ComponentResourceOptions) {
    super("phased-stack:kubernetes:SecretFiles", name, {}, opts);
    const { context, role, values } = args;
    const names = Object.keys(values).sort();
    this.secret = new k8s.core.v1.Secret(
      `${name}-secret`,
      {
        metadata: { namespace: context.namespace, labels: labelsOf(context, role === "app" ? undefined : role) },
        type: "Opaque",
        immutable: true,
        stringData: Object.fromEntries(names.map((variable) => [secretFile(variable), pulumi.secret(values[variable] ?? "")])),
      },
      { parent: this },
    );
    this.mounted = { names, source: { secret: { secretName: this.secret.metadata.name, defaultMode: FILE_MODE } } };
    this.registerOutputs({});
  }

  /** The resources this component is made of. */
  get nodes(): { readonly secret: k8s.core.v1.Secret } {
    return { secret: this.secret };
  }
}
