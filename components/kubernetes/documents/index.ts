import * as k8s from "@pulumi/kubernetes";
import * as pulumi from "@pulumi/pulumi";
import { transformed, type Transform } from "../../transform";
import { type KubernetesArgs, labelsOf } from "../context";

export interface DocumentsArgs extends KubernetesArgs {
  /** A storage class of the cluster whose volumes several nodes can write to at once (NFS, CephFS, Azure Files …). A change REPLACES it. */
  readonly storageClass: string;
  /** GiB; can grow where the class allows it, and never shrink. */
  readonly sizeGb: number;
  /** Refuse to delete it: Pulumi's `protect`. */
  readonly protect: boolean;
  /** Changes to the child resource before it is created. */
  readonly transform?: { readonly claim?: Transform<k8s.core.v1.PersistentVolumeClaimArgs> };
}

/** The volume with uploaded documents (A21), which pods of all roles share, where there is no object storage. */
export class Documents extends pulumi.ComponentResource {
  readonly claimName: pulumi.Output<string>;
  private readonly claim: k8s.core.v1.PersistentVolumeClaim;

  constructor(name: string, args: DocumentsArgs, opts?: pulumi.ComponentResourceOptions) {
    super("phased-stack:kubernetes:Documents", name, {}, opts);
    const { context, storageClass, sizeGb, protect } = args;
    this.claim = new k8s.core.v1.PersistentVolumeClaim(
      ...transformed(
        args.transform?.claim,
        `${name}-claim`,
        {
          metadata: {
            name: "documents",
            namespace: context.namespace,
            labels: labelsOf(context),
            // Some classes make the volume for the first pod that asks, and Pulumi would wait for it before there is one.
            annotations: { "pulumi.com/skipAwait": "true" },
          },
          spec: { accessModes: ["ReadWriteMany"], storageClassName: storageClass, resources: { requests: { storage: `${sizeGb}Gi` } } },
        },
        { parent: this, protect },
      ),
    );
    this.claimName = this.claim.metadata.name;
    this.registerOutputs({ claimName: this.claimName });
  }

  /** The resources this component is made of. */
  get nodes(): { readonly claim: k8s.core.v1.PersistentVolumeClaim } {
    return { claim: this.claim };
  }
}
