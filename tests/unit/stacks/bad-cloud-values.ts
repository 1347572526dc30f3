import type { CloudKey } from "../../../stacks/cloud/keys";
import type { KubernetesKey } from "../../../stacks/kubernetes/keys";

/**
 * Values that are refused, for every key of phase `cloud` but the file, of which any text is a path; those of Kubernetes have a table of
 * their own.
 */
export const BAD_CLOUD_VALUES: Readonly<Record<Exclude<CloudKey, KubernetesKey | "cdnPublicKeyFile">, readonly string[]>> = {
  awsRegion: ["frankfurt", "eu-central", "EU-CENTRAL-1", ""],
  awsAccountId: ["12345678901", "1234567890123", "arn:aws:iam::123456789012:root", ""],
  alertEmail: ["ops", "ops@example", "a@example.com,b@example.com", ""],
  monthlyBudgetUsd: ["0", "-1", "100 USD", "1e3"],
  monthlyCostCeiling: ["0", "-1", "2000 USD", "1e3"],
  users: ["0", "1000001", "many", "1,000"],
  profile: ["production", "Prod", ""],
  cloudRuntime: ["fargate", "k8s", ""],
  databaseLogin: ["IAM", "token", ""],
  events: ["kafka", "true", ""],
  zones: ["0", "1", "7", "a"],
  availabilityZones: ["a", "eu-central-1", "eu-central-1a,eu-central-1a", "eu-central-1a, eu-central-1b", ""],
  natGateways: ["0", "7", "per-zone"],
  vpcCidr: ["10.0.0.0", "10.0.0.0/24", "10.0.0.0/8", "::/16"],
  domainName: ["localhost", "https://shop.example.com", "Shop.example.com", "-a.example.com", ""],
  hostedZoneId: ["example.com", "/hostedzone/Z0123456789ABCDEFGHIJ", ""],
  certificateArn: ["arn:aws:acm:eu-central-1:1:certificate/x", "certificate", ""],
  cdnCertificateArn: ["arn:aws:iam::123456789012:server-certificate/x", ""],
  cdn: ["yes", "1", ""],
  cdnPrefixListId: ["com.amazonaws.global.cloudfront.origin-facing", "pl-x", ""],
  secondRegion: ["frankfurt", "eu-central", "EU-WEST-1", ""],
  secondVpcCidr: ["10.1.0.0", "10.1.0.0/24", "10.0.0.0/8", "::/16"],
  secondAvailabilityZones: ["a", "eu-west-1", "eu-west-1a,eu-west-1a", "eu-west-1a, eu-west-1b", ""],
  secondCdnPrefixListId: ["com.amazonaws.global.cloudfront.origin-facing", "pl-x", ""],
  secondImage: ["app", "registry.example.com/App:1", ""],
  writeRegion: ["second", "EU-WEST-1", ""],
  cpuArchitecture: ["amd64", "x86", ""],
  peakRequestsPerSecond: ["0", "200001", "fast"],
  webMinTasks: ["0", "5001", "two"],
  webMaxTasks: ["0", "5001", "two"],
  databaseClass: ["db", "DB.R6G.LARGE", ""],
  databaseReplicas: ["-1", "16", "one"],
  databaseStorageGb: ["19", "65537", "1TB"],
  databaseMaxStorageGb: ["21", "65537", "1TB"],
  cacheNodeType: ["x", "cache r7g", ""],
  limitsNodeType: ["x", "cache r7g", ""],
  cacheNodes: ["0", "7", "three"],
  limitsNodes: ["0", "7", "three"],
  brokerType: ["x", "kafka m7g", ""],
  nodeType: ["x", "m6i 2xlarge", ""],
};
