import { partitionOf } from "../../components/aws/context";
import { overlap, parseCidr } from "../../components/aws/network/cidr";
import { cloudFields, type CloudKey } from "./keys";
import type { StackConfig } from "../config/keys";

/** Addresses of the two networks unless the configuration says others: apart from each other, because the networks are connected. */
export const NETWORK_RANGES = { home: "10.0.0.0/16", second: "10.1.0.0/16" } as const;

/** What only means something with a second region. */
const OF_SECOND = ["secondVpcCidr", "secondAvailabilityZones", "secondCdnPrefixListId", "secondImage", "writeRegion"] as const;

/** Whether Postgres of the second region takes the writes, because it has taken over. */
export function writesInSecond({ secondRegion, writeRegion }: Pick<StackConfig, "secondRegion" | "writeRegion">): boolean {
  return secondRegion !== undefined && writeRegion === secondRegion;
}

/** What does not go together in a stack with two regions, and what of a second region is set without one, one sentence each. */
export function regionViolations(config: StackConfig): string[] {
  const { secondRegion, awsRegion } = config;
  if (secondRegion === undefined) {
    return OF_SECOND.filter((key) => config[key] !== undefined).map(
      (key) => `${key} is set, but secondRegion is not; allowed: both or neither. Fix: pulumi config rm ${key}`,
    );
  }
  if (secondRegion === awsRegion) {
    return [`secondRegion is ${secondRegion}, and awsRegion is the same; allowed: another region. Fix: pulumi config rm secondRegion`];
  }
  if (awsRegion !== undefined && partitionOf(secondRegion) !== partitionOf(awsRegion)) {
    return [
      `secondRegion is ${secondRegion}, and awsRegion is ${awsRegion}, which is of another group of regions with accounts of its own; allowed: one of the same group. ${fix("secondRegion")}`,
    ];
  }
  return [...wayViolations(config), ...placeViolations(config), ...imageViolations(config), ...writeViolations(config)];
}

const fix = (key: CloudKey): string => `Fix: pulumi config set ${key} ${cloudFields[key].example}`;

/** How requests come to the region that answers. */
function wayViolations({ cdn, hostedZoneId, domainName, profile, cdnPrefixListId, ...config }: StackConfig): string[] {
  const violations: string[] = [];
  if (!cdn) {
    violations.push(
      "cdn is false, and with secondRegion CloudFront is what leads to the region that answers; allowed: true. Fix: pulumi config set cdn true",
    );
  }
  for (const [key, value] of [
    ["domainName", domainName],
    ["hostedZoneId", hostedZoneId],
  ] as const) {
    // With profile prod the domain is missed already.
    if (value !== undefined || (key === "domainName" && profile === "prod")) continue;
    violations.push(
      `${key} is not set, and with secondRegion a record of Route 53 leads writes to the region that answers; allowed: ${cloudFields[key].allowed}. ${fix(key)}`,
    );
  }
  if (cdn && config.secondCdnPrefixListId === undefined && (profile === "prod" || cdnPrefixListId !== undefined)) {
    violations.push(
      `secondCdnPrefixListId is not set, and without it the second load balancer could be reached past CloudFront; allowed: ${cloudFields.secondCdnPrefixListId.allowed}. ${fix("secondCdnPrefixListId")}`,
    );
  }
  return violations;
}

/** Zones and addresses. */
function placeViolations({
  secondRegion = "",
  secondAvailabilityZones,
  availabilityZones,
  zones,
  profile,
  ...config
}: StackConfig): string[] {
  const violations: string[] = [];
  const { vpcCidr = NETWORK_RANGES.home, secondVpcCidr = NETWORK_RANGES.second } = config;
  if (isRange(vpcCidr) && isRange(secondVpcCidr) && overlap(vpcCidr, secondVpcCidr)) {
    violations.push(
      `secondVpcCidr is ${secondVpcCidr}, and vpcCidr is ${vpcCidr}; allowed: ranges without a common address, because the networks are connected. Fix: pulumi config set secondVpcCidr ${apartFrom(vpcCidr)}`,
    );
  }
  const elsewhere = secondAvailabilityZones?.filter((zone) => zone.slice(0, -1) !== secondRegion) ?? [];
  if (elsewhere.length > 0) {
    violations.push(
      `secondAvailabilityZones has ${elsewhere.join(", ")}, and secondRegion is ${secondRegion}; allowed: zones of that region. Fix: pulumi config rm secondAvailabilityZones`,
    );
  }
  const count = availabilityZones?.length ?? zones ?? (profile === "prod" ? 3 : 2);
  if (secondAvailabilityZones !== undefined && secondAvailabilityZones.length !== count) {
    violations.push(
      `secondAvailabilityZones names ${secondAvailabilityZones.length}, and awsRegion has ${count} zones; allowed: the same number. Fix: pulumi config rm secondAvailabilityZones`,
    );
  }
  return violations;
}

/** Whether it is a range of IPv4 addresses that begins with its first one. A vpcCidr that is not one is refused where the network is made. */
export function isRange(cidr: string): boolean {
  try {
    parseCidr(cidr);
    return true;
  } catch {
    return false;
  }
}

/** A /16 of private addresses that has none of a range. */
export function apartFrom(cidr: string): string {
  return overlap(cidr, NETWORK_RANGES.second) ? "10.2.0.0/16" : NETWORK_RANGES.second;
}

const DIGEST = /@(sha256:[a-f0-9]{64})$/;

/** Tasks that start in the second region must not need the first one's registry. */
function imageViolations({ image, secondImage, awsRegion = "", secondRegion = "" }: StackConfig): string[] {
  if (image === undefined) {
    return secondImage === undefined
      ? []
      : [
          "secondImage is set, but image is not; allowed: both, or neither, and the app is built for both. Fix: pulumi config rm secondImage",
        ];
  }
  const registry = `.dkr.ecr.${awsRegion}.`;
  if (secondImage === undefined && image.includes(registry)) {
    const there = image.replace(registry, `.dkr.ecr.${secondRegion}.`);
    return [
      `secondImage is not set, and image is in a registry of ${awsRegion}, from where the second region could not pull it when it has to take over; allowed: the same image in another registry. Fix: pulumi config set secondImage ${there}`,
    ];
  }
  const [digest, second] = [image, secondImage ?? image].map((reference) => DIGEST.exec(reference)?.[1]);
  if (digest === undefined || digest === second) return [];
  return [
    `secondImage is ${secondImage ?? ""}, which is not the image ${digest} of the first region; allowed: the same digest, so that both run the same version. Fix: copy it with its manifest, and set its address`,
  ];
}

function writeViolations({ awsRegion, secondRegion = "", writeRegion }: StackConfig): string[] {
  if (writeRegion === undefined || writeRegion === awsRegion || writeRegion === secondRegion) return [];
  return [
    `writeRegion is ${writeRegion}; allowed: ${[awsRegion, secondRegion].filter(Boolean).join(", ")}, the regions of the stack. Fix: pulumi config rm writeRegion`,
  ];
}
