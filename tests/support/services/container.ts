import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { randomBytes } from "node:crypto";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { promisify } from "node:util";
import { type ContextFile, contextTag } from "../../../components/local/image/context-hash";
import { writeContext } from "../../../components/local/image/write-context";
import { freePort } from "../../../toolchain/lib/free-port";

export { freePort };

const run = promisify(execFile);

/** Longest wait for a server to answer after its start, milliseconds; a first start on a busy machine takes seconds. */
const READY_DEADLINE_MS = 60_000;

/** Time between two looks at a condition, milliseconds. */
const POLL_MS = 50;

/** Another program may take a free port before Docker does; then another port is tried. */
const PORT_ATTEMPTS = 5;

/** See {@link freeze}. */
const FREEZE_ATTEMPTS = 10;

/** Runs the docker command; resolves with what it printed. The error of a failed command has what it wrote to stderr. */
export async function dockerCommand(args: readonly string[]): Promise<string> {
  const { stdout } = await run("docker", [...args], { maxBuffer: 64 * 1024 * 1024 });
  return stdout;
}

/** Waits for a condition; fails with `what` after the deadline. A condition that throws counts as not met, its error is reported. */
export async function eventually(
  what: string,
  condition: () => boolean | Promise<boolean>,
  deadlineMs = READY_DEADLINE_MS,
  pollMs = POLL_MS,
): Promise<void> {
  const deadline = performance.now() + deadlineMs;
  let last: unknown;
  for (;;) {
    try {
      if (await condition()) return;
    } catch (error) {
      last = error;
    }
    if (performance.now() > deadline) {
      assert.fail(`not within ${deadlineMs} ms: ${what}${last instanceof Error ? ` (${last.message})` : ""}`);
    }
    await delay(pollMs);
  }
}

/**
 * Builds an image from its context unless it is there; the same context is the same tag, as in the stack itself.
 * @returns its reference, `localhost/phased-stack/<service>:<hash>`.
 */
export async function serviceImage(service: string, files: readonly ContextFile[]): Promise<string> {
  const reference = `localhost/phased-stack/${service}:${contextTag(files)}`;
  if ((await dockerCommand(["image", "ls", "--quiet", reference])).trim() !== "") return reference;
  const context = mkdtempSync(path.join(tmpdir(), `phased-${service}-`));
  try {
    writeContext(context, files);
    // The host's network: an engine without a default bridge builds as well.
    await dockerCommand(["build", "--quiet", "--network", "host", "--tag", reference, context]);
  } finally {
    rmSync(context, { recursive: true, force: true });
  }
  return reference;
}

/** A file that is copied into the container before it starts; below a volume when the root is read-only. */
export interface SeedFile {
  /** Absolute path inside the container; its directory must exist there. */
  readonly path: string;
  /** Or made from the published port, for servers that tell clients their address. */
  readonly content: string | ((port: number) => string);
  /** @default 0o644 */
  readonly mode?: number;
}

/** What {@link startService} runs. */
export interface ServiceOptions {
  /** Such as `redis`; part of the container's name and label. */
  readonly kind: string;
  readonly image: string;
  /** TCP port the server listens on inside the container. */
  readonly internalPort: number;
  /** Further arguments of `docker create`, before the image: `--env`, `--memory`, `--network`, `--network-alias`, `--read-only` … */
  readonly create?: readonly string[];
  /** Absolute paths that get an anonymous volume, removed with the container. */
  readonly volumes?: readonly string[];
  /** Arguments after the image. */
  readonly command?: readonly string[];
  readonly files?: readonly SeedFile[];
  /** Longest wait for the first answer after a start, milliseconds. @default 60000 */
  readonly readyDeadlineMs?: number;
  /** Whether the server answers; asked until it does, an error counts as no. */
  readonly ready: (service: { readonly host: string; readonly port: number; readonly container: string }) => Promise<boolean>;
}

