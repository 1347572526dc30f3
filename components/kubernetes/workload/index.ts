import * as k8s from "@pulumi/kubernetes";
import * as pulumi from "@pulumi/pulumi";
import { APP_PORT } from "../../contract";
import type { AppRole } from "../../local/app/environment";
import { listed, transformed, type Transform } from "../../transform";
import type { MountedAuthorities } from "../authorities";
import { type KubernetesArgs, labelsOf, objectName, selectorOf, SERVICE_NAMES, takeoverName } from "../context";
import { fileVariables, type MountedSecrets } from "../secret-files";
import { podTemplate } from "./pod";
import { hpaSpec, podBounds, rolloutSeconds, scaledObjectSpec, type ScalingArgs } from "./scaling";

export { DATA_DIRECTORY, DOCUMENTS_DIRECTORY, workerHeapMb } from "./pod";
export { type Backlog, rolloutSeconds } from "./scaling";

const defaults = {
  /** Seconds without progress after which a rollout has failed: twice what one pod may take. The old pods go on. */
  progressSeconds: 300,
  /** Seconds a pod has to stay ready before the next one is replaced. */
  settleSeconds: 5,
  revisions: 5,
  /** Which pods may push out others when nodes are full: requests before work that waits. Below what the system itself has. */
  priorities: { web: 1_000_000, jobs: 100_000, consumer: 100_000 },
} as const;

/**
 * Where `queueMetrics` becomes keda on a live stack, Pulumi makes the ScaledObject before it deletes the autoscaler there was, and KEDA's webhook
 * refuses a second one of a Deployment (keda.sh/docs, "Admission Webhooks"). Both are there for a moment only.
 */
const KEDA_BESIDE_HPA = { "validations.keda.sh/hpa-ownership": "false" } as const;

export interface WorkloadArgs extends KubernetesArgs, ScalingArgs {
  /** What its pods do (feature A18). */
  readonly role: AppRole;
  /** By digest. */
  readonly image: pulumi.Input<string>;
  /** Environment of the app contract; plain values only. What is `undefined` is left out. */
  readonly variables: Readonly<Record<string, pulumi.Input<string> | undefined>>;
  /** A second environment that is kept ready and not used, for the day these pods take over from another region. @default none */
  readonly takeover?: WorkloadArgs["variables"] | undefined;
  readonly secrets: MountedSecrets;
  /** Authorities of one's own. @default none: the app believes those that Node believes */
  readonly authorities?: MountedAuthorities | undefined;
  /** Thousandths of a CPU each pod asks for, and MiB it asks for and may have. */
  readonly cpuMilli: number;
  readonly memoryMb: number;
  /** Secret with the login of the image's registry. @default none: nodes get the image by themselves */
  readonly imagePullSecret?: string | undefined;
  /** Claim of the volume with uploaded documents. @default none, they are kept elsewhere */
  readonly documentsClaim?: pulumi.Input<string> | undefined;
  /**
   * Objects that have to know the service before its first pod is made, such as the binding of a load balancer's target group, which adds a
   * condition to new pods. @default none
   */
  readonly beforePods?: (service: k8s.core.v1.Service) => readonly pulumi.Resource[];
  /** Changes to the child resources before they are created. */
  readonly transform?: {
    /** A change of the name or the selector REPLACES IT: its pods stop before new ones are there. */
    readonly deployment?: Transform<k8s.apps.v1.DeploymentArgs>;
    readonly service?: Transform<k8s.core.v1.ServiceArgs>;
    readonly autoscaler?: Transform<k8s.autoscaling.v2.HorizontalPodAutoscalerArgs>;
  };
}

/**
 * One of the app's roles as a workload of any Kubernetes cluster. New pods are made beside the old ones, one at a time, and an old one goes
 * only when a new one is ready: an image that does not start stops the rollout, the old pods serve, and the update fails with its reason.
 *
 * How many pods there are is the autoscaler's to say, so the Deployment does not.
 */
export class Workload extends pulumi.ComponentResource {
  /** Name under which the pods are found in the namespace. */
  readonly serviceName: pulumi.Output<string>;
  /** Name of the pods' account, which clouds tie rights to. */
  readonly serviceAccountName: pulumi.Output<string>;
  private readonly account: k8s.core.v1.ServiceAccount;
  private readonly service: k8s.core.v1.Service;
  private readonly deployment: k8s.apps.v1.Deployment;
  private readonly autoscaler: pulumi.CustomResource;
  private readonly budget: k8s.policy.v1.PodDisruptionBudget;

  constructor(name: string, args: WorkloadArgs, opts?: pulumi.ComponentResourceOptions) {
    super("phased-stack:kubernetes:Workload", name, {}, opts);
    const { minPods, maxPods } = podBounds(args);
    if (minPods < 1 || minPods > maxPods) throw new Error(`${name}: minPods is ${minPods}; allowed: 1 to maxPods, ${maxPods}`);
    this.account = this.createAccount(`${name}-account`, args);
    this.serviceAccountName = this.account.metadata.name;
    this.service = this.createService(`${name}-service`, args);
    this.serviceName = this.service.metadata.name;
    const before = args.beforePods?.(this.service) ?? [];
    if (args.takeover !== undefined) {
      const ready = { ...args, variables: args.takeover, name: takeoverName(args.role) };
      createEnvironment(`${name}-takeover-environment`, ready, this);
    }
    this.deployment = this.createDeployment(name, args, [...listed(opts?.dependsOn), ...before]);
    this.autoscaler = this.createAutoscaler(`${name}-autoscaler`, args);
    this.budget = this.createBudget(`${name}-budget`, args);
    this.registerOutputs({ serviceName: this.serviceName, serviceAccountName: this.serviceAccountName });
  }

