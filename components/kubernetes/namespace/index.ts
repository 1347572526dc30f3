import * as k8s from "@pulumi/kubernetes";
import * as pulumi from "@pulumi/pulumi";
import { transformed, type Transform } from "../../transform";
import { labelsOf, objectName } from "../context";

export interface NamespaceArgs {
  /** Name of the Pulumi project, and of the stack. */
  readonly project: string;
  readonly stack: string;
  /** More labels, e.g. those by which a cluster's webhooks know it. @default none */
  readonly labels?: Readonly<Record<string, string>> | undefined;
  /** Refuse to delete it, AND ALL THAT IS IN IT: Pulumi's `protect`. */
  readonly protect: boolean;
  /** Changes to the child resource before it is created. */
  readonly transform?: { readonly namespace?: Transform<k8s.core.v1.NamespaceArgs> };
}

/** The stack's own namespace. Pods that ask for more than the restricted Pod Security Standard allows are refused in it. */
export class Namespace extends pulumi.ComponentResource {
  /** Known once the namespace is there. */
  readonly namespaceName: pulumi.Output<string>;
  private readonly namespace: k8s.core.v1.Namespace;

  constructor(name: string, args: NamespaceArgs, opts?: pulumi.ComponentResourceOptions) {
    super("phased-stack:kubernetes:Namespace", name, {}, opts);
    const { project, stack } = args;
    const physical = objectName({ project, stack });
    const security = ["enforce", "audit", "warn"].map((mode) => [`pod-security.kubernetes.io/${mode}`, "restricted"]);
    this.namespace = new k8s.core.v1.Namespace(
      ...transformed(
        args.transform?.namespace,
        `${name}-namespace`,
        {
          metadata: {
            name: physical,
            labels: {
              ...labelsOf({ project, stack, namespace: physical }),
              ...(Object.fromEntries(security) as Record<string, string>),
              ...args.labels,
            },
          },
        },
        { parent: this, protect: args.protect },
      ),
    );
    this.namespaceName = this.namespace.metadata.name;
    this.registerOutputs({ namespaceName: this.namespaceName });
  }

  /** The resources this component is made of. */
  get nodes(): { readonly namespace: k8s.core.v1.Namespace } {
    return { namespace: this.namespace };
  }
}
