import * as pulumi from "@pulumi/pulumi";
import { PRICED_REGIONS, type PricedResource } from "../../components/aws/pricing";
import { cloudCost, costOutput, costTable } from "./costs";
import { recordGraph } from "./graph";
import { regionUsage } from "./standby-plan";
import { type CloudTarget, SECOND } from "./target";

/**
 * The resources the program registers from now on; see {@link recordGraph}. None outside of an engine: unit tests have no stack to watch.
 */
export function watchResources(): readonly PricedResource[] {
  return pulumi.runtime.getStackResource() === undefined ? [] : recordGraph();
}

/**
 * The monthly cost as the stack's output (JSON, see {@link costOutput}), and as a table for each region in the log of previews and updates.
 * Everything is priced in the region it is in, but for what CloudFront needs in a third one: that costs the same in all, or goes by where clients
 * are, and is priced in the first.
 * @returns an empty text where a region has no price table, which is said, and outside of an engine
 */
export async function monthlyCostEstimate(
  resources: readonly PricedResource[],
  { home, second, plan }: Pick<CloudTarget, "home" | "second" | "plan">,
  taken: boolean,
): Promise<string> {
  if (resources.length === 0) return "";
  const regions = [home, ...(second === undefined ? [] : [second])].map(({ context }) => context.region);
  const missing = regions.filter((region) => !PRICED_REGIONS.includes(region));
  if (missing.length > 0) {
    await pulumi.log.info(`no monthly cost: there is no price table for ${missing.join(", ")} (there is for ${PRICED_REGIONS.join(", ")})`);
    return "";
  }
  const inSecond = ({ name }: PricedResource): boolean => name.startsWith(SECOND);
  const usage = second === undefined ? plan.usage : regionUsage(plan, "home", taken);
  const atHome = resources.filter((resource) => !inSecond(resource));
  const first = cloudCost(atHome, home.context.region, { usage });
  const others =
    second === undefined
      ? []
      : [cloudCost(resources.filter(inSecond), second.context.region, { usage: regionUsage(plan, "second", taken) })];
  for (const estimate of [first, ...others]) await pulumi.log.info(costTable(estimate));
  return JSON.stringify(costOutput(first, ...others));
}
