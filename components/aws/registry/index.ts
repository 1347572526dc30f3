import * as aws from "@pulumi/aws";
import * as pulumi from "@pulumi/pulumi";
import { transformed, type Transform } from "../../transform";
import { type AwsArgs, tagsOf } from "../context";

const defaults = {
  /** Images kept: enough to go back to any of the last weeks. */
  keptImages: 30,
  /** Days an image without a tag is kept: what a push that broke off left behind. */
  untaggedDays: 7,
} as const;

export interface RegistryArgs extends AwsArgs {
  readonly kmsKeyArn: pulumi.Input<string>;
  /** Delete the repository even with images in it. */
  readonly forceDelete: boolean;
  /** Changes to the child resources before they are created. */
  readonly transform?: {
    /** A change of the name or the key REPLACES THE REPOSITORY; its images are lost. */
    readonly repository?: Transform<aws.ecr.RepositoryArgs>;
  };
}

/**
 * The repository of the app's images: a tag, once pushed, always means the same image; every image is scanned for known weaknesses when it is
 * pushed; old ones go.
 */
export class Registry extends pulumi.ComponentResource {
  /** Address of the repository, without a tag. */
  readonly url: pulumi.Output<string>;
  /** ARN of the repository: tasks may pull from it. */
  readonly arn: pulumi.Output<string>;
  private readonly repository: aws.ecr.Repository;

  constructor(name: string, args: RegistryArgs, opts?: pulumi.ComponentResourceOptions) {
    super("phased-stack:aws:Registry", name, {}, opts);
    const { context, kmsKeyArn, forceDelete } = args;
    this.repository = new aws.ecr.Repository(
      ...transformed(
        args.transform?.repository,
        `${name}-app`,
        {
          imageTagMutability: "IMMUTABLE",
          imageScanningConfiguration: { scanOnPush: true },
          encryptionConfigurations: [{ encryptionType: "KMS", kmsKey: kmsKeyArn }],
          forceDelete,
          tags: tagsOf(context, `${name}-app`),
        },
        { parent: this },
      ),
    );
    new aws.ecr.LifecyclePolicy(
      `${name}-lifecycle`,
      { repository: this.repository.name, policy: JSON.stringify(lifecycle()) },
      { parent: this },
    );
    this.url = this.repository.repositoryUrl;
    this.arn = this.repository.arn;
    this.registerOutputs({ url: this.url, arn: this.arn });
  }

  /** The resources this component is made of. */
  get nodes(): { readonly repository: aws.ecr.Repository } {
    return { repository: this.repository };
  }
}

/** What is deleted, in ECR's own words. */
function lifecycle(): object {
  return {
    rules: [
      {
        rulePriority: 1,
        description: "What a push that broke off left behind",
        selection: { tagStatus: "untagged", countType: "sinceImagePushed", countUnit: "days", countNumber: defaults.untaggedDays },
        action: { type: "expire" },
      },
      {
        rulePriority: 2,
        description: "All but the last images",
        selection: { tagStatus: "any", countType: "imageCountMoreThan", countNumber: defaults.keptImages },
        action: { type: "expire" },
      },
    ],
  };
}
