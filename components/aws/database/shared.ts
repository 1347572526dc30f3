import * as aws from "@pulumi/aws";
import type * as pulumi from "@pulumi/pulumi";
import { transformed } from "../../transform";
import { partitionOf, tagsOf } from "../context";
import { serviceRole } from "../iam";
import { logGroup } from "../log-group";
import type { DatabaseArgs } from ".";
import { parameterFamily, serverParameters } from "./parameters";

/** Major version of Postgres, unless another one is asked for. */
export const ENGINE_VERSION = "17";

/** Log files RDS hands to CloudWatch. */
export const LOG_TYPES = ["postgresql", "upgrade"] as const;

/** What a primary and its replicas have in common. */
export interface Shared {
  readonly subnets: aws.rds.SubnetGroup;
  readonly parameters: aws.rds.ParameterGroup;
  readonly monitoring: ReturnType<typeof serviceRole> | undefined;
  readonly dependsOn: pulumi.Resource[];
}

/** What the parts of a region's servers follow from. */
type SharedArgs = Pick<
  DatabaseArgs,
  "context" | "logs" | "subnetIds" | "engineVersion" | "maxConnections" | "monitoringSeconds" | "transform"
>;

/** Subnets, parameters, the role that watches, and logs of all servers. @param identifiers of the servers, the primary first */
export function sharedParts(name: string, args: SharedArgs, identifiers: readonly string[], parent: pulumi.Resource): Shared {
  const { context, logs } = args;
  const subnets = new aws.rds.SubnetGroup(
    `${name}-subnets`,
    { description: "Data subnets", subnetIds: [...args.subnetIds], tags: tagsOf(context, `${name}-subnets`) },
    { parent },
  );
  const family = parameterFamily(args.engineVersion ?? ENGINE_VERSION);
  // One a major version, the new one before the old one goes: a group of another family cannot be given to a server that is upgraded.
  const parameters = new aws.rds.ParameterGroup(
    ...transformed(
      args.transform?.parameterGroup,
      `${name}-${family}`,
      {
        family,
        description: `${context.project} ${context.stack}: ${family}`,
        parameters: serverParameters(args.maxConnections).map((parameter) => ({ ...parameter })),
        tags: tagsOf(context, `${name}-${family}`),
      },
      { parent },
    ),
  );
  const monitoring =
    args.monitoringSeconds === 0
      ? undefined
      : serviceRole(
          `${name}-monitoring`,
          {
            context,
            service: "monitoring.rds.amazonaws.com",
            description: "Writes the database servers' figures",
            managedPolicyArns: [`arn:${partitionOf(context.region)}:iam::aws:policy/service-role/AmazonRDSEnhancedMonitoringRole`],
          },
          parent,
        );
  // Made before RDS would make them without an end to what they keep.
  const groups = identifiers.flatMap((identifier, server) =>
    LOG_TYPES.map((type) => {
      const groupName = `${name}-${server === 0 ? "primary" : `replica-${server}`}-${type}-logs`;
      return logGroup(groupName, { context, logs, groupName: `/aws/rds/instance/${identifier}/${type}` }, { parent });
    }),
  );
  return { subnets, parameters, monitoring, dependsOn: [...groups, ...(monitoring?.attachments ?? [])] };
}
