import type { MonthlyUsage } from "../../components/aws/pricing";
import { TASKS, USAGE, USERS } from "./sizing/ratios";
import { nodeCounts } from "./sizing/tasks";
import type { CloudPlan, ServicePlan } from "./sizing/types";
import { cloudUsage } from "./sizing/usage";

/**
 * Sizes of the second region: the same servers, nodes and largest number of tasks as in the first, so that it can carry everything; but until it
 * has taken over no more tasks than keep it alive, one a zone, and on EKS the nodes for these. Events are not carried on there.
 * @param taken it has taken over: as many tasks as the first region had
 */
export function standbyPlan(plan: CloudPlan, taken: boolean): CloudPlan {
  const least = plan.profile === "prod" ? Math.max(TASKS.least, plan.network.zones) : 1;
  const web = { ...plan.web, minTasks: taken ? plan.web.minTasks : Math.min(plan.web.minTasks, least) };
  const none = { minTasks: 0, peakTasks: 0, maxTasks: 0 } satisfies Partial<ServicePlan>;
  const services = {
    web: { ...web, peakTasks: taken ? plan.web.peakTasks : web.minTasks },
    jobs: taken ? plan.jobs : { ...plan.jobs, ...none },
    consumer: { ...plan.consumer, ...none },
  };
  const { nodes, profile, network } = plan;
  const counts = nodes && nodeCounts({ profile, zones: network.zones }, Object.values(services), nodes.vcpus);
  return {
    ...plan,
    ...services,
    nodes: nodes && { ...nodes, ...counts, maxNodes: nodes.maxNodes },
    events: { kind: "none" },
  };
}

/**
 * What is paid by use in one of two regions, a month. Requests go to one region at a time; the other keeps its copies and its tasks. Files and
 * images are in both, and every byte that is written goes to the other region.
 * @param taken the second region is the one with the requests
 */
export function regionUsage(plan: CloudPlan, region: "home" | "second", taken: boolean): MonthlyUsage {
  const active = (region === "second") === taken;
  const { usage } = region === "home" ? plan : { usage: cloudUsage(standbyPlan(plan, taken)) };
  const written = (plan.load.databaseWrites * USERS.averageShare * USAGE.secondsPerMonth * USAGE.walKb) / 1e6;
  const regionTransferGb = active ? written + usage.uploadsGb / 12 : 0;
  if (active) return { ...usage, regionTransferGb };
  const idle = {
    requests: 0,
    appTransferGb: 0,
    edgeTransferGb: 0,
    zoneTransferGb: 0,
    natGb: 0,
    logsGb: 0,
    sqsRequests: 0,
    regionTransferGb,
  };
  const tasks = usage.averageTasks.web + usage.averageTasks.jobs + usage.averageTasks.consumer;
  return { ...usage, ...idle, endpointGb: tasks * USAGE.imageGbPerTask };
}
