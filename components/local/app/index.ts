import * as docker from "@pulumi/docker";
import * as pulumi from "@pulumi/pulumi";
import { type BackingServices, DRAIN_DELAY_SECONDS, SHUTDOWN_TIMEOUT_SECONDS, spareAlias } from "../../contract";
import { hardened, transformed, type Transform, type VolumeMount } from "../common";
import { appEnvironment, type AppRole, type AppSettings, refuseContractVariables } from "./environment";

export type { AppPools, AppRole, AppSettings } from "./environment";

const defaults = {
  /** Added to drain delay and shutdown timeout: time for the process to end before it is killed. */
  stopMarginSeconds: 7,
  tmpMb: 64,
} as const;

/** An instance has to be healthy within this, unless told otherwise; the app itself gives a worker 30 s to boot (app.md). */
export const BOOT_SECONDS = 90;

/** Seconds a container may take to stop: the app's drain, its shutdown and a margin. */
export const STOP_SECONDS = DRAIN_DELAY_SECONDS + SHUTDOWN_TIMEOUT_SECONDS + defaults.stopMarginSeconds;

/** Most instances one Docker host is meant for. */
export const MAX_INSTANCES = 50;

/** Names under which all instances of a role answer in the network; they are also their services' names. */
const ALIASES: Readonly<Record<AppRole, string>> = { web: "app", jobs: "jobs", consumer: "consumer" };

export interface AppArgs {
  /** Image to run. It has to carry a HEALTHCHECK: an instance counts as started when that passes. */
  readonly image: pulumi.Input<string>;
  /**
   * Whether the image is the user's own, which nothing is known of but its health: nobody runs a program in it or expects workers. The containers are
   * labelled with it. @default false
   */
  readonly ownImage?: boolean;
  /** Number of containers, 1 to {@link MAX_INSTANCES}. */
  readonly instances: number;
  /** Memory limit of each container in MiB; swap is off. Changed in place. */
  readonly memoryMb: number;
  /** CPU limit of each container in cores. @default no limit */
  readonly cpus?: number | undefined;
  /** Seconds an instance may take until it is healthy; after that it is given up and the others go on. @default 90 */
  readonly bootSeconds?: number;
  /** Name of the network to be on. */
  readonly networkName: pulumi.Input<string>;
  /** What the phase hands to the app. */
  readonly services: BackingServices;
  readonly settings: AppSettings;
  /** Volumes with the database, documents and secrets. */
  readonly mounts: readonly VolumeMount[];
  /** Replaces the instances, one by one in place of the old, whenever it changes: the content of their secrets. */
  readonly secretsRevision: pulumi.Input<string>;
  /** Changes to the child resources before they are created. */
  readonly transform?: { readonly container?: Transform<docker.ContainerArgs> };
}

/**
 * The app on one Docker host: N equal containers behind one network alias. They publish no port, so an old and a new one can live
 * side by side: a replacement is created, has to become healthy, and only then the old one drains and goes.
 *
 * With a `role` in its settings an instance does one part of the work: one component for each role, all on the same image and services.
 */
export class App extends pulumi.ComponentResource {
  /** Name under which the instances are found in the network. */
  readonly alias: string;
  /** Physical names of the containers. */
  readonly containerNames: pulumi.Output<string[]>;
  private readonly containers: readonly docker.Container[];

  constructor(name: string, args: AppArgs, opts?: pulumi.ComponentResourceOptions) {
    super("phased-stack:local:App", name, {}, opts);
    this.alias = ALIASES[args.settings.role ?? "web"];
    // Said here, and not where the environment is put together: that may be later, when values of services are known.
    refuseContractVariables(args.settings);
    if (!Number.isInteger(args.instances) || args.instances < 1 || args.instances > MAX_INSTANCES) {
      throw new Error(`${name}: instances is ${args.instances}; allowed: an integer from 1 to ${MAX_INSTANCES}`);
    }
    const containers: docker.Container[] = [];
    for (let index = 0; index < args.instances; index += 1) {
      containers.push(this.createContainer(`${name}-${index}`, args, containers.at(-1)));
    }
    this.containers = containers;
    this.containerNames = pulumi.all(this.containers.map((container) => container.name));
    this.registerOutputs({ alias: this.alias, containerNames: this.containerNames });
  }

  /** The resources this component is made of. */
  get nodes(): { readonly containers: readonly docker.Container[] } {
    return { containers: this.containers };
  }

  /** @param before has to be healthy first: starting all at once takes the cores away from the instances that serve meanwhile. */
  private createContainer(name: string, args: AppArgs, before: docker.Container | undefined): docker.Container {
    const common = hardened({
      service: this.alias,
      memoryMb: args.memoryMb,
      cpus: args.cpus,
      stopSeconds: STOP_SECONDS,
      tmpMb: defaults.tmpMb,
    });
    const environment = pulumi.output(args.services).apply((services) => appEnvironment(services, args.settings));
    return new docker.Container(
      ...transformed(
        args.transform?.container,
        name,
        {
          ...common,
          image: args.image,
          envs: environment.apply((variables) => Object.entries(variables).map(([key, value]) => `${key}=${value}`)),
          labels: [
            ...(common.labels as docker.types.input.ContainerLabel[]),
            { label: "phased-stack.secrets", value: args.secretsRevision },
            // None on the project's own image: a label replaces the container.
            ...(args.ownImage === true ? [{ label: "phased-stack.own-image", value: "true" }] : []),
          ],
          networksAdvanced: [{ name: args.networkName, aliases: [this.alias, spareAlias(this.alias)] }],
          volumes: args.mounts.map((mount) => ({ ...mount })),
          wait: true,
          waitTimeout: args.bootSeconds ?? BOOT_SECONDS,
        },
        // Containers are deleted before they are replaced by default: all instances would be gone at once.
        { parent: this, deleteBeforeReplace: false, ...(before === undefined ? {} : { dependsOn: [before] }) },
      ),
    );
  }
}
