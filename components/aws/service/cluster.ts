import * as aws from "@pulumi/aws";
import * as pulumi from "@pulumi/pulumi";
import { transformed, type Transform } from "../../transform";
import { type AwsArgs, physicalName, tagsOf } from "../context";

export interface ClusterArgs extends AwsArgs {
  /** Changes to the child resources before they are created. */
  readonly transform?: { readonly cluster?: Transform<aws.ecs.ClusterArgs> };
}

/**
 * The ECS cluster of the app's services, on Fargate: there are no machines to care for. Its namespace is where services find each other
 * (Service Connect, feature A18). Nobody can open a shell in a task.
 */
export class Cluster extends pulumi.ComponentResource {
  readonly clusterName: pulumi.Output<string>;
  readonly clusterArn: pulumi.Output<string>;
  readonly namespaceArn: pulumi.Output<string>;
  private readonly cluster: aws.ecs.Cluster;
  private readonly capacity: aws.ecs.ClusterCapacityProviders;

  constructor(name: string, args: ClusterArgs, opts?: pulumi.ComponentResourceOptions) {
    super("phased-stack:aws:Cluster", name, {}, opts);
    const { context } = args;
    const namespace = new aws.servicediscovery.HttpNamespace(
      `${name}-namespace`,
      {
        name: physicalName(context, "mesh"),
        description: "Services of the app find each other here",
        tags: tagsOf(context, `${name}-namespace`),
      },
      { parent: this },
    );
    this.namespaceArn = namespace.arn;
    this.cluster = new aws.ecs.Cluster(
      ...transformed(
        args.transform?.cluster,
        `${name}-ecs`,
        {
          // Figures by service and task: alarms and autoscaling use the number of running tasks.
          settings: [{ name: "containerInsights", value: "enhanced" }],
          serviceConnectDefaults: { namespace: this.namespaceArn },
          tags: tagsOf(context, `${name}-ecs`),
        },
        { parent: this },
      ),
    );
    this.capacity = new aws.ecs.ClusterCapacityProviders(
      `${name}-capacity`,
      { clusterName: this.cluster.name, capacityProviders: ["FARGATE", "FARGATE_SPOT"] },
      { parent: this },
    );
    // Through the capacity: a service that names a provider before the cluster has it is refused.
    this.clusterName = pulumi.all([this.cluster.name, this.capacity.id]).apply(([clusterName]) => clusterName);
    this.clusterArn = pulumi.all([this.cluster.arn, this.capacity.id]).apply(([arn]) => arn);
    this.registerOutputs({ clusterName: this.clusterName, clusterArn: this.clusterArn, namespaceArn: this.namespaceArn });
  }

  /** The resources this component is made of. */
  get nodes(): { readonly cluster: aws.ecs.Cluster; readonly capacity: aws.ecs.ClusterCapacityProviders } {
    return { cluster: this.cluster, capacity: this.capacity };
  }
}
