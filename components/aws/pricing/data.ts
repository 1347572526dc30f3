import { HOURS, line, numberOf, objectOf, type Pricer, type PricingContext, scaled, textOf, vcpusOf } from "./pricer";
import type { CostLine, PricedResource } from "./types";

const INSTANCE = "aws:rds/instance:Instance";

/** gp3 volumes have these without being asked, from 400 GiB on four times as many (hashicorp/terraform-provider-aws#28382). */
const GP3 = { stripedGb: 400, iops: { small: 3000, striped: 12_000 }, mibps: { small: 125, striped: 500 } } as const;

function isReplica({ inputs }: PricedResource): boolean {
  return inputs["replicateSourceDb"] !== undefined || inputs["replicateSourceDbArn"] !== undefined;
}

/**
 * A replica has its source's storage when it names none. Which one that is is not always known before it exists, so the largest of the region
 * is taken, and without any what the plan has for databases.
 */
function storageOf(resource: PricedResource, { resources, usage }: PricingContext): number | undefined {
  const own = numberOf(resource.inputs, "allocatedStorage");
  if (own !== undefined || !isReplica(resource)) return own;
  const sizes = resources.filter(({ type }) => type === INSTANCE).map(({ inputs }) => numberOf(inputs, "allocatedStorage") ?? 0);
  return Math.max(...sizes) > 0 ? Math.max(...sizes) : usage.databaseGb;
}

const database: Pricer = (resource, context) => {
  const { inputs } = resource;
  const { table, usage } = context;
  const name = textOf(inputs, "instanceClass");
  const hourly = name === undefined ? undefined : table.classHour(name);
  if (name === undefined || hourly === undefined) return `the price of ${name ?? "its class"} is not in the table`;
  const storage = storageOf(resource, context);
  if (storage === undefined) return "the size of its storage is not known";
  const copies = inputs["multiAz"] === true ? 2 : 1;
  const { price } = table;
  const size = storage >= GP3.stripedGb ? "striped" : "small";
  const iops = Math.max(0, (numberOf(inputs, "iops") ?? 0) - GP3.iops[size]);
  const mibps = Math.max(0, (numberOf(inputs, "storageThroughput") ?? 0) - GP3.mibps[size]);
  const lines: CostLine[] = [
    line(`${name}${copies === 2 ? ", Multi-AZ" : ""}`, HOURS, "hours", scaled(hourly, copies)),
    line("storage", storage * copies, "GB", price("rds.gp3.gbMonth")),
  ];
  if (iops > 0) lines.push(line("provisioned IOPS", iops * copies, "IOPS", price("rds.gp3.iopsMonth")));
  if (mibps > 0) lines.push(line("provisioned throughput", mibps * copies, "MiB/s", price("rds.gp3.mibpsMonth")));
  if (context.isFirst(resource) && usage.backupGb > 0) lines.push(line("backups", usage.backupGb, "GB", price("rds.backup.gbMonth")));
  return lines;
};

/** Least virtual CPUs of a database that are paid for. */
const PROXY_LEAST_VCPUS = 2;

const proxy: Pricer = (_resource, { resources, table }) => {
  const primaries = resources.filter((resource) => resource.type === INSTANCE && !isReplica(resource));
  const vcpus = primaries.map(({ inputs }) => vcpusOf(textOf(inputs, "instanceClass") ?? ""));
  // All shards are of one class.
  const most = Math.max(PROXY_LEAST_VCPUS, ...vcpus.map((count) => count ?? 0));
  if (primaries.length === 0 || vcpus.includes(undefined)) return "the size of the database behind it is not known";
  return [line("virtual CPUs of the database", most * HOURS, "vCPU hours", table.price("rds.proxy.vcpuHour"))];
};

const redis: Pricer = (resource, context) => {
  const { inputs } = resource;
  const { table, usage } = context;
  const name = textOf(inputs, "nodeType");
  const hourly = name === undefined ? undefined : table.classHour(name);
  if (name === undefined || hourly === undefined) return `the price of ${name ?? "its node type"} is not in the table`;
  const groups = numberOf(inputs, "numNodeGroups");
  const nodes =
    groups === undefined ? (numberOf(inputs, "numCacheClusters") ?? 1) : groups * (1 + (numberOf(inputs, "replicasPerNodeGroup") ?? 0));
  const share = textOf(inputs, "engine") === "valkey" ? table.price("elasticache.valkeyShare").usd : 1;
  const lines: CostLine[] = [line(`${nodes} × ${name}`, nodes * HOURS, "node hours", scaled(hourly, share))];
  if (context.isFirst(resource) && usage.snapshotGb > 0) {
    lines.push(line("snapshots", usage.snapshotGb, "GB", table.price("elasticache.backup.gbMonth")));
  }
  return lines;
};

const kafka: Pricer = ({ inputs }, { table }) => {
  const group = objectOf(inputs, "brokerNodeGroupInfo");
  const name = textOf(group, "instanceType");
  const hourly = name === undefined ? undefined : table.classHour(name);
  if (name === undefined || hourly === undefined) return `the price of ${name ?? "its broker type"} is not in the table`;
  const brokers = numberOf(inputs, "numberOfBrokerNodes");
  const storage = numberOf(objectOf(objectOf(group, "storageInfo"), "ebsStorageInfo"), "volumeSize");
  if (brokers === undefined || storage === undefined) return "the number of its brokers or their storage is not known";
  return [
    line(`${brokers} × ${name}`, brokers * HOURS, "broker hours", hourly),
    line("storage", brokers * storage, "GB", table.price("msk.storage.gbMonth")),
  ];
};

const queue: Pricer = (resource, { table, usage, isFirst }) =>
  isFirst(resource) ? [line("requests of all queues", usage.sqsRequests / 1e6, "million", table.price("sqs.millionRequests"))] : [];

/** Thousand writes for each GB that is uploaded: files of 1 MB. */
const bucket: Pricer = (resource, { table, usage, isFirst }) => {
  if (!isFirst(resource)) return [];
  return [
    line("uploads in all buckets", usage.uploadsGb, "GB", table.price("s3.standard.gbMonth")),
    // A twelfth of a year's files a month.
    line("writing them", usage.uploadsGb / 12, "thousand", table.price("s3.thousandWrites")),
  ];
};

/** Metrics of a rule: bytes and files that wait, and for how long. */
const REPLICATION_METRICS = 3;

/** Files of a year, a twelfth of which is written in a month. */
const replication: Pricer = (_resource, { table, usage }) => [
  line("in 15 minutes", (usage.requests > 0 ? usage.uploadsGb : 0) / 12, "GB", table.price("s3.replicationTime.gb")),
  line("its metrics", REPLICATION_METRICS, "metrics", table.price("cloudwatch.metricMonth")),
];

const registry: Pricer = (resource, { table, usage, isFirst }) =>
  isFirst(resource) ? [line("images", usage.imagesGb, "GB", table.price("ecr.gbMonth"))] : [];

/** What keeps data. */
export const DATA: Readonly<Record<string, Pricer>> = {
  [INSTANCE]: database,
  "aws:rds/proxy:Proxy": proxy,
  "aws:elasticache/replicationGroup:ReplicationGroup": redis,
  "aws:msk/cluster:Cluster": kafka,
  "aws:sqs/queue:Queue": queue,
  "aws:s3/bucket:Bucket": bucket,
  "aws:s3/bucketV2:BucketV2": bucket,
  "aws:s3/bucketReplicationConfig:BucketReplicationConfig": replication,
  "aws:ecr/repository:Repository": registry,
};
