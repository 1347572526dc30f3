import type { MonthlyUsage } from "../../../components/aws/pricing";
import { TASKS, USAGE, USERS } from "./ratios";
import type { CloudPlan, ServicePlan } from "./types";

/** What is paid by use, a month; GB are 10⁹ bytes, as AWS bills them. */
export function cloudUsage(plan: Omit<CloudPlan, "usage" | "notes">): MonthlyUsage {
  const requests = plan.load.averageRequests * USAGE.secondsPerMonth;
  const gb = (kilobytes: number): number => (requests * kilobytes) / 1e6;
  const { zones } = plan.network;
  // Autoscaling follows the load, but keeps the least.
  const average = ({ minTasks, peakTasks }: ServicePlan): number => Math.max(minTasks, peakTasks * USERS.averageShare);
  const averageTasks = { web: average(plan.web), jobs: average(plan.jobs), consumer: average(plan.consumer) };
  const { nodes, database } = plan;
  const logsGb = gb(USAGE.logKb);
  const tasks = averageTasks.web + averageTasks.jobs + averageTasks.consumer;
  return {
    requests,
    appTransferGb: gb(USAGE.appKb),
    edgeTransferGb: gb(USAGE.edgeKb),
    zoneTransferGb: (gb(USAGE.zoneKb) * (zones - 1)) / zones,
    natGb: gb(USAGE.natKb),
    endpointGb: logsGb + tasks * USAGE.imageGbPerTask,
    logsGb,
    uploadsGb: (plan.users * USAGE.uploadsMb) / 1000,
    databaseGb: database.allocatedGb,
    backupGb: database.allocatedGb * database.shards * USAGE.backupShare,
    snapshotGb: (plan.limits.dataMb / 1000) * USAGE.snapshots,
    imagesGb: USAGE.imagesGb,
    sqsRequests: plan.events.kind === "sqs" ? plan.events.requestsPerMonth : 0,
    averageTasks,
    nodeType: nodes?.instanceType,
    averageNodes: nodes === undefined ? 0 : Math.max(nodes.minNodes, nodes.peakNodes * USERS.averageShare),
  };
}

/** The assumptions above and those of the model, as sentences; for the cost estimate. */
export function usageAssumptions(): string[] {
  return [
    `every user sends a request each ${USERS.thinkSeconds} s in the busiest minute; the month's average is ${USERS.averageShare * 100} % of that`,
    `autoscaling keeps at least ${TASKS.leastShare * 100} % of the tasks the busiest minute needs; spot tasks are counted at their full price`,
    `a request: ${USAGE.appKb} KB from the app and ${USAGE.edgeKb} KB from the edge, ${USAGE.zoneKb} KB between the app and its services, ` +
      `${USAGE.natKb} KB to other people's services, ${USAGE.logKb} KB of logs`,
    `a user: ${USAGE.uploadsMb} MB of uploads by the end of the first year`,
    `the Redis of limits and queues is kept ${USAGE.snapshots} times; the registry holds ${USAGE.imagesGb} GB`,
    `backups: ${USAGE.backupShare * 100} % of the database's storage beyond what is free`,
    "not counted: taxes, support, free tiers, discounts (Savings Plans, reserved instances), requests to KMS",
  ];
}
