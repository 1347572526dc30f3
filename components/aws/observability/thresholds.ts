/** Feature B8, E10 and cloud.md: from these values on somebody is told. */
export const THRESHOLDS = {
  cpuPercent: 80,
  memoryPercent: 85,
  errorPercent: 5,
  p95Seconds: 2,
  replicaLagSeconds: 5,
  connectionsPercent: 80,
  /** Part of the storage that is left; it grows by itself, so less than this means that it did not. */
  storageLeftPercent: 10,
  oldestMessageSeconds: 300,
  brokerDiskPercent: 85,
} as const;
