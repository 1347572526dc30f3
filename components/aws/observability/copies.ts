import type * as pulumi from "@pulumi/pulumi";
import { REPLICATION_MINUTES, REPLICATION_RULE } from "../storage/replication";
import type { AlarmSpec } from "./alarms";

/** S3 copies 99.99 % of files within that time. */
const LATE_SECONDS = REPLICATION_MINUTES * 60;

/** Files that are copied to the region of the alarms. */
export interface WatchedCopy {
  /** Last part of the alarm's name. */
  readonly name: string;
  /** Names of the buckets. */
  readonly source: pulumi.Input<string>;
  readonly destination: pulumi.Input<string>;
}

/** Alarms for copies that come late; S3 tells of them in the region of the copy. */
export function copyAlarms(copies: readonly WatchedCopy[] = []): readonly AlarmSpec[] {
  return copies.map(({ name, source, destination }) => ({
    name: `copies-${name}`,
    description: `Files are copied to this region more than ${LATE_SECONDS} s late: those of that time would be missing if it had to take over`,
    figure: {
      namespace: "AWS/S3",
      metric: "ReplicationLatency",
      dimensions: { SourceBucket: source, DestinationBucket: destination, RuleId: REPLICATION_RULE },
      statistic: "Maximum",
    },
    above: LATE_SECONDS,
    minutes: 5,
    missing: "notBreaching",
  }));
}
