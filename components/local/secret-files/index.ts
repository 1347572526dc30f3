import * as docker from "@pulumi/docker";
import * as pulumi from "@pulumi/pulumi";
import * as random from "@pulumi/random";
import type { SecretFile } from "../../contract";
import { labels, transformed, type Transform, type VolumeMount } from "../common";

/** Directory of the files inside of a container that mounts them. */
export const SECRETS_PATH = "/run/secrets";

const defaults = {
  mountPath: SECRETS_PATH,
  /** 48 letters and digits are 285 bits. */
  generatedLength: 48,
  /**
   * The services run as users this component does not know, and nobody else is in their containers. On the host the directory of the
   * volume keeps others out: Docker's own is root's, and an image may bring /run/secrets as its user's own.
   */
  permissions: "0444",
} as const;

/** What is generated becomes part of a resource's name, and dashes in it would make two files one resource. */
const GENERATED_NAME = /^[a-z][a-z0-9_]*$/;
const RENDERED_NAME = /^[a-z](?:[a-z0-9_-]|\.(?!\.))*$/;

/** Files that are put together, by name. */
type Contents<Name extends string> = Readonly<Record<Name, pulumi.Input<string>>>;
type Values<Name extends string> = Readonly<Record<Name, pulumi.Output<string>>>;

export interface SecretFilesArgs<Generated extends string, Rendered extends string = never, Hidden extends Generated = never> {
  /** Secrets to generate once and keep, as file names, e.g. `session_secret`. They never change on their own. */
  readonly generate: readonly Generated[];
  /** Those of them that become no file: they are only for what {@link render} puts together, and for {@link SecretFiles.values}. @default none */
  readonly withoutFile?: readonly Hidden[];
  /** Files whose content is put together, of the generated secrets and of others, e.g. `redis.acl`. Names may hold dots and dashes. */
  readonly render?: (generated: Values<Generated>) => Contents<Rendered>;
  /**
   * The generated secrets are also in data that outlive the stack, such as the passwords of roles in a database: Pulumi refuses to delete or
   * to replace them. @default false
   */
  readonly protect?: boolean;
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
 * Secrets as files in a volume, for containers with a read-only root. One for each service: a container sees its own secrets only.
 *
 * Docker refuses to upload a file into a container whose root is read-only, so a second container, created and never started,
 * mounts the volume and receives the upload. Values are in neither an environment variable nor `docker inspect`, and encrypted in
 * Pulumi's state. {@link revision} changes when a secret does; a container that labels itself with it is replaced then.
 */
export class SecretFiles<Generated extends string, Rendered extends string = never, Hidden extends Generated = never>
  extends pulumi.ComponentResource
{
  /** Where each file lies inside a container that mounts {@link mount}. */
  readonly files: Readonly<Record<Exclude<Generated, Hidden> | Rendered, SecretFile>>;
  /** The values themselves, generated or put together, marked secret. */
  readonly values: Values<Generated | Rendered>;
  readonly mount: VolumeMount;
  /** Stands for the current content without telling anything about it: the id of the container that wrote it. */
  readonly revision: pulumi.Output<string>;
  private readonly passwords: Readonly<Record<Generated, random.RandomPassword>>;
  private readonly volume: docker.Volume;
  private readonly writer: docker.Container;

  constructor(name: string, args: SecretFilesArgs<Generated, Rendered, Hidden>, opts?: pulumi.ComponentResourceOptions) {
    super("phased-stack:local:SecretFiles", name, {}, opts);
    refuse(name, args.generate, GENERATED_NAME, "lower-case letters, digits and _");
    this.passwords = record(args.generate, (file) => this.createPassword(name, file, args));
    const generated = record(args.generate, (file) => pulumi.secret(this.passwords[file].result));
    const contents = args.render?.(generated) ?? ({} as Contents<Rendered>);
    const rendered = Object.keys(contents) as Rendered[];
    refuse(name, rendered, RENDERED_NAME, "lower-case letters, digits, _, - and single dots");
    const twice = rendered.filter((file) => (args.generate as readonly string[]).includes(file));
    if (twice.length > 0) throw new Error(`${name}: both generated and rendered: ${twice.join(", ")}; give them different names`);

    this.values = { ...generated, ...record(rendered, (file) => pulumi.secret(contents[file])) };
    const hidden: readonly string[] = args.withoutFile ?? [];
    const written = [...args.generate.filter((file): file is Exclude<Generated, Hidden> => !hidden.includes(file)), ...rendered];
    this.files = record(written, (file) => ({ path: `${defaults.mountPath}/${file}` }));
    this.volume = new docker.Volume(
      ...transformed(args.transform?.volume, `${name}-volume`, { labels: labels("secrets") }, { parent: this }),
    );
    this.writer = this.createWriter(name, written, args);
    this.mount = { volumeName: this.volume.name, containerPath: defaults.mountPath, readOnly: true };
    this.revision = this.writer.id;
    this.registerOutputs({ files: this.files, volumeName: this.volume.name, revision: this.revision });
  }

  /** The resources this component is made of. */
  get nodes(): {
    readonly passwords: Readonly<Record<Generated, random.RandomPassword>>;
    readonly volume: docker.Volume;
    readonly writer: docker.Container;
  } {
    return { passwords: this.passwords, volume: this.volume, writer: this.writer };
  }

  private createPassword(name: string, file: Generated, args: SecretFilesArgs<Generated, Rendered, Hidden>): random.RandomPassword {
    const resourceName = `${name}-${file.replaceAll("_", "-")}`;
    return new random.RandomPassword(
      ...transformed(
        args.transform?.password,
        resourceName,
        { length: defaults.generatedLength, special: false },
        { parent: this, protect: args.protect ?? false },
      ),
    );
  }

  private createWriter(
    name: string,
    files: readonly (Generated | Rendered)[],
    args: SecretFilesArgs<Generated, Rendered, Hidden>,
  ): docker.Container {
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
          uploads: [...files].sort().map((file) => ({
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

function refuse(name: string, files: readonly string[], allowed: RegExp, use: string): void {
  const bad = files.filter((file) => !allowed.test(file));
  if (bad.length > 0) throw new Error(`${name}: not usable as file names: ${bad.join(", ")}; use ${use}`);
}

function record<Name extends string, Value>(names: readonly Name[], make: (name: Name) => Value): Readonly<Record<Name, Value>> {
  return Object.fromEntries(names.map((name) => [name, make(name)])) as Record<Name, Value>;
}
