import type * as pulumi from "@pulumi/pulumi";
import { copyAlarms, type WatchedCopy } from "./copies";
import { databaseAlarms, type WatchedDatabase } from "./databases";
import { podAlarms, type WatchedPods } from "./pods";
import { THRESHOLDS } from "./thresholds";

/** A figure of CloudWatch: whose, which, and how it is summed up. */
export interface Figure {
  readonly namespace: string;
  readonly metric: string;
  readonly dimensions: Readonly<Record<string, pulumi.Input<string>>>;
  /** `Average`, `Sum`, `Maximum`, `Minimum`, or a percentile such as `p95`. */
  readonly statistic: string;
}

/** One alarm: what is measured, and from where on it is wrong. */
export interface AlarmSpec {
  /** Last part of its name. */
  readonly name: string;
  /** What it means and where to look, for who is woken by it. */
  readonly description: string;
  /** A figure, or two of them set against each other: `a` and `b` in {@link expression}. */
  readonly figure: Figure | { readonly a: Figure; readonly b: Figure; readonly expression: string };
  readonly above?: number;
  readonly below?: number;
  /** Minutes in a row. */
  readonly minutes: number;
  /** What no figure at all means: nothing happened (fine), or nobody is there (wrong). */
  readonly missing: "notBreaching" | "breaching";
}

/** What the alarms watch; everything by the names metrics know it by. */
export interface Watched {
  readonly loadBalancer: { readonly loadBalancerSuffix: pulumi.Input<string>; readonly targetGroupSuffix: pulumi.Input<string> };
  readonly clusterName: pulumi.Input<string>;
  /** Services of ECS by role; none on EKS. */
  readonly services: Readonly<Record<string, pulumi.Input<string>>>;
  /** What runs in a cluster of EKS. @default none, the app runs on ECS */
  readonly pods?: WatchedPods | undefined;
  readonly database: WatchedDatabase;
  /** Nodes of each cache. */
  readonly caches: readonly { readonly role: "cache" | "limits"; readonly nodeIds: readonly string[] }[];
  readonly queue?: { readonly queue: pulumi.Input<string>; readonly deadLetters: pulumi.Input<string> } | undefined;
  readonly kafka?: { readonly clusterName: string } | undefined;
  /** Buckets whose files are copied to this region; see {@link BucketReplication}. */
  readonly copies?: readonly WatchedCopy[];
}

/** All alarms of one region. */
export function alarms(watched: Watched): readonly AlarmSpec[] {
  return [
    ...loadBalancerAlarms(watched),
    ...serviceAlarms(watched),
    ...podAlarms(watched.clusterName, watched.pods),
    ...databaseAlarms(watched.database),
    ...cacheAlarms(watched.caches),
    ...queueAlarms(watched.queue),
    ...kafkaAlarms(watched.kafka),
    ...copyAlarms(watched.copies),
  ];
}

function loadBalancerAlarms({ loadBalancer: { loadBalancerSuffix, targetGroupSuffix } }: Watched): readonly AlarmSpec[] {
  const balancer = { LoadBalancer: loadBalancerSuffix };
  const targets = { ...balancer, TargetGroup: targetGroupSuffix };
  const figure = (metric: string, statistic: string, dimensions: Figure["dimensions"]): Figure => ({
    namespace: "AWS/ApplicationELB",
    metric,
    dimensions,
    statistic,
  });
  const quiet = { missing: "notBreaching", minutes: 3 } as const;
  return [
    {
      name: "balancer-5xx",
      description: "The load balancer itself answers 5xx: no task is ready, or none answers in time",
      figure: figure("HTTPCode_ELB_5XX_Count", "Sum", balancer),
      above: 10,
      ...quiet,
    },
    {
      name: "app-5xx",
      description: `The app answers more than ${THRESHOLDS.errorPercent} % of requests with 5xx: look at the log of web`,
      figure: {
        a: figure("HTTPCode_Target_5XX_Count", "Sum", targets),
        b: figure("RequestCount", "Sum", targets),
        expression: "100 * a / IF(b > 0, b, 1)",
      },
      above: THRESHOLDS.errorPercent,
      ...quiet,
    },
    {
      name: "p95",
      description: `One in twenty requests takes more than ${THRESHOLDS.p95Seconds} s`,
      figure: figure("TargetResponseTime", "p95", targets),
      above: THRESHOLDS.p95Seconds,
      ...quiet,
      minutes: 5,
    },
    {
      name: "unhealthy-hosts",
      description: "Tasks of web are not ready: look at their log, and at database and Redis",
      figure: figure("UnHealthyHostCount", "Maximum", targets),
      above: 0,
      ...quiet,
      minutes: 5,
    },
  ];
}

