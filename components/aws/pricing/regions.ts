import { SOURCES } from "./sources";
import type { Price, PriceSource } from "./types";
import { CLASSES, PRICES, type PriceKey } from "./us-east-1";

/** Prices of one region. */
export interface PriceTable {
  readonly region: string;
  /** An hour of an instance class; `undefined` for a class that is not in the table. */
  readonly classHour: (name: string) => Price | undefined;
  readonly price: (key: PriceKey) => Price;
  /** Prices of further data ÷ that of the first 10 TB, for data to clients; each with the GB it is for. */
  readonly tiers: Readonly<Record<"cloudfront.gb" | "transfer.internet.gb", readonly Tier[]>>;
}

/** GB, and the price of each ÷ the price of the first. */
export type Tier = readonly [gb: number, share: number];

const TB = 1024;

/** Of the same results of Infracost's tests: first 10 TB, next 40, 100, 350, 524 TB, 4 PB, more. */
const CLOUDFRONT_GB = [10 * TB, 40 * TB, 100 * TB, 350 * TB, 524 * TB, 4096 * TB, Infinity];
const INTERNET_GB = [10 * TB, 40 * TB, 100 * TB, Infinity];

function tiers(sizes: readonly number[], usd: readonly number[]): Tier[] {
  const first = usd[0] ?? 0;
  return sizes.map((gb, index) => [gb, (usd[index] ?? 0) / first]);
}

const TIERS = {
  "cloudfront.gb": tiers(CLOUDFRONT_GB, [0.085, 0.08, 0.06, 0.04, 0.03, 0.025, 0.02]),
  "transfer.internet.gb": tiers(INTERNET_GB, [0.09, 0.085, 0.07, 0.05]),
};
const SOUTH_AMERICA = {
  "cloudfront.gb": tiers(CLOUDFRONT_GB, [0.11, 0.105, 0.09, 0.08, 0.06, 0.05, 0.04]),
  "transfer.internet.gb": tiers(INTERNET_GB, [0.15, 0.138, 0.126, 0.114]),
};

interface Region {
  /** What an m6i instance costs there ÷ in us-east-1. */
  readonly ratio: number;
  /** Prices that are known better than by the ratio. */
  readonly own: Readonly<Partial<Record<PriceKey, Known>>>;
  /** The same of an hour of instance classes. */
  readonly classes?: Readonly<Record<string, Known>>;
}

type Known = readonly [usd: number, source: PriceSource];

const { frankfurt, ireland, saoPaulo, saoPauloFargate, secondHand, infracost } = SOURCES;

function all(usd: Readonly<Record<string, number>>, source: PriceSource): Record<string, Known> {
  return Object.fromEntries(Object.entries(usd).map(([name, hourly]) => [name, [hourly, source] as const]));
}

