import * as docker from "@pulumi/docker";
import * as pulumi from "@pulumi/pulumi";
import { ATTEMPT_LABEL, hardened, transformed, type Transform, type VolumeMount } from "../common";

/** Memory limit of the container, MiB: the program holds two batches of at most 4 million characters each; it idles with 2 MiB afterwards. */
export const DATA_MOVE_MB = 384;

const defaults = {
  /** Longest time for all rows, s: a hundred million at the 7,400 a second of `BENCHMARKS.md` (2026-11-22, 2 cores). */
  limitSeconds: 4 * 3600,
  /** What the provider needs around the copy: creating the container, its own wait. */
  marginSeconds: 120,
  /** A batch ends in less; an index of a large table may not. Whatever is cut off is copied anew. */
  stopSeconds: 10,
  tmpMb: 16,
  doneFile: "/tmp/moved",
} as const;

/** Value of the label `phased-stack.service`, by direction. */
export const MOVE_SERVICES: Readonly<Record<DataMoveDirection, string>> = {
  "to-postgres": "data-move",
  "to-sqlite": "data-move-back",
  "open-postgres": "data-move-open",
};

/** Which way the rows go. `open-postgres`: they stay where they are, and a Postgres that was left for SQLite is written again. */
export type DataMoveDirection = "to-postgres" | "to-sqlite" | "open-postgres";

export interface DataMoveArgs {
  readonly direction: DataMoveDirection;
  /** The app's image: its program `transfer.js` does the work. */
  readonly image: pulumi.Input<string>;
  /** Name of the network Postgres is on. */
  readonly networkName: pulumi.Input<string>;
  /** Path of the SQLite file as a container with {@link mounts} sees it. */
  readonly sqlitePath: string;
  /** Paths of the file with the address of Postgres, as the owner of the tables: the first that is there counts. At least one. */
  readonly postgresUrlFiles: readonly string[];
  /** Volumes with the SQLite file and with the secrets. */
  readonly mounts: readonly VolumeMount[];
  /** Another number is another container, which does it again; one that is done stays as it is. See stacks/local/move-attempt.ts. */
  readonly attempt: { readonly number: number; readonly isDone: boolean };
  /** There is nothing on the other side: the container only records that. @default false */
  readonly nothingToMove?: boolean;
  /** Changes to the child resource before it is created. */
  readonly transform?: { readonly container?: Transform<docker.ContainerArgs> };
}

/**
 * Moves the app's rows between the SQLite file of phase `cluster` and the Postgres of phase `database`, once: what depends on it starts when every
 * row was copied and compared. Until then the app goes on reading where it was and is refused its writes; a move that fails, or is killed,
 * fails the update, and the app writes on where it was. What was left is sealed by then, in itself: nothing depends on the container, which
 * stays, idle, as the record that it was done.
 */
export class DataMove extends pulumi.ComponentResource {
  private readonly container: docker.Container;

  constructor(name: string, args: DataMoveArgs, opts?: pulumi.ComponentResourceOptions) {
    super("phased-stack:local:DataMove", name, {}, opts);
    const { limitSeconds, marginSeconds, stopSeconds, tmpMb, doneFile } = defaults;
    const [sqlite, postgres] = [`sqlite:${args.sqlitePath}`, `file:${firstThere(args.postgresUrlFiles)}`];
    const [from, to] = args.direction === "to-sqlite" ? [postgres, sqlite] : [sqlite, postgres];
    const program = `timeout --foreground ${limitSeconds} node transfer.js --move ${args.direction} --from ${from} --to ${to} --done-file ${doneFile}`;
    const common = hardened({ service: MOVE_SERVICES[args.direction], memoryMb: DATA_MOVE_MB, stopSeconds, tmpMb });
    this.container = new docker.Container(
      ...transformed(
        args.transform?.container,
        `${name}-copy`,
        {
          ...common,
          labels: [...(common.labels as docker.types.input.ContainerLabel[]), { label: ATTEMPT_LABEL, value: String(args.attempt.number) }],
          // Begun again by the next update only: it holds the app's writes.
          restart: "no",
          image: args.image,
          // To the whole group: bash does not pass a signal on.
          entrypoints: ["tini", "-g", "--", "bash", "-c"],
          command: [`${args.nothingToMove === true ? `touch ${doneFile}` : program} && exec sleep infinity`],
          healthcheck: {
            tests: ["CMD", "paced-check", "run", "test", "-e", doneFile],
            interval: "1s",
            timeout: "15s",
            retries: limitSeconds,
            startPeriod: "0s",
          },
          networksAdvanced: [{ name: args.networkName }],
          volumes: args.mounts.map((mount) => ({ ...mount })),
          wait: true,
          waitTimeout: limitSeconds + marginSeconds / 2,
        },
        {
          parent: this,
          // Neither another image nor another version of this component is a reason to do again what is done.
          ignoreChanges: args.attempt.isDone
            ? ["image", "command", "entrypoints", "healthcheck", "memory", "memorySwap", "volumes", "waitTimeout"]
            : [],
          // Deleting first would delete whoever depends on it as well: the app.
          deleteBeforeReplace: false,
          // Without it the official provider ends its wait, and with it the update, after 20 minutes, while the copy goes on.
          customTimeouts: { create: `${limitSeconds + marginSeconds}s` },
        },
      ),
    );
    this.registerOutputs({});
  }

  /** The resources this component is made of. */
  get nodes(): { readonly container: docker.Container } {
    return { container: this.container };
  }
}

/** The path, or what a shell makes the first one of that is there. */
function firstThere(files: readonly string[]): string {
  return files.length === 1 ? files.join() : `$(for file in ${files.join(" ")}; do if [[ -e $file ]]; then echo $file; break; fi; done)`;
}
