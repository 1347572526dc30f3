import * as docker from "@pulumi/docker";
import * as pulumi from "@pulumi/pulumi";
import * as random from "@pulumi/random";
import type { SecretFile } from "../../contract";
import { labels, transformed, type Transform, type VolumeMount } from "../common";

const defaults = {
  mountPath: "/run/secrets",
  /** 48 letters and digits are 285 bits. */
  generatedLength: 48,
  /** The app runs as a user this component does not know; nobody else is in its container. */
  permissions: "0444",
} as const;

export interface SecretFilesArgs<Name extends string> {
  /** Secrets to generate once and keep, as file names, e.g. `session_secret`. They never change on their own. */
  readonly generate: readonly Name[];
  /** Any image that is on the host; the container made of it only carries the files and is never started. */
  readonly image: pulumi.Input<string>;
  /** Changes to the child resources before they are created. */
  readonly transform?: {
    /** Any change makes a NEW secret: sessions end, tokens change. */
    readonly password?: Transform<random.RandomPasswordArgs>;
    readonly volume?: Transform<docker.VolumeArgs>;
    readonly writer?: Transform<docker.ContainerArgs>;
  };
}

/**
 * Secrets as files in a volume, for containers with a read-only root.
 *
 * Docker refuses to upload a file into a container whose root is read-only, so a second container, created and never started,
 * mounts the volume and receives the upload. Values are in neither an environment variable nor `docker inspect`, and encrypted in
 * Pulumi's state. {@link revision} changes when a secret does; a container that labels itself with it is replaced then.
 */
export class SecretFiles<Name extends string> extends pulumi.ComponentResource {
  /** Where each secret lies inside a container that mounts {@link mount}. */
  readonly files: Readonly<Record<Name, SecretFile>>;
  /** The values themselves, marked secret. */
  readonly values: Readonly<Record<Name, pulumi.Output<string>>>;
  readonly mount: VolumeMount;
  /** Stands for the current content without telling anything about it: the id of the container that wrote it. */
  readonly revision: pulumi.Output<string>;
  private readonly passwords: Readonly<Record<Name, random.RandomPassword>>;
  private readonly volume: docker.Volume;
  private readonly writer: docker.Container;

  constructor(name: string, args: SecretFilesArgs<Name>, opts?: pulumi.ComponentResourceOptions) {
    super("phased-stack:local:SecretFiles", name, {}, opts);
    const bad = args.generate.filter((file) => !/^[a-z][a-z0-9_]*$/.test(file));
    if (bad.length > 0) throw new Error(`${name}: not usable as file names: ${bad.join(", ")}; use lower-case letters, digits and _`);

    this.passwords = record(args.generate, (file) => this.createPassword(name, file, args));
    this.values = record(args.generate, (file) => pulumi.secret(this.passwords[file].result));
    this.files = record(args.generate, (file) => ({ path: `${defaults.mountPath}/${file}` }));
    this.volume = new docker.Volume(
      ...transformed(args.transform?.volume, `${name}-volume`, { labels: labels("secrets") }, { parent: this }),
    );
    this.writer = this.createWriter(name, args);
    this.mount = { volumeName: this.volume.name, containerPath: defaults.mountPath, readOnly: true };
    this.revision = this.writer.id;
    this.registerOutputs({ files: this.files, volumeName: this.volume.name, revision: this.revision });
  }

  /** The resources this component is made of. */
  get nodes(): {
    readonly passwords: Readonly<Record<Name, random.RandomPassword>>;
    readonly volume: docker.Volume;
    readonly writer: docker.Container;
  } {
    return { passwords: this.passwords, volume: this.volume, writer: this.writer };
  }

  private createPassword(name: string, file: Name, args: SecretFilesArgs<Name>): random.RandomPassword {
    const resourceName = `${name}-${file.replaceAll("_", "-")}`;
    return new random.RandomPassword(
      ...transformed(args.transform?.password, resourceName, { length: defaults.generatedLength, special: false }, { parent: this }),
    );
  }

  private createWriter(name: string, args: SecretFilesArgs<Name>): docker.Container {
    const files = [...args.generate].sort();
    return new docker.Container(
      ...transformed(
        args.transform?.writer,
        `${name}-writer`,
        {
          image: args.image,
          labels: labels("secrets-writer"),
          // Never started, so it must not be expected to run either.
          start: false,
          mustRun: false,
          networkMode: "none",
          volumes: [{ volumeName: this.volume.name, containerPath: defaults.mountPath }],
          uploads: files.map((file) => ({
            file: `${defaults.mountPath}/${file}`,
            content: this.values[file],
            permissions: defaults.permissions,
          })),
        },
        {
          parent: this,
          // What it is made of does not matter; a new image must not make new files, and through `revision` new containers.
          ignoreChanges: ["image"],
          // Deleting first would also delete the containers that depend on it, all at once.
          deleteBeforeReplace: false,
        },
      ),
    );
  }
}

function record<Name extends string, Value>(names: readonly Name[], make: (name: Name) => Value): Readonly<Record<Name, Value>> {
  return Object.fromEntries(names.map((name) => [name, make(name)])) as Record<Name, Value>;
}
