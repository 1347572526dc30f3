import { type ChildProcess, spawn } from "node:child_process";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { createServer, type AddressInfo } from "node:net";
import path from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { build } from "esbuild";
import { bundleApp } from "../../../components/local/image/bundle";
import { UserError } from "../../lib/errors";
import { stopIfInterrupted } from "../../lib/interrupt";
import { ROOT } from "../../lib/paths";
import { pinned } from "./load";

/** A running server of the benchmark. */
export interface Server {
  readonly pid: number;
  readonly url: string;
  stop(): Promise<void>;
}

export type PeerName = "bare" | "express" | "fastify" | "usual";

const PEERS: readonly PeerName[] = ["bare", "express", "fastify", "usual"];

/** Longest wait until a server listens, in milliseconds. */
const BOOT_TIMEOUT_MS = 30_000;
/** How often it is asked whether it does. */
const POLL_MS = 50;
/** Longest wait for a server to end when asked to, in milliseconds. */
const STOP_TIMEOUT_MS = 3000;

/** Builds the app as its image holds it, and the peers, into a directory below this clone (peers find node_modules from there). */
export async function buildServers(directory: string): Promise<void> {
  for (const file of await bundleApp(path.join(ROOT, "app"))) {
    const target = path.join(directory, "app", file.path);
    mkdirSync(path.dirname(target), { recursive: true });
    writeFileSync(target, file.content);
  }
  await build({
    entryPoints: PEERS.map((name) => path.join(__dirname, "peers", name === "usual" ? "usual.mjs" : `${name}.ts`)),
    outdir: path.join(directory, "peers"),
    bundle: true,
    packages: "external",
    platform: "node",
    target: "node24",
    format: "cjs",
    logLevel: "silent",
  });
}

/** Starts a peer; it ends with this process. @param pin on the servers' core, or on all */
export async function startPeer(
  directory: string,
  name: PeerName,
  environment: Readonly<Record<string, string>>,
  pin = true,
): Promise<Server> {
  const child = start([path.join(directory, "peers", `${name}.js`)], environment, pin);
  const port = await new Promise<number>((resolve, reject) => {
    child.once("message", (message: { port: number }) => resolve(message.port));
    child.once("exit", (code) => reject(new UserError(`the peer ${name} ended with exit code ${code ?? "none"} before it listened`)));
  }).catch(async (error: unknown) => {
    await stop(child);
    throw error;
  });
  return { pid: child.pid ?? 0, url: `http://127.0.0.1:${port}`, stop: () => stop(child) };
}

export interface AppOptions {
  /** Its database and secrets. */
  readonly dataDirectory: string;
  readonly environment: Readonly<Record<string, string>>;
  /** One core as the peers, or all. @default true */
  readonly pin?: boolean;
  /** File to run. @default the bundled app */
  readonly program?: string;
}

/** Starts the bundled app and waits until it is ready. */
export async function startApp(directory: string, options: AppOptions): Promise<Server> {
  mkdirSync(options.dataDirectory, { recursive: true });
  const port = await freePort();
  const environment = {
    NODE_ENV: "production",
    HOST: "127.0.0.1",
    PORT: String(port),
    SQLITE_PATH: path.join(options.dataDirectory, "app.db"),
    DRAIN_DELAY_MS: "0",
    SHUTDOWN_TIMEOUT_MS: "1000",
    ...options.environment,
  };
  const program = options.program ?? path.join(directory, "app", "main.js");
  const child = start([...imageOptions(), program], environment, options.pin ?? true);
  const url = `http://127.0.0.1:${port}`;
  try {
    await ready(child, url);
  } catch (error) {
    await stop(child);
    throw error;
  }
  return { pid: child.pid ?? 0, url, stop: () => stop(child) };
}

/** What the image gives Node on its command line. @throws Error when its Dockerfile does not start `node … main.js` any more. */
function imageOptions(): string[] {
  const text = readFileSync(path.join(ROOT, "app/Dockerfile"), "utf8");
  const entry = JSON.parse(/^ENTRYPOINT (\[.*\])$/m.exec(text)?.[1] ?? "[]") as readonly string[];
  const [from, to] = [entry.indexOf("node"), entry.indexOf("main.js")];
  if (from === -1 || to < from) throw new Error(`app/Dockerfile starts ${JSON.stringify(entry)}, which is not: node [options] main.js`);
  return entry.slice(from + 1, to);
}

/** Its own environment only: settings of whoever measures must not reach what is measured. */
function start(args: readonly string[], environment: Readonly<Record<string, string>>, pin: boolean): ChildProcess {
  stopIfInterrupted();
  const command = [process.execPath, ...args];
  const [program = "", ...rest] = pin ? pinned(0, command) : command;
  const child = spawn(program, rest, {
    env: { PATH: process.env["PATH"] ?? "", NODE_ENV: "production", ...environment },
    // Log lines are written and thrown away: writing them is part of what is measured, keeping them is not.
    stdio: ["ignore", "ignore", "inherit", "ipc"],
  });
  // A child that cannot be started emits "error" and never listens; whoever waits for it sees its exit.
  child.once("error", () => child.emit("exit", 127, null));
  return child;
}

async function ready(child: ChildProcess, url: string): Promise<void> {
  const deadline = performance.now() + BOOT_TIMEOUT_MS;
  while (child.exitCode === null && performance.now() < deadline) {
    stopIfInterrupted();
    const answer = await fetch(`${url}/ready`).catch(() => undefined);
    if (answer?.ok === true) return;
    await delay(POLL_MS);
  }
  throw new UserError("the app did not become ready", "its reason is in the lines above, or start it by hand: npm start in app/");
}

async function stop(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const ended = new Promise((resolve) => child.once("exit", resolve));
  child.kill("SIGTERM");
  const patience = setTimeout(() => child.kill("SIGKILL"), STOP_TIMEOUT_MS);
  await ended;
  clearTimeout(patience);
}

/** A port of this machine that is free now. */
async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(0, "127.0.0.1", resolve);
  });
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}