  /** The resources this component is made of. */
  get nodes(): {
    readonly account: k8s.core.v1.ServiceAccount;
    readonly service: k8s.core.v1.Service;
    readonly deployment: k8s.apps.v1.Deployment;
    /** HorizontalPodAutoscaler, or KEDA's ScaledObject. */
    readonly autoscaler: pulumi.CustomResource;
    readonly budget: k8s.policy.v1.PodDisruptionBudget;
  } {
    const { account, service, deployment, autoscaler, budget } = this;
    return { account, service, deployment, autoscaler, budget };
  }

  /** Names are given: services are found by them, and rights of a cloud are tied to them. */
  private metadata({ context, role }: WorkloadArgs): k8s.types.input.meta.v1.ObjectMeta & { name: string } {
    return { name: SERVICE_NAMES[role], namespace: context.namespace, labels: labelsOf(context, role) };
  }

  private createAccount(name: string, args: WorkloadArgs): k8s.core.v1.ServiceAccount {
    // The app does not talk to Kubernetes.
    return new k8s.core.v1.ServiceAccount(name, { metadata: this.metadata(args), automountServiceAccountToken: false }, { parent: this });
  }

  private createService(name: string, args: WorkloadArgs): k8s.core.v1.Service {
    const { context, role } = args;
    return new k8s.core.v1.Service(
      ...transformed(
        args.transform?.service,
        name,
        {
          // It is there before its pods: Pulumi would wait for them.
          metadata: { ...this.metadata(args), annotations: { "pulumi.com/skipAwait": "true" } },
          spec: {
            type: "ClusterIP",
            selector: selectorOf(context, role),
            ports: [{ name: "http", port: APP_PORT, targetPort: "http", protocol: "TCP", appProtocol: "http" }],
          },
        },
        { parent: this },
      ),
    );
  }

  private createDeployment(name: string, args: WorkloadArgs, dependsOn: pulumi.Input<pulumi.Resource>[]): k8s.apps.v1.Deployment {
    const { context, role, secrets } = args;
    const wait = `${rolloutSeconds(args)}s`;
    const configMap = createEnvironment(`${name}-environment`, { ...args, context }, this);
    const priority = new k8s.scheduling.v1.PriorityClass(
      `${name}-priority`,
      {
        // Of the whole cluster, so the stack is in its name.
        metadata: { name: objectName(context, role), labels: labelsOf(context, role) },
        value: defaults.priorities[role],
        description: `Pods of ${context.project} ${context.stack}: ${role}`,
      },
      { parent: this },
    );
    return new k8s.apps.v1.Deployment(
      ...transformed(
        args.transform?.deployment,
        `${name}-deployment`,
        {
          metadata: this.metadata(args),
          spec: {
            selector: { matchLabels: selectorOf(context, role) },
            strategy: { type: "RollingUpdate", rollingUpdate: { maxUnavailable: 0, maxSurge: 1 } },
            minReadySeconds: defaults.settleSeconds,
            progressDeadlineSeconds: defaults.progressSeconds,
            revisionHistoryLimit: defaults.revisions,
            template: podTemplate({
              ...args,
              secrets,
              configMapName: configMap.metadata.name,
              serviceAccountName: this.serviceAccountName,
              priorityClassName: priority.metadata.name,
            }),
          },
        },
        { parent: this, dependsOn, customTimeouts: { create: wait, update: wait } },
      ),
    );
  }

  private createAutoscaler(name: string, args: WorkloadArgs): pulumi.CustomResource {
    const metadata = this.metadata(args);
    const options = { parent: this, dependsOn: [this.deployment] };
    if (args.backlog?.source.kind === "keda") {
      const scaled = { apiVersion: "keda.sh/v1alpha1", kind: "ScaledObject", spec: scaledObjectSpec(metadata.name, args) };
      return new k8s.apiextensions.CustomResource(name, { ...scaled, metadata: { ...metadata, annotations: KEDA_BESIDE_HPA } }, options);
    }
    const autoscaler = { metadata, spec: hpaSpec(metadata.name, args) };
    return new k8s.autoscaling.v2.HorizontalPodAutoscaler(...transformed(args.transform?.autoscaler, name, autoscaler, options));
  }

  /** Nodes are emptied one pod at a time; a pod that is not healthy anyway does not stop them. */
  private createBudget(name: string, args: WorkloadArgs): k8s.policy.v1.PodDisruptionBudget {
    const selector = { matchLabels: selectorOf(args.context, args.role) };
    const spec = { maxUnavailable: 1, unhealthyPodEvictionPolicy: "AlwaysAllow", selector };
    return new k8s.policy.v1.PodDisruptionBudget(name, { metadata: this.metadata(args), spec }, { parent: this });
  }
}

/**
 * A pod's environment, and where its secrets are. Changed, it is a new object with a new name, so that pods are replaced; the old one is
 * deleted when nobody refers to it any more. One that is given its name is for what no pod uses yet: it goes before the new one is there.
 */
export function createEnvironment(
  name: string,
  args: Pick<WorkloadArgs, "context" | "variables" | "secrets" | "authorities"> & { readonly name?: string },
  parent: pulumi.Resource,
): k8s.core.v1.ConfigMap {
  const { context, variables, secrets, authorities, name: given } = args;
  const told = Object.entries(variables).filter((entry): entry is [string, pulumi.Input<string>] => entry[1] !== undefined);
  const data = { ...Object.fromEntries(told), ...fileVariables(secrets), ...authorities?.variables };
  const metadata = { ...(given === undefined ? {} : { name: given }), namespace: context.namespace, labels: labelsOf(context) };
  return new k8s.core.v1.ConfigMap(name, { metadata, immutable: true, data }, { parent });
}
