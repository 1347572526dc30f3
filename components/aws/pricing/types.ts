/** A resource of a program, as the engine is told of it; see tests/support/pulumi-mocks.ts. */
export interface PricedResource {
  /** Pulumi's type, e.g. `aws:rds/instance:Instance`. */
  readonly type: string;
  /** Logical name. */
  readonly name: string;
  readonly inputs: Readonly<Record<string, unknown>>;
}

/** What is paid by use in one region, a month; the estimate tells these as its assumptions. GB are 10⁹ bytes. The sizing model of stacks/ gives it. */
export interface MonthlyUsage {
  readonly requests: number;
  /** Answers to clients: from the app, which the cache does not keep, and static files and uploads from the edge. */
  readonly appTransferGb: number;
  readonly edgeTransferGb: number;
  /** Between zones: what the load balancer, the services and the databases send each other. */
  readonly zoneTransferGb: number;
  /** Through NAT gateways, and through interface endpoints. */
  readonly natGb: number;
  readonly endpointGb: number;
  readonly logsGb: number;
  /** Uploaded files at the end of the first year. */
  readonly uploadsGb: number;
  /** Storage of one database server: also what a replica has whose source is in another region. */
  readonly databaseGb: number;
  /** Backups of the databases beyond the free part, which is as much as the storage. */
  readonly backupGb: number;
  /** Snapshots of the Redis of limits and queues. */
  readonly snapshotGb: number;
  /** Images in the registry. */
  readonly imagesGb: number;
  readonly sqsRequests: number;
  /** To the other region. @default 0: there is none */
  readonly regionTransferGb?: number;
  /** Average running tasks by role. */
  readonly averageTasks: Readonly<Record<"web" | "jobs" | "consumer", number>>;
  /** Average running nodes of EKS, and their type; without nodes 0 and `undefined`. */
  readonly averageNodes: number;
  readonly nodeType: string | undefined;
}

/** Where a price was read. */
export interface PriceSource {
  readonly title: string;
  /** Day it was read, or made. */
  readonly date: string;
  /** Whether it was taken from AWS' own price list, with a date. Everything else is an estimate of the list price. */
  readonly confirmed: boolean;
}

/** US dollars for one unit, on demand, without taxes, discounts and free tiers. */
export interface Price {
  readonly usd: number;
  readonly source: PriceSource;
}

/** One thing a resource costs money for. */
export interface CostLine {
  readonly what: string;
  readonly quantity: number;
  /** What the price is for, e.g. `instance hours`. */
  readonly unit: string;
  readonly price: Price;
  readonly usd: number;
}

/** Costs of all resources of a type. */
export interface TypeCost {
  readonly type: string;
  readonly count: number;
  readonly usd: number;
  readonly lines: readonly CostLine[];
}

/** What a program costs a month in one region. Every AWS resource is in `types`, in `free`, or in `notPriced`. */
export interface CostEstimate {
  readonly region: string;
  /** Day the price table was put together. */
  readonly pricesAsOf: string;
  readonly totalUsd: number;
  /** Part of the total that rests on prices that could not be confirmed. */
  readonly unconfirmedUsd: number;
  /** Dearest first. */
  readonly types: readonly TypeCost[];
  readonly free: readonly { readonly type: string; readonly count: number }[];
  readonly notPriced: readonly { readonly type: string; readonly count: number; readonly reason: string }[];
}