function serviceAlarms({ clusterName, services }: Watched): readonly AlarmSpec[] {
  return Object.entries(services).flatMap(([role, serviceName]): AlarmSpec[] => {
    const dimensions = { ClusterName: clusterName, ServiceName: serviceName };
    const percent = (metric: string): Figure => ({ namespace: "AWS/ECS", metric, dimensions, statistic: "Average" });
    const count = (metric: string): Figure => ({ namespace: "ECS/ContainerInsights", metric, dimensions, statistic: "Average" });
    return [
      {
        name: `${role}-cpu`,
        description: `Service ${role}: CPU above ${THRESHOLDS.cpuPercent} %, so autoscaling is at its end or too slow`,
        figure: percent("CPUUtilization"),
        above: THRESHOLDS.cpuPercent,
        minutes: 5,
        missing: "breaching",
      },
      {
        name: `${role}-memory`,
        description: `Service ${role}: memory above ${THRESHOLDS.memoryPercent} %`,
        figure: percent("MemoryUtilization"),
        above: THRESHOLDS.memoryPercent,
        minutes: 5,
        missing: "breaching",
      },
      {
        name: `${role}-running`,
        description: `Service ${role}: fewer tasks run than should; look at the service's events`,
        figure: { a: count("RunningTaskCount"), b: count("DesiredTaskCount"), expression: "a - b" },
        below: 0,
        minutes: 10,
        missing: "breaching",
      },
    ];
  });
}

function cacheAlarms(caches: Watched["caches"]): readonly AlarmSpec[] {
  return caches.flatMap(({ role, nodeIds }) =>
    nodeIds.flatMap((nodeId, index): AlarmSpec[] => {
      const node = `redis-${role}-${index + 1}`;
      const figure = (metric: string, statistic: string): Figure => ({
        namespace: "AWS/ElastiCache",
        metric,
        dimensions: { CacheClusterId: nodeId },
        statistic,
      });
      const common = { minutes: 5, missing: "breaching" } as const;
      return [
        {
          name: `${node}-evictions`,
          description:
            role === "cache"
              ? "The cache gives up entries that are still good, and sessions with them: give it larger nodes"
              : "The Redis of limits and queues must never evict: look at its parameter group",
          figure: figure("Evictions", "Sum"),
          above: role === "cache" ? 1000 : 0,
          ...common,
        },
        {
          name: `${node}-memory`,
          description: `${node}: memory above ${THRESHOLDS.memoryPercent} %`,
          figure: figure("DatabaseMemoryUsagePercentage", "Maximum"),
          above: THRESHOLDS.memoryPercent,
          ...common,
        },
        {
          name: `${node}-cpu`,
          description: `${node}: its one engine thread is busy for more than ${THRESHOLDS.cpuPercent} %`,
          figure: figure("EngineCPUUtilization", "Average"),
          above: THRESHOLDS.cpuPercent,
          ...common,
        },
      ];
    }),
  );
}

function queueAlarms(names: Watched["queue"]): readonly AlarmSpec[] {
  if (names === undefined) return [];
  const figure = (metric: string, QueueName: pulumi.Input<string>): Figure => ({
    namespace: "AWS/SQS",
    metric,
    dimensions: { QueueName },
    statistic: "Maximum",
  });
  return [
    {
      name: "queue-oldest",
      description: `An event waits for more than ${THRESHOLDS.oldestMessageSeconds} s: the consumer is too slow, or away`,
      figure: figure("ApproximateAgeOfOldestMessage", names.queue),
      above: THRESHOLDS.oldestMessageSeconds,
      minutes: 5,
      missing: "notBreaching",
    },
    {
      name: "queue-dead-letters",
      description: "Events were put aside after five attempts: look at the log of consumer, then send them again",
      figure: figure("ApproximateNumberOfMessagesVisible", names.deadLetters),
      above: 0,
      minutes: 1,
      missing: "notBreaching",
    },
  ];
}

function kafkaAlarms(kafka: Watched["kafka"]): readonly AlarmSpec[] {
  if (kafka === undefined) return [];
  const figure = (metric: string): Figure => ({
    namespace: "AWS/Kafka",
    metric,
    dimensions: { "Cluster Name": kafka.clusterName },
    statistic: "Maximum",
  });
  return [
    {
      name: "kafka-offline-partitions",
      description: "Partitions have no leader: events of these can neither be written nor read",
      figure: figure("OfflinePartitionsCount"),
      above: 0,
      minutes: 5,
      missing: "breaching",
    },
  ];
}
