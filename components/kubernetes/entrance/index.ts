import * as k8s from "@pulumi/kubernetes";
import * as pulumi from "@pulumi/pulumi";
import { APP_PORT } from "../../contract";
import { transformed, type Transform } from "../../transform";
import { type KubernetesArgs, labelsOf, SERVICE_NAMES } from "../context";

/** How requests come into the cluster. */
export type EntranceKind =
  /** An Ingress, for a controller that the cluster has. */
  | {
      readonly kind: "ingress";
      readonly className: string;
      /** Secret of type `kubernetes.io/tls` in the namespace. @default plain HTTP */
      readonly tlsSecretName?: string | undefined;
      /** For the controller, e.g. `cert-manager.io/cluster-issuer`. @default none */
      readonly annotations?: Readonly<Record<string, string>> | undefined;
    }
  /** A route of a Gateway that the cluster has; TLS ends there. */
  | { readonly kind: "gateway"; readonly gateway: { readonly namespace: string; readonly name: string } };

export interface EntranceArgs extends KubernetesArgs {
  readonly host: string;
  readonly entrance: EntranceKind;
  /** Name of the service that requests go to. */
  readonly serviceName: pulumi.Input<string>;
  /** Changes to the child resource before it is created. */
  readonly transform?: { readonly ingress?: Transform<k8s.networking.v1.IngressArgs> };
}

/** The way of requests from outside of the cluster to the web role, by Ingress or by Gateway API. */
export class Entrance extends pulumi.ComponentResource {
  private readonly object: pulumi.CustomResource;

  constructor(name: string, args: EntranceArgs, opts?: pulumi.ComponentResourceOptions) {
    super("phased-stack:kubernetes:Entrance", name, {}, opts);
    const { entrance } = args;
    this.object = entrance.kind === "ingress" ? this.createIngress(name, args, entrance) : this.createRoute(name, args, entrance);
    this.registerOutputs({});
  }

  /** The resources this component is made of. */
  get nodes(): { readonly object: pulumi.CustomResource } {
    return { object: this.object };
  }

  private createIngress(name: string, args: EntranceArgs, ingress: EntranceKind & { kind: "ingress" }): k8s.networking.v1.Ingress {
    const { context, host, serviceName } = args;
    const { className, tlsSecretName, annotations = {} } = ingress;
    const backend = { service: { name: serviceName, port: { name: "http" } } };
    return new k8s.networking.v1.Ingress(
      ...transformed(
        args.transform?.ingress,
        `${name}-ingress`,
        {
          metadata: {
            name: SERVICE_NAMES.web,
            namespace: context.namespace,
            labels: labelsOf(context, "web"),
            // Many controllers never write down an address, which is what Pulumi would wait for.
            annotations: { ...annotations, "pulumi.com/skipAwait": "true" },
          },
          spec: {
            ingressClassName: className,
            ...(tlsSecretName === undefined ? {} : { tls: [{ hosts: [host], secretName: tlsSecretName }] }),
            rules: [{ host, http: { paths: [{ path: "/", pathType: "Prefix", backend }] } }],
          },
        },
        { parent: this },
      ),
    );
  }

  private createRoute(name: string, args: EntranceArgs, { gateway }: EntranceKind & { kind: "gateway" }): pulumi.CustomResource {
    const { context, host, serviceName } = args;
    return new k8s.apiextensions.CustomResource(
      `${name}-route`,
      {
        apiVersion: "gateway.networking.k8s.io/v1",
        kind: "HTTPRoute",
        metadata: { name: SERVICE_NAMES.web, namespace: context.namespace, labels: labelsOf(context, "web") },
        spec: {
          parentRefs: [{ name: gateway.name, namespace: gateway.namespace }],
          hostnames: [host],
          rules: [{ matches: [{ path: { type: "PathPrefix", value: "/" } }], backendRefs: [{ name: serviceName, port: APP_PORT }] }],
        },
      },
      { parent: this },
    );
  }
}
