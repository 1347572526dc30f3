import * as pulumi from "@pulumi/pulumi";
import type * as docker from "@pulumi/docker";

export { transformed, type Transform } from "../transform";

/** Labels of every Docker object: they tell stacks on one host apart, and `npm run status` finds containers by them. */
export function labels(service: string): { label: string; value: string }[] {
  return [
    { label: "phased-stack.project", value: pulumi.getProject() },
    { label: "phased-stack.stack", value: pulumi.getStack() },
    { label: "phased-stack.service", value: service },
  ];
}

/** Label of a container that does one thing, once, with the number of its attempt: another number is another container. */
export const ATTEMPT_LABEL = "phased-stack.attempt";

/** A volume as a container sees it. */
export interface VolumeMount {
  /** Name of the Docker volume. */
  readonly volumeName: pulumi.Input<string>;
  /** Absolute path inside the container. */
  readonly containerPath: string;
  /** @default false */
  readonly readOnly?: boolean;
}

/** What {@link hardened} needs to know. */
export interface HardenedArgs {
  /** Value of the label `phased-stack.service`. */
  readonly service: string;
  /** Memory limit in MiB; swap is off. */
  readonly memoryMb: number;
  /** CPU limit in cores. @default no limit */
  readonly cpus?: number | undefined;
  /** Seconds between the stop signal and SIGKILL; must exceed the time the program takes to drain. */
  readonly stopSeconds: number;
  /** Size of `/tmp`, the only writable directory besides volumes, in MiB. */
  readonly tmpMb: number;
}

/**
 * Weight of a container while there is not enough CPU for all; Docker's own is 1024, which builds of images have. `up` builds on the host that serves,
 * and each of a dozen builds would be given as much as a server: seven at once made 432 of 4,005 orders fail on two cores, with this none of 4,741
 * (BENCHMARKS.md).
 */
const CPU_SHARES = 8192;

/** Settings all containers share: limits, no privilege, read-only root, restart on failure, rotated logs. */
export function hardened(args: HardenedArgs): Omit<docker.ContainerArgs, "image"> {
  return {
    restart: "unless-stopped",
    labels: labels(args.service),
    readOnly: true,
    tmpfs: { "/tmp": `rw,noexec,nosuid,nodev,size=${args.tmpMb}m` },
    capabilities: { drops: ["ALL"] },
    securityOpts: ["no-new-privileges:true"],
    memory: args.memoryMb,
    // Left unset, Docker reports twice the memory and the provider shows a change on every `up`.
    memorySwap: args.memoryMb,
    ...(args.cpus === undefined ? {} : { cpus: dockerCpus(args.cpus) }),
    cpuShares: CPU_SHARES,
    // Twice what the load balancer needs for its connections. Engines inside a container cannot give more than they have themselves,
    // and 20,000 is a limit met there; asking for more than that would keep the container from starting.
    ulimits: [{ name: "nofile", soft: 16_384, hard: 16_384 }],
    // A name without a dot that Docker does not know (any more), it would ask the machine's DNS for: whose answer may be anything, or take
    // 10 s when there is none, in which a program waits for a service that is gone. With these, Docker says at once that it is gone.
    dnsOpts: ["ndots:1"],
    dnsSearches: ["."],
    stopTimeout: args.stopSeconds,
    // The provider stops a container with this grace; without it the container is killed at once.
    destroyGraceSeconds: args.stopSeconds,
    logDriver: "json-file",
    logOpts: { "max-size": "10m", "max-file": "5" },
  };
}

/**
 * A CPU limit in the exact spelling the Docker provider reads back (`1.0`, `1.5`, `0.25`; ten is `10.`).
 * Any other spelling of the same number would replace the container on every `up`. The provider tells whole numbers by their count of
 * zeros, and so rounds a few others to a tenth (10.05, 100.25); these are rounded here already, to no less than a tenth.
 */
export function dockerCpus(cpus: number): string {
  const text = cpus.toFixed(9);
  if (text.replace(/[^0]/g, "").length !== 9) return text.replace(/0+$/, "");
  const tenth = Math.max(0.1, Math.floor(cpus * 10) / 10);
  return tenth === cpus ? cpus.toFixed(1) : dockerCpus(tenth);
}
