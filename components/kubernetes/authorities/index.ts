import * as k8s from "@pulumi/kubernetes";
import * as pulumi from "@pulumi/pulumi";
import { transformed, type Transform } from "../../transform";
import { type KubernetesArgs, labelsOf } from "../context";

/** Where a container finds certificates of authorities; the directory is nobody else's. */
export const AUTHORITIES_DIRECTORY = "/etc/authorities";

/** Certificates as a volume of a pod. */
export interface MountedAuthorities {
  /** Variables of the app contract that name a file each, e.g. `DATABASE_CA`. */
  readonly variables: Readonly<Record<string, string>>;
  readonly configMapName: pulumi.Input<string>;
}

export interface AuthoritiesArgs extends KubernetesArgs {
  /** PEM by variable of the app contract. No secret: certificates are what servers show to everybody. */
  readonly certificates: Readonly<Record<string, string>>;
  /** Changes to the child resource before it is created. */
  readonly transform?: { readonly configMap?: Transform<k8s.core.v1.ConfigMapArgs> };
}

/**
 * Authorities of one's own, whose certificates the app believes of Postgres, Redis or Kafka. Changed, they are a new object with a new name, so
 * that pods are replaced one after the other; the old one goes when nobody refers to it any more.
 */
export class Authorities extends pulumi.ComponentResource {
  readonly mounted: MountedAuthorities;
  private readonly configMap: k8s.core.v1.ConfigMap;

  constructor(name: string, args: AuthoritiesArgs, opts?: pulumi.ComponentResourceOptions) {
    super("phased-stack:kubernetes:Authorities", name, {}, opts);
    const { context, certificates } = args;
    const variables = Object.keys(certificates).sort();
    this.configMap = new k8s.core.v1.ConfigMap(
      ...transformed(
        args.transform?.configMap,
        `${name}-files`,
        {
          metadata: { namespace: context.namespace, labels: labelsOf(context) },
          immutable: true,
          data: Object.fromEntries(variables.map((variable) => [fileOf(variable), certificates[variable] ?? ""])),
        },
        { parent: this },
      ),
    );
    this.mounted = {
      variables: Object.fromEntries(variables.map((variable) => [variable, `${AUTHORITIES_DIRECTORY}/${fileOf(variable)}`])),
      configMapName: this.configMap.metadata.name,
    };
    this.registerOutputs({});
  }

  /** The resources this component is made of. */
  get nodes(): { readonly configMap: k8s.core.v1.ConfigMap } {
    return { configMap: this.configMap };
  }
}

function fileOf(variable: string): string {
  return `${variable.toLowerCase()}.pem`;
}
