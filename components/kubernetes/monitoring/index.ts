import * as k8s from "@pulumi/kubernetes";
import * as pulumi from "@pulumi/pulumi";
import { type KubernetesArgs, labelsOf, partOf } from "../context";

const defaults = {
  intervalSeconds: 15,
  tokenKey: "token",
} as const;

export interface MonitoringArgs extends KubernetesArgs {
  /** What the app's `/metrics` is opened with. */
  readonly adminToken: pulumi.Input<string>;
  /** By which a Prometheus chooses what it reads. @default none */
  readonly labels?: Readonly<Record<string, string>>;
}

/**
 * Tells the Prometheus operator to read the figures of all roles. They are for operators only, so Prometheus is given their token, by a Secret
 * of its own.
 */
export class Monitoring extends pulumi.ComponentResource {
  private readonly token: k8s.core.v1.Secret;
  private readonly monitor: k8s.apiextensions.CustomResource;

  constructor(name: string, args: MonitoringArgs, opts?: pulumi.ComponentResourceOptions) {
    super("phased-stack:kubernetes:Monitoring", name, {}, opts);
    const { context } = args;
    const { namespace } = context;
    this.token = new k8s.core.v1.Secret(
      `${name}-token`,
      {
        metadata: { namespace, labels: labelsOf(context) },
        type: "Opaque",
        immutable: true,
        stringData: { [defaults.tokenKey]: pulumi.secret(args.adminToken) },
      },
      { parent: this },
    );
    const credentials = { name: this.token.metadata.name, key: defaults.tokenKey };
    this.monitor = new k8s.apiextensions.CustomResource(
      `${name}-app`,
      {
        apiVersion: "monitoring.coreos.com/v1",
        kind: "ServiceMonitor",
        metadata: { name: "app", namespace, labels: { ...args.labels, ...labelsOf(context) } },
        spec: {
          selector: { matchLabels: partOf(context) },
          targetLabels: ["app.kubernetes.io/component"],
          endpoints: [
            { port: "http", path: "/metrics", interval: `${defaults.intervalSeconds}s`, authorization: { type: "Bearer", credentials } },
          ],
        },
      },
      { parent: this },
    );
    this.registerOutputs({});
  }

  /** The resources this component is made of. */
  get nodes(): { readonly token: k8s.core.v1.Secret; readonly monitor: k8s.apiextensions.CustomResource } {
    return { token: this.token, monitor: this.monitor };
  }
}