/** m6i.large: 0.096 in us-east-1 and 0.153 in sa-east-1 by AWS' list; 0.107 and 0.115 in Europe by public tables without a date. */
const REGIONS: Readonly<Record<string, Region>> = {
  "us-east-1": { ratio: 1, own: {} },
  "us-west-2": { ratio: 1, own: { "transfer.internet.gb": [0.09, infracost] } },
  "eu-west-1": {
    ratio: 0.107 / 0.096,
    own: {
      "fargate.x86.vcpuHour": [0.04048, ireland],
      "fargate.x86.gbHour": [0.004445, ireland],
      "nat.hour": [0.048, ireland],
      "nat.gb": [0.048, ireland],
      "endpoint.hour": [0.011, ireland],
      "endpoint.gb": [0.01, ireland],
      "ipv4.hour": [0.005, ireland],
      "cloudfront.gb": [0.085, infracost],
      "cloudfront.tenThousandRequests": [0.012, infracost],
      "transfer.internet.gb": [0.09, infracost],
    },
  },
  "eu-central-1": {
    ratio: 0.115 / 0.096,
    own: {
      "fargate.x86.vcpuHour": [0.04656, frankfurt],
      "fargate.x86.gbHour": [0.00511, frankfurt],
      "alb.hour": [0.027, frankfurt],
      "alb.lcuHour": [0.008, frankfurt],
      "rds.gp3.gbMonth": [0.137, frankfurt],
      "logs.gb": [0.63, frankfurt],
      "ipv4.hour": [0.005, frankfurt],
      "nat.hour": [0.052, frankfurt],
      "nat.gb": [0.052, secondHand],
      "secrets.secretMonth": [0.4, frankfurt],
      "cloudwatch.alarmMonth": [0.1, frankfurt],
      "cloudfront.gb": [0.085, frankfurt],
      "cloudfront.tenThousandRequests": [0.012, infracost],
      "transfer.internet.gb": [0.09, infracost],
    },
  },
  "sa-east-1": {
    ratio: 0.153 / 0.096,
    own: {
      "fargate.x86.vcpuHour": [0.0696, saoPauloFargate],
      "fargate.x86.gbHour": [0.0076, saoPauloFargate],
      "ipv4.hour": [0.005, saoPauloFargate],
      "sqs.millionRequests": [0.4, saoPauloFargate],
      "eks.clusterHour": [0.1, saoPaulo],
      "eks.autoModeShare": [0.12, saoPaulo],
      "ebs.gp3.gbMonth": [0.152, saoPaulo],
      "rds.gp3.gbMonth": [0.219, saoPaulo],
      "elasticache.valkeyShare": [0.8, saoPaulo],
      "elasticache.backup.gbMonth": [0.085, saoPaulo],
      "s3.standard.gbMonth": [0.0405, saoPaulo],
      "s3.thousandWrites": [0.007, saoPaulo],
      "alb.hour": [0.034, saoPaulo],
      "alb.lcuHour": [0.011, saoPaulo],
      "transfer.zone.gb": [0.01, saoPaulo],
      "transfer.internet.gb": [0.15, saoPaulo],
      "cloudfront.gb": [0.11, infracost],
      "cloudfront.tenThousandRequests": [0.022, infracost],
    },
    classes: all(
      {
        "cache.t4g.small": 0.061,
        "cache.t4g.medium": 0.122,
        "cache.m7g.large": 0.225,
        "cache.r7g.large": 0.436,
        "cache.r7g.xlarge": 0.873,
        "cache.r7g.2xlarge": 1.746,
        "cache.r7g.4xlarge": 3.49,
        "cache.r7g.8xlarge": 6.98,
        "cache.r7g.12xlarge": 10.471,
        "cache.r7g.16xlarge": 13.961,
        "m6i.large": 0.153,
        "m6i.xlarge": 0.306,
        "m6i.2xlarge": 0.612,
        "m6i.4xlarge": 1.224,
        "m6g.large": 0.1224,
        "m6g.xlarge": 0.2448,
        "m6g.2xlarge": 0.4896,
        "m6g.4xlarge": 0.9792,
      },
      saoPaulo,
    ),
  },
};

/** Regions there is a price table for. */
export const PRICED_REGIONS: readonly string[] = Object.keys(REGIONS);

/** Prices of a region, each with its source. @throws RangeError for a region without a table. */
export function priceTable(region: string): PriceTable {
  const found = Object.hasOwn(REGIONS, region) ? REGIONS[region] : undefined;
  if (found === undefined) {
    throw new RangeError(`region: "${region}" has no price table; there are tables for ${PRICED_REGIONS.join(", ")}.`);
  }
  const { ratio, own, classes = {} } = found;
  const elsewhere = ({ usd, source }: Price, scope: "regional" | "everywhere"): Price => {
    if (region === "us-east-1") return { usd, source };
    return scope === "everywhere" ? { usd, source: SOURCES.everywhere } : { usd: usd * ratio, source: SOURCES.ratio };
  };
  return {
    region,
    tiers: region === "sa-east-1" ? SOUTH_AMERICA : TIERS,
    classHour: (name) => {
      const exact = Object.hasOwn(classes, name) ? classes[name] : undefined;
      if (exact !== undefined) return { usd: exact[0], source: exact[1] };
      const base = Object.hasOwn(CLASSES, name) ? CLASSES[name] : undefined;
      return base && elsewhere(base, "regional");
    },
    price: (key) => {
      const exact = own[key];
      if (exact !== undefined) return { usd: exact[0], source: exact[1] };
      const { scope, ...base } = PRICES[key];
      return elsewhere(base, scope);
    },
  };
}
