import path from "node:path";
import * as docker from "@pulumi/docker";
import * as pulumi from "@pulumi/pulumi";
import { transformed, type Transform } from "../common";
import { builtAnew } from "./built-anew";
import { type ContextFile, contextTag } from "./context-hash";
import { writeContext } from "./write-context";

/** An image to build: its context as files, one of which is `Dockerfile`. */
export interface BuiltImage {
  /** Last part of the image's name, e.g. `app`. */
  readonly repository: string;
  readonly files: readonly ContextFile[];
  /**
   * Directory the files are written to, relative to the project: the provider reads the context from there. Relative, because it
   * becomes part of the state, and two checkouts of one project must agree.
   */
  readonly contextDirectory: string;
  /** Platform of the Docker host, e.g. `linux/amd64`. */
  readonly platform: string;
  /** Another word has the image built anew; see {@link builtAnew}. @default none */
  readonly imagesOf?: string | undefined;
}

export interface ImageArgs {
  /** What to run: an image to build, or the reference of an existing one. */
  readonly source: BuiltImage | { readonly reference: string };
  /** Changes to the child resource before it is created. */
  readonly transform?: {
    readonly image?: Transform<docker.ImageArgs>;
    readonly remoteImage?: Transform<docker.RemoteImageArgs>;
  };
}

/**
 * An image on the Docker host: built from a context, with the context's hash as tag, or an existing one, pulled unless it is there.
 * An unchanged context is an unchanged resource; images stay on the host when they are no longer used, so that going back is quick.
 */
export class Image extends pulumi.ComponentResource {
  /** Reference to run containers from; known in previews. */
  readonly reference: pulumi.Output<string>;
  /** Tag, or digest, of the reference: what the app reports as its version. */
  readonly version: string;
  private readonly image: docker.Image | docker.RemoteImage;

  constructor(name: string, args: ImageArgs, opts?: pulumi.ComponentResourceOptions) {
    super("phased-stack:local:Image", name, {}, opts);
    const { source, transform } = args;
    if ("reference" in source) {
      const remote = new docker.RemoteImage(
        ...transformed(transform?.remoteImage, `${name}-remote`, { name: source.reference, keepLocally: true }, { parent: this }),
      );
      this.image = remote;
      this.version = referenceVersion(source.reference);
      // The name and not the image id: containers then show where they come from. Waits for the pull all the same.
      this.reference = remote.name;
    } else {
      const files = builtAnew(source.files, source.imagesOf);
      this.version = contextTag(files);
      const built = this.build(name, { ...source, files }, transform?.image);
      this.image = built;
      this.reference = built.imageName;
    }
    this.registerOutputs({ reference: this.reference, version: this.version });
  }

  /** The resources this component is made of. */
  get nodes(): { readonly image: docker.Image | docker.RemoteImage } {
    return { image: this.image };
  }

  private build(name: string, source: BuiltImage, transform: Transform<docker.ImageArgs> | undefined): docker.Image {
    if (!source.files.some((file) => file.path === "Dockerfile")) throw new Error(`${name}: the build context has no Dockerfile`);
    writeContext(source.contextDirectory, source.files);
    const context = source.contextDirectory.split(path.sep).join("/");
    return new docker.Image(
      ...transformed(
        transform,
        `${name}-build`,
        {
          imageName: imageName(pulumi.getProject(), source.repository, this.version),
          build: { context, dockerfile: `${context}/Dockerfile`, platform: source.platform },
          skipPush: true,
        },
        { parent: this, retainOnDelete: true },
      ),
    );
  }
}

/**
 * Name of an image that exists on the Docker host only. The registry `localhost` says so: should the image be missing, Docker must
 * not look for somebody else's image of that name on Docker Hub.
 */
export function imageName(project: string, repository: string, tag: string): string {
  const owner = project
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, "-")
    .replace(/^-|-$/g, "");
  return `localhost/${owner === "" ? "project" : owner}/${repository}:${tag}`;
}

/** The digest or tag of an image reference; `latest` without either, as Docker understands it. */
export function referenceVersion(reference: string): string {
  const [named = "", digest] = reference.split("@");
  if (digest !== undefined) return digest;
  const lastPart = named.slice(named.lastIndexOf("/") + 1);
  return lastPart.includes(":") ? lastPart.slice(lastPart.indexOf(":") + 1) : "latest";
}
