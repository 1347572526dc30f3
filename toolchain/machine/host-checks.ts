import { statfsSync } from "node:fs";
import { totalmem } from "node:os";
import { dockerClient, within } from "../lib/docker";
import { messageOf } from "../lib/errors";
import { ROOT } from "../lib/paths";
import type { State } from "./types";

/** Base images, app image, load balancer image and plugins take 1.5 GB together; a build needs room besides. */
const DISK_NEEDED_BYTES = 3e9;
/** The cluster phase: app with two workers, load balancer, Pulumi engine while it runs. */
const MEMORY_NEEDED_BYTES = 1e9;
const INFO_TIMEOUT_MS = 5_000;

interface HostCheck {
  readonly title: string;
  readonly state: State;
}

/** Facts of the machine that no step can change: disk, memory, what Docker can limit. */
export async function hostChecks(): Promise<HostCheck[]> {
  const stats = statfsSync(ROOT);
  return [
    {
      title: "Disk",
      state: enough(
        "free where this clone lies",
        stats.bavail * stats.bsize,
        DISK_NEEDED_BYTES,
        "free some space; Docker's own: docker system df",
      ),
    },
    { title: "Memory", state: enough("in this machine", totalmem(), MEMORY_NEEDED_BYTES, "use a machine with more memory") },
    { title: "Docker's limits", state: await limits() },
  ];
}

/** Judges an amount of bytes against what is needed. */
export function enough(what: string, bytes: number, needed: number, fix: string): State {
  const detail = `${(bytes / 1e9).toFixed(1)} GB ${what}`;
  return bytes >= needed
    ? { kind: "ok", detail }
    : { kind: "missing", detail: `${detail}, needed are ${(needed / 1e9).toFixed(0)} GB`, fix };
}

async function limits(): Promise<State> {
  try {
    const docker = await dockerClient();
    const info = (await within(docker.info(), INFO_TIMEOUT_MS, "no answer within 5 s")) as {
      CgroupVersion?: string;
      MemoryLimit?: boolean;
      CpuCfsQuota?: boolean;
      Driver?: string;
    };
    const detail = `cgroup v${info.CgroupVersion ?? "1"}, storage ${info.Driver ?? "unknown"}`;
    const lacking = [...(info.MemoryLimit === false ? ["memory"] : []), ...(info.CpuCfsQuota === false ? ["CPU"] : [])];
    if (lacking.length === 0) return { kind: "ok", detail };
    return {
      kind: "missing",
      detail: `${detail}; no limit on ${lacking.join(" and ")}`,
      fix: "enable the memory and cpu cgroup controllers in the kernel",
    };
  } catch (error) {
    return { kind: "missing", detail: `not known: ${messageOf(error)}`, fix: "start Docker first" };
  }
}
