import * as k8s from "@pulumi/kubernetes";
import * as pulumi from "@pulumi/pulumi";
import { listed } from "../../transform";

const defaults = {
  name: "app",
  /** Nodes are replaced by fresh ones at this age: their system cannot be updated in place. */
  expireAfter: "336h",
  /** A node with too little to do goes after this. */
  consolidateAfter: "5m",
  diskSize: "80Gi",
} as const;

export interface AppNodesArgs {
  /** Name of the role nodes work as. */
  readonly nodeRoleName: pulumi.Input<string>;
  /** Private subnets, one a zone. */
  readonly subnetIds: readonly pulumi.Input<string>[];
  /** Groups that nodes, and so their pods, are in: the cluster's, and the app's, by which it reaches its services. */
  readonly securityGroupIds: readonly pulumi.Input<string>[];
  readonly zones: readonly string[];
  /** E.g. `m6i.xlarge`. */
  readonly instanceType: string;
  /** Virtual CPUs of all nodes together at most: what they can cost. */
  readonly maxVcpus: number;
  /** Nodes that AWS may take back with two minutes' notice, at a third of the price, before others. */
  readonly spot: boolean;
}

/**
 * What the app's pods run on: nodes of EKS Auto Mode in the private subnets, of the type the plan has. Nodes are emptied one at a time, and
 * pods leave them as their budgets allow.
 */
export class AppNodes extends pulumi.ComponentResource {
  private readonly nodeClass: k8s.apiextensions.CustomResource;
  private readonly pool: k8s.apiextensions.CustomResource;
  private readonly networkPolicies: k8s.core.v1.ConfigMap;

  constructor(name: string, args: AppNodesArgs, opts?: pulumi.ComponentResourceOptions) {
    super("phased-stack:aws:AppNodes", name, {}, opts);
    const byId = (ids: readonly pulumi.Input<string>[]): { id: pulumi.Input<string> }[] => ids.map((id) => ({ id }));
    // Policies of the network are not kept otherwise (EKS user guide, "Use Network Policies with EKS Auto Mode").
    this.networkPolicies = new k8s.core.v1.ConfigMap(
      `${name}-network-policies`,
      { metadata: { name: "amazon-vpc-cni", namespace: "kube-system" }, data: { "enable-network-policy-controller": "true" } },
      { parent: this },
    );
    this.nodeClass = new k8s.apiextensions.CustomResource(
      `${name}-class`,
      {
        apiVersion: "eks.amazonaws.com/v1",
        kind: "NodeClass",
        metadata: { name: defaults.name },
        spec: {
          role: args.nodeRoleName,
          subnetSelectorTerms: byId(args.subnetIds),
          securityGroupSelectorTerms: byId(args.securityGroupIds),
          // What a namespace does not deny is allowed: EKS' own pods have no policies.
          networkPolicy: "DefaultAllow",
          networkPolicyEventLogs: "Enabled",
          ephemeralStorage: { size: defaults.diskSize },
        },
      },
      { parent: this, dependsOn: listed(opts?.dependsOn) },
    );
    this.pool = new k8s.apiextensions.CustomResource(
      `${name}-pool`,
      {
        apiVersion: "karpenter.sh/v1",
        kind: "NodePool",
        metadata: { name: defaults.name },
        spec: {
          template: {
            spec: {
              nodeClassRef: { group: "eks.amazonaws.com", kind: "NodeClass", name: defaults.name },
              expireAfter: defaults.expireAfter,
              requirements: [
                oneOf("karpenter.sh/capacity-type", args.spot ? ["spot", "on-demand"] : ["on-demand"]),
                oneOf("kubernetes.io/arch", ["amd64"]),
                oneOf("node.kubernetes.io/instance-type", [args.instanceType]),
                oneOf("topology.kubernetes.io/zone", args.zones),
              ],
            },
          },
          limits: { cpu: String(args.maxVcpus) },
          disruption: {
            consolidationPolicy: "WhenEmptyOrUnderutilized",
            consolidateAfter: defaults.consolidateAfter,
            budgets: [{ nodes: "1" }],
          },
        },
      },
      { parent: this, dependsOn: [this.nodeClass, this.networkPolicies] },
    );
    this.registerOutputs({});
  }

  /** The resources this component is made of. */
  get nodes(): {
    readonly nodeClass: k8s.apiextensions.CustomResource;
    readonly pool: k8s.apiextensions.CustomResource;
    readonly networkPolicies: k8s.core.v1.ConfigMap;
  } {
    return { nodeClass: this.nodeClass, pool: this.pool, networkPolicies: this.networkPolicies };
  }
}

const oneOf = (key: string, values: readonly string[]): { key: string; operator: string; values: string[] } => ({
  key,
  operator: "In",
  values: [...values],
});
