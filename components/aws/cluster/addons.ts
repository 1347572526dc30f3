import * as aws from "@pulumi/aws";
import * as pulumi from "@pulumi/pulumi";
import { listed } from "../../transform";
import { type AwsArgs, type LogSettings, partitionOf, tagsOf } from "../context";
import { logGroup } from "../log-group";
import { clusterName } from "./name";
import { podRole } from "./pod-role";

/**
 * What the app needs of a cluster and Auto Mode does not have, as add-ons that EKS installs and keeps up to date: figures for autoscalers,
 * files with secrets from Secrets Manager, and logs and figures in CloudWatch.
 */
const ADDONS = {
  "metrics-server": {},
  "aws-secrets-store-csi-driver-provider": {},
  "amazon-cloudwatch-observability": {
    containerLogs: { enabled: true },
    // Said, though it is the add-on's own way: alarms go by these figures (observability/pods.ts), and there is another way, with other names.
    agent: { config: { logs: { metrics_collected: { kubernetes: { enhanced_container_insights: true } } } } },
    // On by itself it would put containers into the pods of every service, which the restricted namespace of the app refuses, and bill by request.
    manager: { applicationSignals: { autoMonitor: { monitorAllServices: false } } },
  },
} as const;

/** Who writes logs and figures to CloudWatch: the account the add-on gives its pods. */
const AGENT = {
  addon: "amazon-cloudwatch-observability",
  serviceAccount: "cloudwatch-agent",
  policy: "CloudWatchAgentServerPolicy",
} as const;

/** Logs of EKS and of the pods, named by what writes them. */
const LOGS = (cluster: string): Readonly<Record<string, string>> => ({
  "control-plane": `/aws/eks/${cluster}/cluster`,
  ...Object.fromEntries(
    ["application", "dataplane", "host", "performance"].map((kind) => [kind, `/aws/containerinsights/${cluster}/${kind}`]),
  ),
});

type LogArgs = AwsArgs & { readonly logs: LogSettings & { readonly kmsKeyArn: pulumi.Input<string> } };

/** The log groups, made before others would make them without a key, and without an end to what they keep. */
export function createLogGroups(name: string, { context, logs }: LogArgs, parent: pulumi.Resource): readonly aws.cloudwatch.LogGroup[] {
  return Object.entries(LOGS(clusterName(context, name))).map(([kind, group]) => {
    return logGroup(`${name}-${kind}-logs`, { context, logs, groupName: group }, { parent });
  });
}

export interface ClusterAddonsArgs extends AwsArgs {
  readonly clusterName: pulumi.Input<string>;
}

/**
 * The add-ons, in the version that EKS has for the cluster's. EKS calls one complete only when its pods run, so nodes have to be there before:
 * hand {@link AppNodes} over with `dependsOn`.
 */
export class ClusterAddons extends pulumi.ComponentResource {
  private readonly addons: readonly aws.eks.Addon[];

  constructor(name: string, args: ClusterAddonsArgs, opts?: pulumi.ComponentResourceOptions) {
    super("phased-stack:aws:ClusterAddons", name, {}, opts);
    const { context, clusterName: cluster } = args;
    const agent = podRole(
      `${name}-agent-role`,
      {
        context,
        description: "Writes logs and figures of the cluster",
        managedPolicyArns: [`arn:${partitionOf(context.region)}:iam::aws:policy/${AGENT.policy}`],
      },
      this,
    );
    const before = listed(opts?.dependsOn);
    this.addons = Object.entries(ADDONS).map(([addonName, configuration]) => {
      const own = `${name}-${addonName}`;
      const isAgent = addonName === AGENT.addon;
      return new aws.eks.Addon(
        own,
        {
          clusterName: cluster,
          addonName,
          resolveConflictsOnCreate: "OVERWRITE",
          resolveConflictsOnUpdate: "OVERWRITE",
          ...(Object.keys(configuration).length === 0 ? {} : { configurationValues: JSON.stringify(configuration) }),
          ...(isAgent ? { podIdentityAssociations: [{ serviceAccount: AGENT.serviceAccount, roleArn: agent.role.arn }] } : {}),
          tags: tagsOf(context, own),
        },
        { parent: this, dependsOn: isAgent ? [...before, ...agent.attachments] : before },
      );
    });
    this.registerOutputs({});
  }

  /** The resources this component is made of. */
  get nodes(): { readonly addons: readonly aws.eks.Addon[] } {
    return { addons: this.addons };
  }
}
