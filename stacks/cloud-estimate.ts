import * as pulumi from "@pulumi/pulumi";
import { PRICED_REGIONS, type PricedResource } from "../components/aws/pricing";
import { cloudCost, costOutput, costTable } from "./cloud-costs";
import { recordGraph } from "./cloud-graph";
import type { CloudPlan } from "./cloud-sizing-types";

/**
 * The resources the program registers from now on; see {@link recordGraph}. None outside of an engine: unit tests have no stack to watch.
 */
export function watchResources(): readonly PricedResource[] {
  return pulumi.runtime.getStackResource() === undefined ? [] : recordGraph();
}

/**
 * The monthly cost as the stack's output (JSON, see {@link costOutput}), and as a table in the log of previews and updates. Everything is
 * priced in the stack's region: what CloudFront needs in another one costs the same in all, or goes by where clients are.
 * @returns an empty text for a region without a price table, which is said, and outside of an engine
 */
export async function monthlyCostEstimate(
  resources: readonly PricedResource[],
  region: string,
  plan: Pick<CloudPlan, "usage">,
): Promise<string> {
  if (resources.length === 0) return "";
  if (!PRICED_REGIONS.includes(region)) {
    await pulumi.log.info(`no monthly cost: there is no price table for ${region} (there is for ${PRICED_REGIONS.join(", ")})`);
    return "";
  }
  const estimate = cloudCost(resources, region, plan);
  await pulumi.log.info(costTable(estimate));
  return JSON.stringify(costOutput(estimate));
}
