import type * as pulumi from "@pulumi/pulumi";
import type { LogSettings } from "../../components/aws/context";
import { Keys } from "../../components/aws/keys";
import { Network } from "../../components/aws/network";
import { INTERFACE_ENDPOINTS, NetworkEndpoints } from "../../components/aws/network/endpoints";
import { SecurityGroups } from "../../components/aws/security-groups";
import { membersOf, publicAccess } from "./parts";
import { NETWORK_RANGES } from "./regions";
import type { CloudTarget, Region } from "./target";
import type { StackConfig } from "../config";

/** What everything else in a region stands on. */
export interface Foundation {
  readonly keys: Keys<"data" | "storage" | "messages" | "logs">;
  readonly logs: LogSettings & { readonly kmsKeyArn: pulumi.Input<string> };
  readonly network: Network;
  readonly groups: SecurityGroups;
}

/** Keys, network, and who may reach whom, of one region; the two of a stack differ in their addresses only. */
export function cloudFoundation(config: StackConfig, target: CloudTarget, region: Region): Foundation {
  const { context, provider, prefix, zones } = region;
  const { profile, plan } = target;
  const own = { provider };
  const purposes = ["data", "storage", "logs", "messages"] as const;
  const protection = { deletionWindowDays: profile.keyDeletionDays, protect: config.protect };
  const keys = new Keys(`${prefix}keys`, { context, purposes, ...protection, aliasPrefix: prefix }, own);
  const logs = { retentionDays: profile.logDays, kmsKeyArn: keys.arns.logs };
  const { natGateways } = plan.network;
  const flowLogs = profile.flowLogs ? logs : undefined;
  const cidr = prefix === "" ? config.vpcCidr : (config.secondVpcCidr ?? NETWORK_RANGES.second);
  const network = new Network(`${prefix}network`, { context, zones, cidr, natGateways, flowLogs }, own);
  const { vpcId, routeTableIds } = network;
  const access = publicAccess(config, region);
  const groups = new SecurityGroups(`${prefix}groups`, { context, vpcId, access, members: membersOf(target, region) }, own);
  const inside = { services: INTERFACE_ENDPOINTS, subnetIds: network.subnetIds.private };
  const interfaces = profile.interfaceEndpoints ? { ...inside, securityGroupId: groups.id("endpoints") } : undefined;
  new NetworkEndpoints(`${prefix}endpoints`, { context, vpcId, routeTableIds: routeTableIds.private, interfaces }, own);
  return { keys, logs, network, groups };
}
