import { cloudFields, type CloudKey, REQUIRED_CLOUD_KEYS } from "./keys";
import { regionViolations } from "./regions";
import type { StackConfig } from "../config/keys";
import { eksViolations, kubernetesViolations } from "../kubernetes/checks";

/** An image by its digest: a tag may mean another image when a task is started in the middle of the night. */
const BY_DIGEST = /@sha256:[a-f0-9]{64}$/;

/** What is missing in phase `cloud`, or does not go together, one sentence each, all of them at once. */
export function cloudViolations(config: StackConfig, hasKubeconfig: boolean): string[] {
  if (config.phase !== "cloud") return [];
  if (config.cloudRuntime === "kubernetes") return [...kubernetesViolations(config, hasKubeconfig), ...imageViolations(config)];
  const eks = config.cloudRuntime === "eks" ? eksViolations(config) : [];
  return [
    ...missing(config),
    ...eks,
    ...domainViolations(config),
    ...cdnViolations(config),
    ...zoneViolations(config),
    ...regionViolations(config),
    ...imageViolations(config),
  ];
}

const fix = (key: CloudKey): string => `Fix: pulumi config set ${key} ${cloudFields[key].example}`;

function missing(config: StackConfig): string[] {
  return REQUIRED_CLOUD_KEYS.filter((key) => config[key] === undefined).map(
    (key) => `${key} is not set, and phase cloud needs it; allowed: ${cloudFields[key].allowed}. ${fix(key)}`,
  );
}

function domainViolations({ domainName, hostedZoneId, certificateArn, cdnCertificateArn, cdn, profile, awsRegion }: StackConfig): string[] {
  const violations: string[] = [];
  if (domainName === undefined) {
    if (profile === "prod") {
      violations.push(
        `domainName is not set, and profile prod serves over TLS, for which the load balancer needs a certificate; allowed: ${cloudFields.domainName.allowed}. ${fix("domainName")}`,
      );
    }
    const without = { hostedZoneId, certificateArn, cdnCertificateArn };
    for (const key of Object.keys(without) as (keyof typeof without)[]) {
      if (without[key] !== undefined) {
        violations.push(`${key} is set, but domainName is not; allowed: both or neither. ${fix("domainName")}`);
      }
    }
    return violations;
  }
  if (hostedZoneId === undefined) {
    const needed = { certificateArn, ...(cdn ? { cdnCertificateArn } : {}) };
    for (const key of Object.keys(needed) as (keyof typeof needed)[]) {
      if (needed[key] === undefined) {
        violations.push(
          `domainName is ${domainName}, but neither hostedZoneId nor ${key} is set; allowed: a hosted zone, in which certificates are made, or certificates of your own. ${fix("hostedZoneId")}`,
        );
      }
    }
  }
  const regions = { certificateArn: [certificateArn, awsRegion], cdnCertificateArn: [cdnCertificateArn, "us-east-1"] } as const;
  for (const key of Object.keys(regions) as (keyof typeof regions)[]) {
    const [arn, region] = regions[key];
    if (arn !== undefined && region !== undefined && arn.split(":")[3] !== region) {
      violations.push(`${key} is of region ${arn.split(":")[3] ?? ""}; allowed: one of ${region}. Fix: request one there and set its ARN`);
    }
  }
  return violations;
}

function cdnViolations({ cdn, cdnPrefixListId, profile }: StackConfig): string[] {
  const violations: string[] = [];
  if (cdn && profile === "prod" && cdnPrefixListId === undefined) {
    violations.push(
      `cdnPrefixListId is not set, and without it the load balancer could be reached past CloudFront; allowed: ${cloudFields.cdnPrefixListId.allowed}. ${fix("cdnPrefixListId")}`,
    );
  }
  return violations;
}

function zoneViolations({ availabilityZones, zones, awsRegion, events, profile }: StackConfig): string[] {
  const violations: string[] = [];
  const elsewhere = availabilityZones?.filter((zone) => awsRegion !== undefined && zone.slice(0, -1) !== awsRegion) ?? [];
  if (elsewhere.length > 0) {
    violations.push(
      `availabilityZones has ${elsewhere.join(", ")}, and awsRegion is ${awsRegion ?? ""}; allowed: zones of that region. Fix: pulumi config rm availabilityZones`,
    );
  }
  if (availabilityZones !== undefined && zones !== undefined && availabilityZones.length !== zones) {
    violations.push(
      `zones is ${zones}, but availabilityZones names ${availabilityZones.length}; allowed: the same number. Fix: pulumi config rm zones`,
    );
  }
  const count = availabilityZones?.length ?? zones ?? (profile === "prod" ? 3 : 2);
  if (events === "msk" && count < 3) {
    violations.push(
      `events is msk, but there are ${count} zones; allowed: at least 3, one for each copy of an event. Fix: pulumi config set zones 3`,
    );
  }
  return violations;
}

function imageViolations({ image }: StackConfig): string[] {
  if (image === undefined || BY_DIGEST.test(image)) return [];
  return [
    `image is ${image}; allowed in phase cloud: a reference by digest, which always means the same image. Fix: pulumi config set image REPOSITORY@sha256:DIGEST (docker images --digests)`,
  ];
}
