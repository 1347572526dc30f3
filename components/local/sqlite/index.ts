import * as docker from "@pulumi/docker";
import * as pulumi from "@pulumi/pulumi";
import type { DatabaseConnection } from "../../contract";
import { labels, transformed, type Transform, type VolumeMount } from "../common";

const defaults = { mountPath: "/data", file: "app.db" } as const;

export interface SqliteArgs {
  /** Refuse to delete the data: Pulumi's `protect`, and the volume stays on the host even when the stack is destroyed. */
  readonly protect: boolean;
  /** Changes to the child resource before it is created. */
  readonly transform?: {
    /** A change of `name` or `driver` replaces the volume: THE DATA IS LOST unless it is protected. */
    readonly volume?: Transform<docker.VolumeArgs>;
  };
}

/**
 * The embedded database of phase `cluster`: a volume with one SQLite file that all app containers of the host share.
 * WAL mode works between containers because they share one kernel and one file system.
 */
export class Sqlite extends pulumi.ComponentResource {
  /** Where the file is inside of a container that mounts {@link mount}. */
  readonly path = `${defaults.mountPath}/${defaults.file}`;
  readonly connection: DatabaseConnection = { kind: "sqlite", path: this.path };
  /** How an app container mounts the data. */
  readonly mount: VolumeMount;
  private readonly volume: docker.Volume;

  constructor(name: string, args: SqliteArgs, opts?: pulumi.ComponentResourceOptions) {
    super("phased-stack:local:Sqlite", name, {}, opts);
    this.volume = new docker.Volume(
      ...transformed(
        args.transform?.volume,
        `${name}-data`,
        { labels: labels("database") },
        {
          parent: this,
          protect: args.protect,
          retainOnDelete: args.protect,
          // A new label must never cost the data: Docker cannot relabel a volume, the provider would replace it.
          ignoreChanges: ["labels"],
        },
      ),
    );
    this.mount = { volumeName: this.volume.name, containerPath: defaults.mountPath };
    this.registerOutputs({ connection: this.connection, volumeName: this.volume.name });
  }

  /** The resources this component is made of. */
  get nodes(): { readonly volume: docker.Volume } {
    return { volume: this.volume };
  }
}
