import { execFileSync, spawn, type ChildProcess } from "node:child_process";
import { mkdirSync, mkdtempSync, openSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import Docker from "dockerode";

/** A Docker Engine of the test's own: own socket, own image store on a file system of a fixed size. */
export interface PrivateDocker {
  /** Value for `docker:host`. */
  readonly host: string;
  readonly client: Docker;
  /** Path of the image store's file system. */
  readonly store: string;
  stop(): Promise<void>;
}

/** Why a private engine cannot be had here, or undefined where it can. */
export function privateDockerUnavailable(): string | undefined {
  if (process.platform !== "linux") return "needs Linux";
  if (process.getuid?.() !== 0) return "needs root to mount a file system and start dockerd";
  return undefined;
}

/** Starts dockerd with its image store on a tmpfs of `megabytes`. Resolves when the engine answers. */
export async function startPrivateDocker(megabytes: number): Promise<PrivateDocker> {
  const directory = mkdtempSync(path.join(tmpdir(), "phased-dockerd-"));
  const store = path.join(directory, "store");
  mkdirSync(store);
  execFileSync("mount", ["-t", "tmpfs", "-o", `size=${megabytes}m`, "phased-test", store]);
  const socket = path.join(directory, "docker.sock");
  const log = openSync(path.join(directory, "dockerd.log"), "w");
  const flags = ["--host", `unix://${socket}`, "--data-root", store, "--exec-root", path.join(directory, "exec")];
  // No bridge and no rules of its own: the machine's engine keeps the network to itself.
  const isolation = ["--pidfile", path.join(directory, "docker.pid"), "--bridge", "none", "--iptables=false", "--ip6tables=false"];
  // In a network namespace of its own: a dockerd without a bridge deletes docker0 where it finds one, and that is the machine's.
  const child = spawn("unshare", ["--net", "dockerd", ...flags, ...isolation], { stdio: ["ignore", log, log] });
  const client = new Docker({ socketPath: socket });
  const stop = async (): Promise<void> => {
    await ended(child);
    execFileSync("umount", ["-l", store]);
    rmSync(directory, { recursive: true, force: true });
  };
  try {
    await answering(client, child, path.join(directory, "dockerd.log"));
  } catch (error) {
    await stop();
    throw error;
  }
  return { host: `unix://${socket}`, client, store, stop };
}

async function answering(client: Docker, child: ChildProcess, log: string): Promise<void> {
  const deadline = Date.now() + 60_000;
  for (;;) {
    if (child.exitCode !== null) throw new Error(`dockerd ended at start:\n${readFileSync(log, "utf8").slice(-2000)}`);
    try {
      await client.ping();
      return;
    } catch (error) {
      if (Date.now() > deadline)
        throw new Error(`dockerd did not answer within 60 s:\n${readFileSync(log, "utf8").slice(-2000)}`, { cause: error });
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
  }
}

function ended(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return Promise.resolve();
  return new Promise((resolve) => {
    child.once("exit", () => {
      resolve();
    });
    child.kill("SIGTERM");
  });
}
