import * as aws from "@pulumi/aws";
import * as pulumi from "@pulumi/pulumi";
import { neededMemoryMb } from "../../app/src/config/machine";
import type { AwsContext } from "../../components/aws/context";
import { CDN_REGION } from "../../components/aws/cdn";
import { type CloudProfile, cloudProfile } from "./profile";
import { cloudPlan } from "./sizing/plan";
import type { CloudPlan } from "./sizing/types";
import type { StackConfig } from "../config";
import { refuseShards } from "./shards";
import { isBlindPreview } from "../lib/blind-preview";

/** One region: what its components are told, and the provider they are given. */
export interface Region {
  readonly context: AwsContext;
  readonly provider: aws.Provider;
  readonly zones: readonly string[];
  /** What the names of everything in it begin with: nothing in the first region. */
  readonly prefix: "" | typeof SECOND;
}

/** Names of everything in the second region begin with it: with the region's own, a change of that would change them all. */
export const SECOND = "second-";

/** Where phase `cloud` goes, and how large it gets. */
export interface CloudTarget {
  readonly home: Region;
  /** Where AWS has what belongs to CloudFront; may be one of the others. */
  readonly edge: Pick<Region, "context" | "provider">;
  /** Takes over when home is lost (A16). */
  readonly second: Region | undefined;
  readonly profile: CloudProfile;
  readonly plan: CloudPlan;
}

/**
 * The regions with their providers, and the plan. Nothing is asked of AWS: zones, account and sizes come from the configuration.
 * @throws RunError for what this version does not have, and for sizes that cannot be, before anything is registered.
 */
export function cloudTarget(config: StackConfig): CloudTarget {
  const { awsRegion: region, awsAccountId: accountId, users } = config;
  // Reported by loadConfig, all at once; asked again for the compiler.
  if (region === undefined || accountId === undefined || users === undefined) throw new Error("required configuration was not checked");
  const workers = config.workers === "auto" ? undefined : config.workers;
  const plan = cloudPlan({ ...config, users, workers, zones: config.availabilityZones?.length ?? config.zones });
  refuseRedisShards(plan);
  refuseShards(config, plan);
  refuseLargeHeap(config.workerHeapMb, plan);
  const home = { project: pulumi.getProject(), stack: pulumi.getStack(), region, accountId };
  refuseLongNames(home, plan.database.shards);
  const count = plan.network.zones;
  const zones = config.availabilityZones ?? zoneNames(region, count);
  const first: Region = { context: home, provider: regionProvider("aws", home), zones, prefix: "" };
  const second = secondRegion(config, home, count);
  const edge = { ...home, region: CDN_REGION };
  return {
    home: first,
    // One provider a region: two for the same one would be told nothing different.
    edge: [first, second].find((other) => other?.context.region === CDN_REGION) ?? {
      context: edge,
      provider: regionProvider(`aws-${CDN_REGION}`, edge),
    },
    second,
    profile: cloudProfile(config.profile),
    plan,
  };
}

function secondRegion({ secondRegion: region, secondAvailabilityZones }: StackConfig, home: AwsContext, count: number): Region | undefined {
  if (region === undefined) return undefined;
  const context = { ...home, region };
  const zones = secondAvailabilityZones ?? zoneNames(region, count);
  return { context, provider: regionProvider(`aws-${region}`, context), zones, prefix: SECOND };
}

/** The first zones of a region, as most accounts have them: `eu-central-1a`, `eu-central-1b` … */
export function zoneNames(region: string, count: number): readonly string[] {
  return Array.from("abcdef")
    .slice(0, count)
    .map((letter) => `${region}${letter}`);
}

/** The plan gives each worker its memory; a heap of one's own has to fit into that. */
function refuseLargeHeap(workerHeapMb: number | undefined, { web, jobs, consumer, ...plan }: CloudPlan): void {
  if (workerHeapMb === undefined) return;
  const services = { web, jobs, ...(plan.events.kind === "none" ? {} : { consumer }) };
  for (const [role, { workers, memoryMb }] of Object.entries(services)) {
    const needed = neededMemoryMb("cloud", workers, workerHeapMb);
    if (needed <= memoryMb) continue;
    throw new pulumi.RunError(
      `workerHeapMb is ${workerHeapMb}, with which a task of ${role} needs ${needed} MiB and has ${memoryMb}; allowed: less, or none, and the app derives it. ` +
        "Fix: pulumi config rm workerHeapMb",
    );
  }
}

/** Lambda's names have at most 64 characters, and the longest of the stack's own endings has 26. */
const LONGEST_PREFIX = 36;

/** Those of further databases have their name in them: `-s20`. */
const LONGEST_SHARD = 4;

function refuseLongNames({ project, stack }: AwsContext, shards: number): void {
  const length = `${project}-${stack}`.length;
  const most = LONGEST_PREFIX - (shards > 1 ? LONGEST_SHARD : 0);
  if (length <= most) return;
  throw new pulumi.RunError(
    `project and stack are called ${project} and ${stack}, ${length} characters with a dash; allowed in phase cloud${shards > 1 ? " with several databases" : ""}: at most ${most}, ` +
      "because names in AWS begin with them. Fix: pulumi stack init with a shorter name",
  );
}

/** Scripts of limits and queues use several keys at once, which Redis in cluster mode keeps on several servers. */
function refuseRedisShards({ users, cache, limits }: CloudPlan): void {
  const parts = { cache, limits };
  for (const [name, { shards }] of Object.entries(parts)) {
    if (shards === 1) continue;
    throw new pulumi.RunError(
      `users is ${users}, for which the plan has ${shards} shards of the ${name}; allowed in this version: what one carries. ` +
        "Fix: set fewer users, or peakRequestsPerSecond where less was measured",
    );
  }
}

/** The provider of one region. It works in the configured account and in no other, whatever login it finds. */
function regionProvider(name: string, { region, accountId }: AwsContext): aws.Provider {
  const blind = isBlindPreview();
  return new aws.Provider(name, {
    region: region as aws.Region,
    ...(blind
      ? {
          // Any text: nothing is signed with it.
          accessKey: "preview",
          secretKey: "preview",
          skipCredentialsValidation: true,
          skipRequestingAccountId: true,
          skipMetadataApiCheck: true,
        }
      : { allowedAccountIds: [accountId] }),
  });
}
