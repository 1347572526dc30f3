import { spawn } from "node:child_process";
import { closeSync, existsSync, openSync, readFileSync } from "node:fs";
import { setTimeout as delay } from "node:timers/promises";
import type Docker from "dockerode";
import type { DockerEndpoint } from "../lib/docker";
import { dockerClient, dockerEndpoint, unreachable, within } from "../lib/docker";
import { UserError, messageOf } from "../lib/errors";
import { exec, formatDuration, which } from "../lib/exec";
import { stopIfInterrupted } from "../lib/interrupt";
import type { Progress } from "../lib/progress";
import type { Host } from "./host";
import { aptInstall, canInstallPackages, thisHost } from "./host";
import type { Step } from "./types";

/** A running engine answers within milliseconds, one behind ssh within a second or two. */
const PING_TIMEOUT_MS = 5_000;
/** From the start of dockerd to its first answer: 2 s here; loading a large image store takes longer. */
const START_TIMEOUT_MS = 60_000;
/** How often the socket is tried while dockerd starts. */
const POLL_MS = 200;
const LOG = "/var/log/dockerd.log";

/** Installed only where nothing provides a Docker Engine; iptables is what dockerd publishes ports with. */
const PACKAGES = ["docker.io", "iptables", "ca-certificates"];

/**
 * The step that makes a Docker Engine reachable.
 * @param dockerHost stack config `docker:host`; @default DOCKER_HOST, then the default socket
 */
export function dockerEngineStep(dockerHost?: string): Step {
  return {
    id: "docker",
    title: "Docker Engine",
    check: async () => {
      const found = await engineVersion(dockerHost);
      if (!(found instanceof Error)) return { kind: "ok", detail: `${found.version}, API ${found.api}` };
      const plan = planEngine(thisHost(), errorCode(found), dockerEndpoint(dockerHost), found.message);
      return {
        kind: "missing",
        detail: found.message,
        fix: plan.kind === "install" ? "npm run prepare-machine installs and starts it" : plan.fix,
      };
    },
    ensure: async ({ progress }) => {
      const found = await engineVersion(dockerHost);
      if (!(found instanceof Error)) return;
      const plan = planEngine(thisHost(), errorCode(found), dockerEndpoint(dockerHost), found.message);
      if (plan.kind === "stop") throw new UserError(plan.message, plan.fix);
      if (!which("dockerd")) await aptInstall(PACKAGES, progress);
      await startEngine(thisHost(), progress);
    },
  };
}

/** What to do about an engine that does not answer. */
export type EnginePlan = { readonly kind: "install" } | { readonly kind: "stop"; readonly message: string; readonly fix: string };

/**
 * Decides what to do about an engine that does not answer.
 *
 * @param code   system error of the attempt, e.g. ENOENT, EACCES
 * @param endpoint which engine is meant; one that the user has named is never started from here
 */
export function planEngine(host: Host, code: string | undefined, endpoint: DockerEndpoint, reason: string): EnginePlan {
  if (endpoint.source !== "default") {
    const { message, hint } = unreachable(endpoint, reason);
    return { kind: "stop", message, fix: hint ?? "start that engine" };
  }
  if (code === "EACCES" || code === "EPERM") {
    return {
      kind: "stop",
      message: "Docker runs here, but this user may not use it (permission denied on its socket)",
      fix: "sudo usermod -aG docker $USER, then log out and in again",
    };
  }
  if (host.platform === "darwin" || host.platform === "win32") {
    const command = host.platform === "darwin" ? "brew install --cask docker && open -a Docker" : "winget install Docker.DockerDesktop";
    return { kind: "stop", message: `Docker does not answer (${reason})`, fix: `start Docker Desktop; to install it: ${command}` };
  }
  if (canInstallPackages(host)) return { kind: "install" };
  if (host.debian) {
    return {
      kind: "stop",
      message: `Docker does not answer (${reason}) and only root can install or start it`,
      fix: "sudo apt-get install docker.io && sudo systemctl start docker && sudo usermod -aG docker $USER, then log out and in again",
    };
  }
  return {
    kind: "stop",
    message: `Docker does not answer (${reason}) and this system has no apt-get to install it with`,
    fix: "install Docker Engine 20.10 or newer with the system's package manager, start it (systemctl start docker), and let this user use it (usermod -aG docker $USER)",
  };
}

async function startEngine(host: Host, progress: Progress): Promise<void> {
  progress.detail("starting");
  if (host.systemd) {
    await exec("systemctl", ["start", "docker"], {
      timeoutMs: START_TIMEOUT_MS,
      fix: "journalctl -u docker -n 50 tells why it does not start",
    });
    await awaitEngine(
      () => dockerClient(),
      () => undefined,
      "journalctl -u docker -n 50",
    );
    return;
  }
  await startDaemon(progress);
}

export interface DaemonOptions {
  /** Further arguments of dockerd. @default none */
  readonly args?: readonly string[];
  /** File that gets dockerd's output. @default /var/log/dockerd.log */
  readonly log?: string;
  /** @default the engine of the default socket */
  readonly client?: () => Promise<Docker>;
}

/**
 * Starts dockerd by hand, where no init system does it, detached from this process, and waits until it answers.
 *
 * @returns its process id
 * @throws UserError with the last lines of its log
 */
export async function startDaemon(progress: Progress, options: DaemonOptions = {}): Promise<number> {
  const log = options.log ?? LOG;
  const output = openSync(log, "a");
  const child = spawn("dockerd", options.args ?? [], { detached: true, stdio: ["ignore", output, output], cwd: "/" });
  closeSync(output);
  let ended: string | undefined;
  child.once("error", (error) => (ended = error.message));
  child.once("exit", (code, signal) => (ended = `it ended with ${signal ?? `exit code ${code ?? "unknown"}`}`));
  child.unref();
  await awaitEngine(options.client ?? (() => dockerClient()), () => ended, `the log is ${log}`, log);
  progress.line(`dockerd started (process ${child.pid ?? "unknown"}), its log is ${log}; it stays until the machine stops`);
  return child.pid ?? 0;
}

async function awaitEngine(client: () => Promise<Docker>, ended: () => string | undefined, fix: string, log?: string): Promise<void> {
  const deadline = Date.now() + START_TIMEOUT_MS;
  let last: unknown;
  while (Date.now() < deadline && ended() === undefined) {
    stopIfInterrupted();
    try {
      await within((await client()).ping() as Promise<unknown>, PING_TIMEOUT_MS, "no answer");
      return;
    } catch (error) {
      last = error;
    }
    await delay(POLL_MS);
  }
  const why = ended() ?? `no answer within ${formatDuration(START_TIMEOUT_MS)}: ${messageOf(last)}`;
  throw new UserError(`Docker Engine did not start: ${why}${log === undefined ? "" : lastLines(log)}`, fix);
}

function lastLines(file: string): string {
  if (!existsSync(file)) return "";
  const lines = readFileSync(file, "utf8").trimEnd().split("\n").slice(-6);
  return `; the last lines of ${file}:\n${lines.map((line) => `  ${line}`).join("\n")}`;
}

async function engineVersion(dockerHost: string | undefined): Promise<{ version: string; api: string } | (Error & { code?: string })> {
  try {
    const docker = await dockerClient(dockerHost);
    const answer = await within(docker.version(), PING_TIMEOUT_MS, `no answer within ${formatDuration(PING_TIMEOUT_MS)}`);
    return { version: answer.Version, api: answer.ApiVersion };
  } catch (error) {
    return error instanceof Error ? error : new Error(String(error));
  }
}

function errorCode(error: Error & { code?: string }): string | undefined {
  return error.code;
}
