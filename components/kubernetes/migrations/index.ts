import * as k8s from "@pulumi/kubernetes";
import * as pulumi from "@pulumi/pulumi";
import { listed, transformed, type Transform } from "../../transform";
import type { MountedAuthorities } from "../authorities";
import { type KubernetesArgs, labelsOf } from "../context";
import type { MountedSecrets } from "../secret-files";
import { createEnvironment } from "../workload";
import { podTemplate } from "../workload/pod";

const defaults = {
  name: "migrations",
  cpuMilli: 500,
  memoryMb: 1024,
  /** Seconds for all attempts: as long as on ECS. */
  deadlineSeconds: 900,
  /** Attempts after the first: a node may go away. A migration that fails by itself fails again, without harm: it is one transaction. */
  retries: 2,
} as const;

export interface MigrationsArgs extends KubernetesArgs {
  /** By digest: the same one that is rolled out after it. */
  readonly image: pulumi.Input<string>;
  /** Environment of the owner of the tables; plain values only. */
  readonly variables: Readonly<Record<string, pulumi.Input<string> | undefined>>;
  /** The owner's own: other pods are not given them. */
  readonly secrets: MountedSecrets;
  /** Authorities of one's own. @default none: the app believes those that Node believes */
  readonly authorities?: MountedAuthorities | undefined;
  /** Secret with the login of the image's registry. @default none: nodes get the image by themselves */
  readonly imagePullSecret?: string | undefined;
  /** Changes to the child resource before it is created. */
  readonly transform?: { readonly job?: Transform<k8s.batch.v1.JobArgs> };
}

/**
 * Schema migrations as a Job that ends before the new version of the app is rolled out.
 *
 * A Job's pods cannot be changed, so Pulumi makes another Job whenever image or settings are others, under a name that it makes up for each,
 * and the old one goes afterwards. It waits until the Job is complete; who depends on this component is touched only then. When it fails, the
 * update ends with the pod's last lines, the old version goes on serving, and the next update makes a new one. Without a change there is
 * nothing to do. It is not deleted when it is done: Pulumi would find it missing and run it again.
 */
export class Migrations extends pulumi.ComponentResource {
  /** Name of the pod's account, which clouds tie rights to. */
  readonly serviceAccountName: pulumi.Output<string>;
  private readonly account: k8s.core.v1.ServiceAccount;
  private readonly job: k8s.batch.v1.Job;

  constructor(name: string, args: MigrationsArgs, opts?: pulumi.ComponentResourceOptions) {
    super("phased-stack:kubernetes:Migrations", name, {}, opts);
    const { context } = args;
    const metadata = { namespace: context.namespace, labels: labelsOf(context, "migrations") };
    this.account = new k8s.core.v1.ServiceAccount(
      `${name}-account`,
      { metadata: { ...metadata, name: defaults.name }, automountServiceAccountToken: false },
      { parent: this },
    );
    this.serviceAccountName = this.account.metadata.name;
    const configMap = createEnvironment(`${name}-environment`, args, this);
    this.job = new k8s.batch.v1.Job(
      ...transformed(
        args.transform?.job,
        `${name}-job`,
        {
          metadata: { ...metadata, annotations: { "pulumi.com/replaceUnready": "true" } },
          spec: {
            backoffLimit: defaults.retries,
            activeDeadlineSeconds: defaults.deadlineSeconds,
            template: podTemplate({
              ...args,
              role: "migrations",
              command: ["migrate"],
              cpuMilli: defaults.cpuMilli,
              memoryMb: defaults.memoryMb,
              configMapName: configMap.metadata.name,
              serviceAccountName: this.serviceAccountName,
            }),
          },
        },
        {
          parent: this,
          dependsOn: listed(opts?.dependsOn),
          // A little longer than the Job itself waits.
          customTimeouts: { create: `${defaults.deadlineSeconds + 60}s`, update: `${defaults.deadlineSeconds + 60}s` },
        },
      ),
    );
    this.registerOutputs({ serviceAccountName: this.serviceAccountName });
  }

  /** The resources this component is made of. */
  get nodes(): { readonly account: k8s.core.v1.ServiceAccount; readonly job: k8s.batch.v1.Job } {
    return { account: this.account, job: this.job };
  }
}
