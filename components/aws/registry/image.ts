import path from "node:path";
import * as docker from "@pulumi/docker";
import * as pulumi from "@pulumi/pulumi";
import * as random from "@pulumi/random";
import { builtAnew } from "../../local/image/built-anew";
import { type ContextFile, contextTag } from "../../local/image/context-hash";
import { writeContext } from "../../local/image/write-context";
import { transformed, type Transform } from "../../transform";

/** An image in a registry, named by its digest: what runs is exactly what was pushed, whatever becomes of its tag. */
const BY_DIGEST = /@sha256:[a-f0-9]{64}$/;

/** Bytes that tell one push from another of the same content. */
const PUSH_BYTES = 4;

/** An image to build and push: its context as files, one of which is `Dockerfile`. */
export interface PushedSource {
  readonly files: readonly ContextFile[];
  /** Directory the files are written to, relative to the project, so that two checkouts agree. */
  readonly contextDirectory: string;
  /** Platform of the tasks, e.g. `linux/arm64`. */
  readonly platform: string;
  /** Address of the repository, without a tag. */
  readonly repositoryUrl: pulumi.Input<string>;
  /** Another word has the image built anew; see {@link builtAnew}. @default none */
  readonly imagesOf?: string | undefined;
}

export interface ImageArgs {
  /** What runs: an image that is in a registry already, by digest, or one to build and push. */
  readonly source: PushedSource | { readonly reference: string };
  /** Changes to the child resource before it is created. */
  readonly transform?: { readonly image?: Transform<docker.ImageArgs> };
}

/**
 * The app's image in the registry. The tag begins with the hash of what it is built from, so an unchanged app is neither built nor pushed again,
 * and ends with a word of this push: ECR takes no tag twice, not even for the same image, and a version that comes back is pushed again.
 * Docker pushes with the login it has on this machine (`docker login`, or the credential helper of ECR): no password of the registry, which
 * would change twice a day, is in Pulumi's state.
 */
export class Image extends pulumi.ComponentResource {
  /** `REPOSITORY@sha256:…`. */
  readonly reference: pulumi.Output<string>;
  /** What the app reports as its version: the hash of what it is built from, or the digest of an image that was given. */
  readonly version: string;
  private readonly image: docker.Image | undefined;

  /** @throws Error for a reference without a digest, and a context without Dockerfile. */
  constructor(name: string, args: ImageArgs, opts?: pulumi.ComponentResourceOptions) {
    super("phased-stack:aws:Image", name, {}, opts);
    const { source } = args;
    if ("reference" in source) {
      if (!BY_DIGEST.test(source.reference)) {
        throw new Error(`${name}: the image is ${source.reference}; allowed: one by digest, e.g. registry.example.com/team/app@sha256:…`);
      }
      this.reference = pulumi.output(source.reference);
      this.version = source.reference.slice(source.reference.indexOf("@") + 1);
    } else {
      if (!source.files.some((file) => file.path === "Dockerfile")) throw new Error(`${name}: the build context has no Dockerfile`);
      const files = builtAnew(source.files, source.imagesOf);
      this.version = contextTag(files);
      this.image = this.build(name, { ...source, files }, args);
      this.reference = this.image.repoDigest;
    }
    this.registerOutputs({ reference: this.reference, version: this.version });
  }

  /** The resources this component is made of; no image where a reference was given. */
  get nodes(): { readonly image: docker.Image | undefined } {
    return { image: this.image };
  }

  private build(name: string, source: PushedSource, args: ImageArgs): docker.Image {
    writeContext(source.contextDirectory, source.files);
    const context = source.contextDirectory.split(path.sep).join("/");
    // Another platform is another image of the same files.
    const keepers = { version: this.version, platform: source.platform };
    const push = new random.RandomId(`${name}-push`, { byteLength: PUSH_BYTES, keepers }, { parent: this });
    const server = pulumi.output(source.repositoryUrl).apply((url) => url.split("/")[0] ?? url);
    return new docker.Image(
      ...transformed(
        args.transform?.image,
        `${name}-build`,
        {
          imageName: pulumi.interpolate`${source.repositoryUrl}:${this.version}-${push.hex}`,
          build: { context, dockerfile: `${context}/Dockerfile`, platform: source.platform },
          registry: { server },
          buildOnPreview: false,
        },
        // Images stay in the registry for the way back; its lifecycle policy deletes them.
        { parent: this, retainOnDelete: true },
      ),
    );
  }
}