/** A server in a container that a test may disturb. Every method resolves once its effect is there; a (re)start once the server answers. */
export interface ServiceContainer {
  readonly host: string;
  /** Published port; stays the same over stop and start. */
  readonly port: number;
  /** Name of the container, for `docker` commands and as host name on a shared network. */
  readonly container: string;
  /** Freezes every process (SIGSTOP through the cgroup): connections stay, nothing answers. */
  pause(): Promise<void>;
  unpause(): Promise<void>;
  /** SIGKILL. */
  kill(): Promise<void>;
  /** SIGTERM, and SIGKILL after 10 s. */
  stop(): Promise<void>;
  /** After {@link kill} or {@link stop}. */
  start(): Promise<void>;
  /** Runs a program inside; resolves with what it printed. */
  exec(command: readonly string[]): Promise<string>;
  /** Removes container and volumes, whatever their state. */
  remove(): Promise<void>;
}

/**
 * Address of the container itself, reachable from a Linux host. A published port on 127.0.0.1 goes through a proxy process of Docker's,
 * which costs more than a small command of Redis: no stack has it between its parts.
 */
export async function containerAddress(container: string): Promise<string> {
  const printed = await dockerCommand(["inspect", "--format", "{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}", container]);
  return printed.trim();
}

/** Name, and value of the stack label by which the sweep of an interrupted run finds it. */
export function serviceName(kind: string): string {
  return `${process.env["PHASED_TEST_PREFIX"] ?? "test-local"}-${kind}-${randomBytes(4).toString("hex")}`;
}

/** Starts a server and waits until it answers. */
export async function startService(options: ServiceOptions): Promise<ServiceContainer> {
  const { container, port } = await createContainer(options);
  const address = { host: "127.0.0.1", port, container };
  const answering = (): Promise<void> => eventually(`${options.kind} answers`, () => options.ready(address), options.readyDeadlineMs);
  const docker = async (...args: string[]): Promise<void> => {
    await dockerCommand(args);
  };
  const service: ServiceContainer = {
    ...address,
    pause: () => freeze(container),
    unpause: () => docker("unpause", container),
    kill: async () => {
      await docker("kill", container);
      await docker("wait", container);
    },
    stop: () => docker("stop", "--time", "10", container),
    start: async () => {
      await docker("start", container);
      await answering();
    },
    exec: (command) => dockerCommand(["exec", container, ...command]),
    remove: () => docker("rm", "--force", "--volumes", container),
  };
  try {
    await answering();
  } catch (error) {
    const { stdout, stderr } = await run("docker", ["logs", "--tail", "30", container]);
    await service.remove();
    throw new Error(`${(error as Error).message}\n${stdout}${stderr}`, { cause: error });
  }
  return service;
}

/** With cgroup v1, runc gives up freezing when a process happens to fork or to sleep in the kernel at that moment; then it is asked again. */
async function freeze(container: string): Promise<void> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      await dockerCommand(["pause", container]);
      return;
    } catch (error) {
      if (attempt === FREEZE_ATTEMPTS || !(error as Error).message.includes("unable to freeze")) throw error;
    }
  }
}

async function createContainer(options: ServiceOptions): Promise<{ readonly container: string; readonly port: number }> {
  for (let attempt = 1; ; attempt += 1) {
    const container = serviceName(options.kind);
    const port = await freePort();
    await dockerCommand([
      // A stack looks every few seconds, which is enough for it; a test that waits for the first look need not.
      ...[
        "create",
        "--name",
        container,
        "--health-interval",
        "1s",
        "--label",
        `phased-stack.stack=${container}`,
        "--label",
        `phased-stack.service=${options.kind}`,
      ],
      ...["--publish", `127.0.0.1:${port}:${options.internalPort}`],
      ...(options.volumes ?? []).flatMap((target) => ["--volume", target]),
      ...(options.create ?? []),
      options.image,
      ...(options.command ?? []),
    ]);
    try {
      for (const file of options.files ?? []) await copyInto(container, file, port);
      await dockerCommand(["start", container]);
      return { container, port };
    } catch (error) {
      await dockerCommand(["rm", "--force", "--volumes", container]);
      if (attempt === PORT_ATTEMPTS || !/port is already allocated|address already in use/.test((error as Error).message)) throw error;
    }
  }
}

async function copyInto(container: string, file: SeedFile, port: number): Promise<void> {
  const directory = mkdtempSync(path.join(tmpdir(), "phased-seed-"));
  try {
    const source = path.join(directory, path.basename(file.path));
    mkdirSync(path.dirname(source), { recursive: true });
    writeFileSync(source, typeof file.content === "string" ? file.content : file.content(port), { mode: file.mode ?? 0o644 });
    await dockerCommand(["cp", source, `${container}:${file.path}`]);
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}
