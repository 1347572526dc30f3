import { SOURCES } from "./sources";
import type { Price, PriceSource } from "./types";

const { infracost, karpenter, elasticache, rdsDescriptions, linear, secondHand } = SOURCES;

function price(usd: number, source: PriceSource): Price {
  return { usd, source };
}

/** Price of one size of a family ÷ its `large`. */
const SIZES = { large: 1, xlarge: 2, "2xlarge": 4, "4xlarge": 8, "8xlarge": 16, "12xlarge": 24, "16xlarge": 32 } as const;

/** A whole family from its `large`. */
function family(name: string, large: number, source: PriceSource): Record<string, Price> {
  return Object.fromEntries(Object.entries(SIZES).map(([size, times]) => [`${name}.${size}`, price(large * times, source)]));
}

function same(usd: Readonly<Record<string, number>>, source: PriceSource): Record<string, Price> {
  return Object.fromEntries(Object.entries(usd).map(([name, hourly]) => [name, price(hourly, source)]));
}

/** US dollars an hour, by class: RDS for PostgreSQL (Single-AZ; Multi-AZ is twice that), ElastiCache for Redis, MSK, EC2 with Linux. */
export const CLASSES: Readonly<Record<string, Price>> = {
  "db.t4g.medium": price(0.065, secondHand),
  "db.m6g.large": price(0.159, secondHand),
  ...family("db.r6g", 0.225, linear),
  "db.r6g.xlarge": price(0.45, rdsDescriptions),
  ...same(
    {
      "cache.t4g.small": 0.032,
      "cache.t4g.medium": 0.065,
      "cache.m7g.large": 0.158,
      "cache.r7g.large": 0.219,
      "cache.r7g.xlarge": 0.437,
      "cache.r7g.2xlarge": 0.873,
      "cache.r7g.4xlarge": 1.745,
      "cache.r7g.8xlarge": 3.491,
      "cache.r7g.12xlarge": 5.235,
      "cache.r7g.16xlarge": 6.981,
    },
    elasticache,
  ),
  "kafka.t3.small": price(0.0456, infracost),
  ...family("kafka.m7g", 0.204, secondHand),
  ...family("m6i", 0.096, karpenter),
  ...family("m6g", 0.077, karpenter),
};

/** How a price differs between regions: with the machines' prices, or not at all. */
type Scope = "regional" | "everywhere";

const table = {
  // Computing.
  "fargate.x86.vcpuHour": [0.04048, infracost, "regional"],
  "fargate.x86.gbHour": [0.004445, infracost, "regional"],
  "fargate.arm.vcpuHour": [0.03238, secondHand, "regional"],
  "fargate.arm.gbHour": [0.00356, secondHand, "regional"],
  "eks.clusterHour": [0.1, infracost, "everywhere"],
  /** Of the instance's price, for nodes that EKS Auto Mode runs. */
  "eks.autoModeShare": [0.12, secondHand, "everywhere"],
  "lambda.gbSecond": [0.0000166667, infracost, "everywhere"],
  "ebs.gp3.gbMonth": [0.08, infracost, "regional"],
  // Data.
  "rds.gp3.gbMonth": [0.115, infracost, "regional"],
  "rds.gp3.iopsMonth": [0.02, secondHand, "regional"],
  "rds.gp3.mibpsMonth": [0.08, secondHand, "regional"],
  "rds.backup.gbMonth": [0.095, infracost, "regional"],
  "rds.proxy.vcpuHour": [0.015, secondHand, "regional"],
  /** Of the price for Redis. */
  "elasticache.valkeyShare": [0.8, elasticache, "everywhere"],
  "elasticache.backup.gbMonth": [0.085, infracost, "regional"],
  "msk.storage.gbMonth": [0.1, infracost, "regional"],
  "sqs.millionRequests": [0.4, infracost, "everywhere"],
  "s3.standard.gbMonth": [0.023, secondHand, "regional"],
  "s3.thousandWrites": [0.005, secondHand, "regional"],
  /** Replication Time Control. */
  "s3.replicationTime.gb": [0.015, secondHand, "everywhere"],
  "ecr.gbMonth": [0.1, infracost, "everywhere"],
  // Network.
  "alb.hour": [0.0225, infracost, "regional"],
  "alb.lcuHour": [0.008, infracost, "everywhere"],
  "nat.hour": [0.045, infracost, "regional"],
  "nat.gb": [0.045, infracost, "regional"],
  "ipv4.hour": [0.005, secondHand, "everywhere"],
  "endpoint.hour": [0.01, infracost, "regional"],
  "endpoint.gb": [0.01, infracost, "everywhere"],
  /** In each direction. */
  "transfer.zone.gb": [0.01, infracost, "everywhere"],
  /** To another region. */
  "transfer.region.gb": [0.02, secondHand, "everywhere"],
  "transfer.internet.gb": [0.09, infracost, "everywhere"],
  "cloudfront.gb": [0.085, infracost, "everywhere"],
  "cloudfront.tenThousandRequests": [0.01, infracost, "everywhere"],
  "route53.zoneMonth": [0.5, infracost, "everywhere"],
  "route53.healthCheckMonth": [0.75, infracost, "everywhere"],
  /** HTTPS, a text to be found, latency, or a check every 10 s. */
  "route53.healthCheckOptionMonth": [2, infracost, "everywhere"],
  // Security and operations.
  "waf.aclMonth": [5, infracost, "everywhere"],
  "waf.ruleMonth": [1, infracost, "everywhere"],
  "waf.millionRequests": [0.6, infracost, "everywhere"],
  "kms.keyMonth": [1, infracost, "everywhere"],
  "secrets.secretMonth": [0.4, infracost, "everywhere"],
  "logs.gb": [0.5, infracost, "regional"],
  "logs.stored.gbMonth": [0.03, infracost, "regional"],
  "cloudwatch.alarmMonth": [0.1, infracost, "everywhere"],
  "cloudwatch.compositeAlarmMonth": [0.5, secondHand, "everywhere"],
  "cloudwatch.dashboardMonth": [3, infracost, "everywhere"],
  "cloudwatch.metricMonth": [0.3, secondHand, "everywhere"],
  /** Container Insights of EKS with enhanced observability, the first thousand millions a month. */
  "cloudwatch.millionObservations": [0.21, secondHand, "everywhere"],
} as const satisfies Record<string, readonly [usd: number, source: PriceSource, scope: Scope]>;

/** What there is a price for, beside classes. */
export type PriceKey = keyof typeof table;

/** Prices of us-east-1, and whether another region has its own. */
export const PRICES = Object.fromEntries(
  Object.entries(table).map(([key, [usd, source, scope]]) => [key, { ...price(usd, source), scope }]),
) as Readonly<Record<PriceKey, Price & { readonly scope: Scope }>>;
