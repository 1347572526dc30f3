import * as pulumi from "@pulumi/pulumi";
import type { Phase } from "./config";
import { SECRET_OUTPUTS } from "./lib/secret-outputs";

/** What a phase may have to tell; everything is text. */
export interface PhaseOutputs {
  /** Address of the app. */
  readonly appUrl: pulumi.Input<string>;
  /** Address of the administrators' page. */
  readonly consoleUrl?: pulumi.Input<string>;
  readonly databaseHost?: pulumi.Input<string>;
  /** Host of the read replicas. */
  readonly databaseReaderHost?: pulumi.Input<string>;
  readonly redisHost?: pulumi.Input<string>;
  /** `host:port` of every broker, separated by commas. */
  readonly kafkaBrokers?: pulumi.Input<string>;
  readonly prometheusUrl?: pulumi.Input<string>;
  readonly grafanaUrl?: pulumi.Input<string>;
  readonly cdnUrl?: pulumi.Input<string>;
  /** Cloud region. */
  readonly region?: pulumi.Input<string>;
  /** The region that can take over, its administrators' page, and its copy of the database. */
  readonly secondRegion?: pulumi.Input<string>;
  readonly secondConsoleUrl?: pulumi.Input<string>;
  readonly secondDatabaseHost?: pulumi.Input<string>;
  /** US dollars a month. */
  readonly monthlyCostEstimate?: pulumi.Input<string>;
  /** Secret. */
  readonly adminToken: pulumi.Input<string>;
  /** Secret. */
  readonly databasePassword?: pulumi.Input<string>;
  /** What backups outside of the host are encrypted with. Secret. */
  readonly backupPassphrase?: pulumi.Input<string>;
  /** Of Grafana's user `admin`. Secret. */
  readonly grafanaPassword?: pulumi.Input<string>;
}

/** The outputs of a stack: the same keys in every phase, empty where the phase has no such thing, secrets marked. */
export function stackOutputs(phase: Phase, given: PhaseOutputs): Record<string, pulumi.Output<string>> {
  const plain = {
    phase,
    appUrl: given.appUrl,
    consoleUrl: given.consoleUrl,
    databaseHost: given.databaseHost,
    databaseReaderHost: given.databaseReaderHost,
    redisHost: given.redisHost,
    kafkaBrokers: given.kafkaBrokers,
    prometheusUrl: given.prometheusUrl,
    grafanaUrl: given.grafanaUrl,
    cdnUrl: given.cdnUrl,
    region: given.region,
    secondRegion: given.secondRegion,
    secondConsoleUrl: given.secondConsoleUrl,
    secondDatabaseHost: given.secondDatabaseHost,
    monthlyCostEstimate: given.monthlyCostEstimate,
  };
  return {
    ...mapValues(plain, (value) => pulumi.output(value ?? "")),
    ...Object.fromEntries(SECRET_OUTPUTS.map((key) => [key, pulumi.secret(given[key] ?? "")])),
  };
}

function mapValues<From, To>(object: Readonly<Record<string, From>>, change: (value: From) => To): Record<string, To> {
  return Object.fromEntries(Object.entries(object).map(([key, value]) => [key, change(value)]));
}
