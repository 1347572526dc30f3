import * as docker from "@pulumi/docker";
import * as pulumi from "@pulumi/pulumi";
import type { Connection, SecretFile } from "../../contract";
import { sortedVariables } from "../app/environment";
import { ATTEMPT_LABEL, hardened, transformed, type Transform, type VolumeMount } from "../common";

/** Memory limit of the container, MiB, while it runs: one process of the app with one connection. */
export const MIGRATE_MB = 256;

/** Value of its label `phased-stack.service`. */
export const MIGRATE_SERVICE = "migrate";

const defaults = {
  /** Longest time, s: an index on a large table. The app itself tries for ten minutes to get at a table that is used. */
  limitSeconds: 3600,
  /** What the provider needs around it: creating the container, reading its log. */
  marginSeconds: 120,
  /** A migration is one transaction: cut off, it was never there. */
  stopSeconds: 10,
  tmpMb: 16,
  /** The image declares a volume there, which Docker would make, and leave behind, for every container that brings nothing of its own. */
  dataPath: "/data",
  /** Of its log, in the message of a failed update. */
  errorLines: 10,
} as const;

export interface MigrateArgs {
  /** The app's image, which has the migrations. Another one is another container, which migrates. */
  readonly image: pulumi.Input<string>;
  /** Version its log tells, e.g. the image's tag. */
  readonly version: pulumi.Input<string>;
  /** Name it logs in under, e.g. the project's. */
  readonly appName: string;
  /** Lowest level that is logged. @default "info" */
  readonly logLevel?: string | undefined;
  /** Name of the network Postgres is on. */
  readonly networkName: pulumi.Input<string>;
  /** File with the address of the primary without a pooler, as the owner of the tables. */
  readonly databaseUrl: SecretFile;
  /** Redis with the job queues, which therefore need no tables. It is not connected to, and no password is given. */
  readonly queues: Connection;
  /** Volume with {@link databaseUrl}. */
  readonly mount: VolumeMount;
  /** Migrates again whenever it changes: the content of the secrets. */
  readonly secretsRevision: pulumi.Input<string>;
  /** Another number is another container, which does it again. See stacks/local/migrate-attempt.ts. */
  readonly attempt: number;
  /** Changes to the child resource before it is created. */
  readonly transform?: { readonly container?: Transform<docker.ContainerArgs> };
}

/**
 * The app's schema migrations, by a container that does this one thing and ends, before the new version of the app starts. It alone is given the
 * password of the owner of the tables. Its container stays, ended, as the record that it was done, and is started again by whoever brings back an
 * older schema (`npm run restore`).
 */
export class Migrate extends pulumi.ComponentResource {
  /**
   * The container, once it ended well: whoever depends on this is not touched when it did not.
   * @throws RunError with the last lines of its log, which ends the update.
   */
  readonly succeeded: pulumi.Output<pulumi.Resource>;
  private readonly container: docker.Container;

  constructor(name: string, args: MigrateArgs, opts?: pulumi.ComponentResourceOptions) {
    super("phased-stack:local:Migrate", name, {}, opts);
    const { limitSeconds, marginSeconds, stopSeconds, tmpMb, dataPath } = defaults;
    const common = hardened({ service: MIGRATE_SERVICE, memoryMb: MIGRATE_MB, stopSeconds, tmpMb });
    this.container = new docker.Container(
      ...transformed(
        args.transform?.container,
        `${name}-run`,
        {
          ...common,
          labels: [
            ...(common.labels as docker.types.input.ContainerLabel[]),
            { label: ATTEMPT_LABEL, value: String(args.attempt) },
            { label: "phased-stack.secrets", value: args.secretsRevision },
          ],
          restart: "no",
          image: args.image,
          entrypoints: ["tini", "-g", "--"],
          command: ["timeout", "--foreground", String(limitSeconds), "node", "main.js", "migrate"],
          envs: environment(args).apply((variables) => Object.entries(variables).map(([key, value]) => `${key}=${value}`)),
          // None: it serves nothing. Docker fills every field that is left out, or zero, from the image, and each `up` would see a change.
          healthcheck: { tests: ["NONE"], interval: "1s", timeout: "1s", startPeriod: "1s", retries: 1 },
          tmpfs: { ...(common.tmpfs as Record<string, string>), [dataPath]: `rw,noexec,nosuid,nodev,size=${tmpMb}m` },
          networksAdvanced: [{ name: args.networkName }],
          volumes: [{ ...args.mount }],
          // Its end is waited for, and that it does not run afterwards is as it should be.
          attach: true,
          logs: true,
          mustRun: false,
        },
        {
          parent: this,
          // Deleting first would delete whoever depends on it as well: the app.
          deleteBeforeReplace: false,
          // Without it the official provider ends its wait, and with it the update, after 20 minutes, while the migration goes on.
          customTimeouts: { create: `${limitSeconds + marginSeconds}s` },
        },
      ),
    );
    this.succeeded = pulumi.all([this.container.exitCode, this.container.containerLogs]).apply(([exitCode, logs]) => {
      if (exitCode !== 0) throw failure(failureText(exitCode, logs));
      return this.container;
    });
    this.registerOutputs({});
  }

  /** The resources this component is made of. */
  get nodes(): { readonly container: docker.Container } {
    return { container: this.container };
  }
}

function environment(args: MigrateArgs): pulumi.Output<Record<string, string>> {
  return pulumi.all([args.version, args.queues.host]).apply(([version, host]) =>
    sortedVariables({
      NODE_ENV: "production",
      APP_NAME: args.appName,
      APP_VERSION: version,
      LOG_LEVEL: args.logLevel ?? "info",
      DATABASE_URL_FILE: args.databaseUrl.path,
      REDIS_LIMITS_URL: `redis://${host}:${args.queues.port}`,
    }),
  );
}

/** Pulumi writes before an error's message which property of whom could not be told because of it: of no use here, and often several times. */
function failure(message: string): pulumi.RunError {
  return Object.defineProperty(new pulumi.RunError(message), "message", { get: () => message, set: () => undefined });
}

/** `timeout` and the kernel have numbers of their own. */
const REASONS: Readonly<Record<number, string>> = {
  124: `it took longer than ${defaults.limitSeconds} s`,
  137: `it was killed, by hand or for using more than ${MIGRATE_MB} MiB`,
};

/** Exported for tests. @param exitCode `undefined` where the provider could not see it */
export function failureText(exitCode: number | undefined, logs: string | undefined): string {
  const reason = exitCode === undefined ? "nobody saw how it ended" : (REASONS[exitCode] ?? `exit code ${exitCode}`);
  const lines = (logs ?? "").trimEnd().split("\n").slice(-defaults.errorLines);
  const told = lines.join("") === "" ? "It printed nothing." : `Its last lines:\n${lines.map((line) => `    ${line}`).join("\n")}`;
  return (
    `the migration of the database failed (${reason}), so the app was left as it was: what served before goes on serving, and the next update ` +
    `migrates again. ${told}`
  );
}
