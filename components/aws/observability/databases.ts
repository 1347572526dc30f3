import type { AlarmSpec, Figure } from "./alarms";
import { THRESHOLDS } from "./thresholds";

const BYTES_PER_GB = 1024 ** 3;

/** The servers of Postgres. */
export interface WatchedDatabase {
  /** Identifiers, the primary first. */
  readonly identifiers: readonly string[];
  /** There is no primary: the first one follows that of another region. @default false */
  readonly standby?: boolean | undefined;
  /** Servers of further databases, which are as large. @default none */
  readonly shards?: readonly { /** What the app calls it. */ readonly name: string; readonly identifiers: readonly string[] }[] | undefined;
  readonly allocatedGb: number;
  readonly maxConnections: number;
}

/** Alarms of every server: `database-primary-…`, `database-replica-1-…`, and those of further databases with their names, `database-s2-primary-…`. */
export function databaseAlarms({ shards = [], ...first }: WatchedDatabase): readonly AlarmSpec[] {
  const { allocatedGb, maxConnections } = first;
  return [first, ...shards].flatMap((database) => serverAlarms({ allocatedGb, maxConnections, ...database }));
}

type Servers = Omit<WatchedDatabase, "shards"> & { readonly name?: string };

function serverAlarms({ name, identifiers, standby = false, allocatedGb, maxConnections }: Servers): readonly AlarmSpec[] {
  return identifiers.flatMap((identifier, index): AlarmSpec[] => {
    const first = standby ? "standby" : "primary";
    const role = index === 0 ? first : `replica-${index}`;
    const server = name === undefined ? role : `${name}-${role}`;
    const common = { minutes: 5, missing: "breaching" } as const;
    const figure = (metric: string, statistic = "Average"): Figure => ({
      namespace: "AWS/RDS",
      metric,
      dimensions: { DBInstanceIdentifier: identifier },
      statistic,
    });
    return [
      {
        name: `database-${server}-cpu`,
        description: `Postgres ${server}: CPU above ${THRESHOLDS.cpuPercent} %; Performance Insights shows the statements`,
        figure: figure("CPUUtilization"),
        above: THRESHOLDS.cpuPercent,
        ...common,
      },
      {
        name: `database-${server}-storage`,
        description: `Postgres ${server}: less than ${THRESHOLDS.storageLeftPercent} % of the first storage is free; it should have grown`,
        figure: figure("FreeStorageSpace", "Minimum"),
        below: (allocatedGb * BYTES_PER_GB * THRESHOLDS.storageLeftPercent) / 100,
        ...common,
      },
      {
        name: `database-${server}-connections`,
        description: `Postgres ${server}: more than ${THRESHOLDS.connectionsPercent} % of its connections are open`,
        figure: figure("DatabaseConnections", "Maximum"),
        above: Math.floor((maxConnections * THRESHOLDS.connectionsPercent) / 100),
        ...common,
      },
      ...(role === "primary"
        ? []
        : [
            // While nobody writes, RDS' figure is the time since somebody did: the app writes every two seconds (`app/src/db/replica-pulse.ts`).
            {
              name: `database-${server}-lag`,
              description: `Postgres ${server} is more than ${THRESHOLDS.replicaLagSeconds} s behind; the app does not read from it meanwhile`,
              figure: figure("ReplicaLag", "Maximum"),
              above: THRESHOLDS.replicaLagSeconds,
              ...common,
            },
          ]),
    ];
  });
}
