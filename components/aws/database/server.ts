import type * as aws from "@pulumi/aws";
import type { DatabaseArgs } from ".";
import { LOG_TYPES, type Shared } from "./shared";

const defaults = {
  /** Days Performance Insights keeps; the longest that is free. */
  insightsDays: 7,
  /** UTC; {@link BACKUP_WINDOW} does not overlap. */
  maintenanceWindow: "sun:03:30-sun:04:30",
  /** Signs the servers' certificates; valid until 2061. */
  caCertificate: "rds-ca-rsa2048-g1",
} as const;

/** When the daily backup is made, UTC. */
export const BACKUP_WINDOW = "02:00-03:00";

/** What every server is told, of whatever region. */
export type ServerArgs = Pick<DatabaseArgs, "iops" | "kmsKeyArn" | "maxAllocatedGb" | "securityGroupId" | "protect" | "monitoringSeconds">;

/**
 * What a primary, its replicas and its standby in another region are told alike. Not the key: RDS refuses to be told one for a replica in the
 * region of its source, which is encrypted with the key of that.
 */
export function serverArgs(args: ServerArgs, { parameters, monitoring }: Shared): Omit<aws.rds.InstanceArgs, "instanceClass"> {
  return {
    storageType: "gp3",
    ...(args.iops === undefined ? {} : { iops: args.iops }),
    storageEncrypted: true,
    maxAllocatedStorage: args.maxAllocatedGb,
    publiclyAccessible: false,
    vpcSecurityGroupIds: [args.securityGroupId],
    parameterGroupName: parameters.name,
    caCertIdentifier: defaults.caCertificate,
    iamDatabaseAuthenticationEnabled: true,
    autoMinorVersionUpgrade: true,
    maintenanceWindow: defaults.maintenanceWindow,
    deletionProtection: args.protect,
    copyTagsToSnapshot: true,
    enabledCloudwatchLogsExports: [...LOG_TYPES],
    performanceInsightsEnabled: true,
    performanceInsightsKmsKeyId: args.kmsKeyArn,
    performanceInsightsRetentionPeriod: defaults.insightsDays,
    monitoringInterval: args.monitoringSeconds,
    ...(monitoring === undefined ? {} : { monitoringRoleArn: monitoring.role.arn }),
  };
}
