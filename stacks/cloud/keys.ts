import { boolean, imageReference, integer, list, oneOf, text } from "../config/fields";
import { kubernetesFields } from "../kubernetes/keys";

/** A name such as `db.r7g.large`; which there are, the plan knows. */
const instanceType = (allowed: string, example: string) => text(/^[a-z0-9.-]{3,40}$/, allowed, example);

const certificate = (region: string) =>
  text(
    /^arn:aws[a-z-]*:acm:[a-z0-9-]+:\d{12}:certificate\/[a-f0-9-]{36}$/,
    `the ARN of a certificate of ACM ${region}`,
    "arn:aws:acm:us-east-1:123456789012:certificate/12345678-1234-1234-1234-123456789012",
  );

/** What a region is called, and a zone of one without its ending in `$`. */
const REGION = "[a-z]{2}(-[a-z]+){1,3}-\\d";

const region = (example: string) => text(new RegExp(`^${REGION}$`), "a region of AWS", example);

const zoneList = (example: string) => list(new RegExp(`^${REGION}[a-z]$`), "names of availability zones, separated by commas", example);

const range = (example: string) => text(/^(\d{1,3}\.){3}\d{1,3}\/(1[6-9]|20)$/, "a range of private addresses, /16 to /20", example);

const prefixList = (allowed: string) => text(/^pl-[a-f0-9]{8,17}$/, allowed, "pl-a3a144ca");

