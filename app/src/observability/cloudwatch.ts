import type { Logger } from "./logger";

/** One figure. */
export interface Metric {
  readonly name: string;
  /** As CloudWatch calls it. */
  readonly unit: "Count";
  readonly value: number;
}

/**
 * Writes figures as one line of the log in CloudWatch's embedded metric format: CloudWatch Logs makes metrics of such lines, so that giving
 * figures needs no right, no connection and no agent. Without dimensions: one figure for the whole stack. Written whatever LOG_LEVEL is,
 * because figures are no messages.
 * @param namespace where CloudWatch keeps them.
 */
export function writeMetrics(logger: Logger, namespace: string, metrics: readonly Metric[]): void {
  const definitions = metrics.map(({ name, unit }) => ({ Name: name, Unit: unit }));
  const values = Object.fromEntries(metrics.map(({ name, value }) => [name, value]));
  const directive = { Namespace: namespace, Dimensions: [[]], Metrics: definitions };
  logger.child({}, { level: "info" }).info({ _aws: { Timestamp: Date.now(), CloudWatchMetrics: [directive] }, ...values }, "figures");
}
