import type { Capacity } from "../../components/aws/service";

/** What `dev` and `prod` differ in, beside sizes, which are the plan's (sizing/plan.ts). Everything else is the same in both. */
export interface CloudProfile {
  /** Days a deleted key and a deleted secret can be brought back. */
  readonly keyDeletionDays: number;
  readonly secretRecoveryDays: number;
  /** Who talked to whom in the network is recorded. */
  readonly flowLogs: boolean;
  /** AWS services reached inside the network, beside S3. */
  readonly interfaceEndpoints: boolean;
  /** Days any moment of the database can be restored. */
  readonly backupDays: number;
  /** Seconds between two samples of the database servers' figures; 0: none. */
  readonly monitoringSeconds: number;
  /** Days snapshots of limits and queues are kept. */
  readonly snapshotDays: number;
  /** Seconds requests in flight may take on a task that leaves. */
  readonly deregistrationSeconds: number;
  /** Days logs of services, and access logs, are kept. */
  readonly logDays: number;
  readonly accessLogDays: number;
  /** Nodes of EKS are cheaper and may be taken back with two minutes' notice. */
  readonly spotNodes: boolean;
  readonly webCapacity: Capacity;
  /** Of jobs and consumer: what is taken back is done again. */
  readonly workerCapacity: Capacity;
  readonly priceClass: "PriceClass_100" | "PriceClass_All";
}

const PROD: CloudProfile = {
  keyDeletionDays: 30,
  secretRecoveryDays: 30,
  flowLogs: true,
  interfaceEndpoints: true,
  backupDays: 14,
  monitoringSeconds: 30,
  snapshotDays: 7,
  deregistrationSeconds: 30,
  logDays: 365,
  accessLogDays: 365,
  spotNodes: false,
  webCapacity: { base: 2, fargate: 1, spot: 1 },
  workerCapacity: { base: 0, fargate: 0, spot: 1 },
  priceClass: "PriceClass_All",
};

/** The relaxations of cloud.md, in brackets there. */
const DEV: CloudProfile = {
  keyDeletionDays: 7,
  secretRecoveryDays: 0,
  flowLogs: false,
  interfaceEndpoints: false,
  backupDays: 1,
  monitoringSeconds: 60,
  snapshotDays: 7,
  deregistrationSeconds: 5,
  logDays: 7,
  accessLogDays: 7,
  spotNodes: true,
  webCapacity: { base: 0, fargate: 0, spot: 1 },
  workerCapacity: { base: 0, fargate: 0, spot: 1 },
  priceClass: "PriceClass_100",
};

/** The settings of a profile. */
export function cloudProfile(name: "dev" | "prod"): CloudProfile {
  return name === "prod" ? PROD : DEV;
}