/** Keys of phase `cloud`, below the project's name like all others. Nothing is looked up in AWS, so a preview needs no login. */
export const cloudFields = {
  /** Region everything is in, but for what AWS has in us-east-1 only. */
  awsRegion: region("eu-central-1"),
  /** Account everything is in; the provider refuses to work in another one. */
  awsAccountId: text(/^\d{12}$/, "the 12 digits of an AWS account (aws sts get-caller-identity)", "123456789012"),
  /** Who gets alarms and notices of the budget. */
  alertEmail: text(/^[^\s@,]+@[^\s@,]+\.[^\s@,]+$/, "an e-mail address", "ops@example.com"),
  /** What the account may cost a month before somebody is told. */
  monthlyBudgetUsd: integer({ least: 1, most: 10_000_000, unit: "US dollars a month", example: 3000 }),
  /** What the stack may cost a month by its own estimate; the policy pack refuses one that costs more. @default no bound */
  monthlyCostCeiling: integer({ least: 1, most: 10_000_000, unit: "US dollars a month", example: 2000 }),
  /** People at work at the same time in the busiest hour (A14): sizes of everything follow, see sizing/plan.ts. */
  users: integer({ least: 1, most: 1_000_000, unit: "people at work at the same time", example: 10_000 }),
  /** `prod`: nothing is a single point of failure. `dev`: one of everything, cheap and disposable. @default dev on the stack dev, else prod */
  profile: oneOf(["prod", "dev"]),
  /** What runs the app. @default ecs */
  cloudRuntime: oneOf(["ecs", "eks", "kubernetes"]),
  /** How the app logs in at RDS: with a password, or with tokens of IAM as the role it runs as. @default password */
  databaseLogin: oneOf(["password", "iam"]),
  /** What carries events: `none` keeps them in the outbox. @default none */
  events: oneOf(["none", "sqs", "msk"]),
  /** Number of availability zones. @default 3, 2 with profile dev */
  zones: integer({ least: 2, most: 6, unit: "availability zones", example: 3 }),
  /** Their names, where a, b, c are not those the account has; append only. @default the region's first */
  availabilityZones: zoneList("eu-central-1a,eu-central-1b"),
  /** NAT gateways. @default one a zone, 1 with profile dev */
  natGateways: integer({ least: 1, most: 6, unit: "NAT gateways", example: 1 }),
  /** Addresses of the network, a /16 to a /20. A change REPLACES everything. @default 10.0.0.0/16 */
  vpcCidr: range("10.0.0.0/16"),
  /** Name the app is reached under. @default none with profile dev: CloudFront's own */
  domainName: text(/^([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z]{2,63}$/, "a host name", "shop.example.com"),
  /** Hosted zone of Route 53 that name is in: records and certificates are made then. @default none, both are made elsewhere */
  hostedZoneId: text(/^Z[A-Z0-9]{5,31}$/, "the id of a hosted zone of Route 53", "Z0123456789ABCDEFGHIJ"),
  /** Without hostedZoneId: certificate for domainName in awsRegion. @default made with hostedZoneId */
  certificateArn: certificate("in awsRegion"),
  /** Without hostedZoneId: certificate for domainName in us-east-1, for CloudFront. @default made with hostedZoneId */
  cdnCertificateArn: certificate("in us-east-1"),
  /** CloudFront in front of the app and of files. @default true */
  cdn: boolean,
  /**
   * CloudFront's addresses in awsRegion, so that the load balancer lets nobody else in. @default with profile dev everybody is let in as
   * far as a secret header
   */
  cdnPrefixListId: prefixList(
    "the id of the prefix list com.amazonaws.global.cloudfront.origin-facing (aws ec2 describe-managed-prefix-lists)",
  ),
  /** Number of the key by which the app signs addresses of uploads at the CDN; one more makes a new one. @default 1 */
  uploadsKeyGeneration: integer({ least: 1, most: 1_000_000, unit: "generations of the key", example: 2 }),
  /** Region that takes over when awsRegion is lost (A16); a change REPLACES everything in it. @default none */
  secondRegion: region("eu-west-1"),
  /** Addresses of its network, apart from those of vpcCidr. @default 10.1.0.0/16 */
  secondVpcCidr: range("10.1.0.0/16"),
  /** Its zones, as many as in awsRegion. @default the region's first */
  secondAvailabilityZones: zoneList("eu-west-1a,eu-west-1b,eu-west-1c"),
  /** CloudFront's addresses in it. @default as cdnPrefixListId */
  secondCdnPrefixListId: prefixList("the id of the prefix list com.amazonaws.global.cloudfront.origin-facing in secondRegion"),
  /** The same image in a registry that is there when awsRegion is not. @default image */
  secondImage: imageReference,
  /** Region whose Postgres takes writes; the second one after it has taken over. @default awsRegion */
  writeRegion: region("eu-west-1"),
  /** What tasks run on, and the image is built for. @default x86_64 */
  cpuArchitecture: oneOf(["x86_64", "arm64"]),
  /** Requests a second in the busiest minute, measured instead of reckoned. @default users ÷ 10 */
  peakRequestsPerSecond: integer({ least: 1, most: 200_000, unit: "requests a second", example: 1000 }),
  /** Fewest and most web tasks. @default planned */
  webMinTasks: integer({ least: 1, most: 5000, unit: "tasks", example: 3 }),
  webMaxTasks: integer({ least: 1, most: 5000, unit: "tasks", example: 30 }),
  /** Databases that companies are divided among (A17): `first`, `s2`, `s3` … @default planned, 1 as long as one carries the load */
  databases: integer({ least: 1, most: 20, unit: "databases", example: 2 }),
  /** Class of the database servers. @default planned */
  databaseClass: instanceType("an instance class of RDS", "db.r6g.xlarge"),
  /** Read replicas. @default planned, at least 1; 0 with profile dev */
  databaseReplicas: integer({ least: 0, most: 15, unit: "read replicas", example: 2 }),
  /** Storage of each server at first, and what it may grow to. @default planned */
  databaseStorageGb: integer({ least: 20, most: 65_536, unit: "GiB", example: 100 }),
  databaseMaxStorageGb: integer({ least: 22, most: 65_536, unit: "GiB", example: 400 }),
  /** Nodes of the cache and sessions, and of limits and queues. @default planned */
  cacheNodeType: instanceType("a node type of ElastiCache", "cache.r7g.large"),
  limitsNodeType: instanceType("a node type of ElastiCache", "cache.r7g.large"),
  cacheNodes: integer({ least: 1, most: 6, unit: "nodes", example: 3 }),
  limitsNodes: integer({ least: 1, most: 6, unit: "nodes", example: 2 }),
  /** Brokers of Kafka, with events msk. @default planned */
  brokerType: instanceType("a broker type of MSK", "kafka.m7g.large"),
  /** Nodes of Kubernetes, with cloudRuntime eks. @default planned */
  nodeType: instanceType("an instance type of EC2", "m6i.2xlarge"),
  ...kubernetesFields,
} as const;

export type CloudKey = keyof typeof cloudFields;

/** Keys phase `cloud` cannot do without. */
export const REQUIRED_CLOUD_KEYS = ["awsRegion", "awsAccountId", "alertEmail", "monthlyBudgetUsd", "users"] as const satisfies CloudKey[];
