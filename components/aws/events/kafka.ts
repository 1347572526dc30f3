import * as aws from "@pulumi/aws";
import * as pulumi from "@pulumi/pulumi";
import { transformed, type Transform } from "../../transform";
import { type AwsArgs, logGroupName, type LogSettings, physicalName, tagsOf } from "../context";
import { logGroup } from "../log-group";

const defaults = {
  /** KRaft: no ZooKeeper beside the brokers. A new version is rolled out broker by broker. */
  version: "3.9.x.kraft",
  retentionHours: 168,
} as const;

export interface KafkaArgs extends AwsArgs {
  /** Data subnets; three, each in another zone. */
  readonly subnetIds: readonly pulumi.Input<string>[];
  readonly securityGroupId: pulumi.Input<string>;
  readonly kmsKeyArn: pulumi.Input<string>;
  /** E.g. `kafka.m7g.large`. */
  readonly brokerType: string;
  /** A multiple of the subnets; brokers can be added, but never be taken away. */
  readonly brokers: number;
  /** GiB of each broker; can grow, never shrink. */
  readonly storageGb: number;
  /** Partitions of a topic (B5). */
  readonly partitions: number;
  /** How long the brokers' logs are kept, and the key they are encrypted with. */
  readonly logs: LogSettings & { readonly kmsKeyArn: pulumi.Input<string> };
  /** Refuse to delete it: Pulumi's `protect`. */
  readonly protect: boolean;
  /** Changes to the child resources before they are created. */
  readonly transform?: {
    /** Some changes REPLACE THE CLUSTER, and what it holds. */
    readonly cluster?: Transform<aws.msk.ClusterArgs>;
  };
}

/**
 * Kafka on MSK: three copies of every event in three zones, two of which have it before it counts as written (B5). Clients come over TLS with
 * the role of their task; there is no password and no way in from outside.
 */
export class Kafka extends pulumi.ComponentResource {
  /** `host:port` of brokers, separated by commas. */
  readonly brokers: pulumi.Output<string>;
  readonly arn: pulumi.Output<string>;
  /** Name, as metrics know the cluster. */
  readonly clusterName: string;
  private readonly cluster: aws.msk.Cluster;

  constructor(name: string, args: KafkaArgs, opts?: pulumi.ComponentResourceOptions) {
    super("phased-stack:aws:Kafka", name, {}, opts);
    const zones = args.subnetIds.length;
    if (zones !== 3 || args.brokers % zones !== 0 || args.brokers < zones) {
      throw new Error(`${name}: ${args.brokers} brokers in ${zones} zones; allowed: 3 zones, and a multiple of 3 brokers`);
    }
    this.clusterName = physicalName(args.context, name);
    this.cluster = this.createCluster(`${name}-cluster`, args, this.createConfiguration(`${name}-settings`, args));
    this.arn = this.cluster.arn;
    this.brokers = this.cluster.bootstrapBrokersSaslIam;
    this.registerOutputs({ brokers: this.brokers, arn: this.arn });
  }

  /** The resources this component is made of. */
  get nodes(): { readonly cluster: aws.msk.Cluster } {
    return { cluster: this.cluster };
  }

  private createConfiguration(name: string, { context, partitions }: KafkaArgs): aws.msk.Configuration {
    const properties = {
      "auto.create.topics.enable": false,
      "default.replication.factor": 3,
      "min.insync.replicas": 2,
      "num.partitions": partitions,
      "unclean.leader.election.enable": false,
      "log.retention.hours": defaults.retentionHours,
    };
    const serverProperties = Object.entries(properties).map(([key, value]) => `${key}=${value}\n`);
    return new aws.msk.Configuration(
      name,
      { name: physicalName(context, name), kafkaVersions: [defaults.version], serverProperties: serverProperties.join("") },
      { parent: this },
    );
  }

  private createCluster(name: string, args: KafkaArgs, configuration: aws.msk.Configuration): aws.msk.Cluster {
    const { context, logs } = args;
    const ownLogs = logGroup(`${name}-logs`, { context, logs, groupName: logGroupName(context, "kafka") }, { parent: this });
    return new aws.msk.Cluster(
      ...transformed(
        args.transform?.cluster,
        name,
        {
          clusterName: this.clusterName,
          kafkaVersion: defaults.version,
          numberOfBrokerNodes: args.brokers,
          brokerNodeGroupInfo: {
            instanceType: args.brokerType,
            clientSubnets: [...args.subnetIds],
            securityGroups: [args.securityGroupId],
            storageInfo: { ebsStorageInfo: { volumeSize: args.storageGb } },
            connectivityInfo: { publicAccess: { type: "DISABLED" } },
          },
          clientAuthentication: { sasl: { iam: true }, unauthenticated: false },
          encryptionInfo: {
            encryptionAtRestKmsKeyArn: args.kmsKeyArn,
            encryptionInTransit: { clientBroker: "TLS", inCluster: true },
          },
          configurationInfo: { arn: configuration.arn, revision: configuration.latestRevision },
          enhancedMonitoring: "PER_TOPIC_PER_BROKER",
          loggingInfo: { brokerLogs: { cloudwatchLogs: { enabled: true, logGroup: ownLogs.name } } },
          tags: tagsOf(context, name),
        },
        { parent: this, protect: args.protect },
      ),
    );
  }
}
