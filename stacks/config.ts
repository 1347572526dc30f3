import * as pulumi from "@pulumi/pulumi";
import type { z } from "zod";
import { isContractVariable } from "../components/local/app/environment";
import type { Field } from "./config-fields";
import { boolean, decimal, imageReference, integer, ipAddress, looksSecret, oneOf, variables, workers } from "./config-fields";
import { closest } from "./did-you-mean";

/** Phases the product has; see README.md. */
export const PHASES = ["cluster", "database", "cloud"] as const;
export type Phase = (typeof PHASES)[number];

/**
 * Every key of the stack configuration below the project's name. None is a secret: what the stack needs of that kind it generates
 * itself, and a key set with `--secret` is refused, because its value would not be kept secret.
 */
const fields = {
  /** Phase of growth. @default cluster */
  phase: oneOf(PHASES),
  /** App containers behind the load balancer (B14). @default 1 */
  appInstances: integer({ least: 1, most: 50, unit: "containers", example: 3 }),
  /** Worker processes of each instance; auto is one a CPU, as far as memory reaches (A2, C2). @default auto */
  workers,
  /** Memory limit of each instance, MiB (B13). @default 1024 */
  appMemoryMb: integer({ least: 192, most: 1_048_576, unit: "MiB per instance", example: 1024 }),
  /** CPU limit of each instance, cores (B13). @default no limit */
  appCpus: decimal({ least: 0.1, most: 256, unit: "cores per instance", example: 1.5 }),
  /** V8 heap of each worker, MiB (B13). @default derived by the app from its memory limit */
  workerHeapMb: integer({ least: 32, most: 65_536, unit: "MiB per worker", example: 256 }),
  /** Threads of libuv's pool in each worker (B13). @default libuv's own, 4 */
  uvThreadpoolSize: integer({ least: 1, most: 1024, unit: "threads per worker", example: 8 }),
  /** Port published on the Docker host (A6). @default 3001 */
  port: integer({ least: 1, most: 65_535, unit: "TCP port of the Docker host", example: 3001 }),
  /** Address of the Docker host the port is published on. @default 127.0.0.1 */
  publishAddress: ipAddress,
  /** An own image instead of the bundled app; it has to keep the app contract. @default built from app/ */
  image: imageReference,
  /** More plain environment variables for the app. @default none */
  appEnvironment: variables,
  /** Lowest level the app logs. @default info */
  logLevel: oneOf(["info", "fatal", "error", "warn", "debug", "trace", "silent"]),
  /** Refuse to delete data. @default false on the stack dev, true on all others */
  protect: boolean,
  /** Requests a second and client on everything but chat (B1); 0 is no limit. @default 100 */
  apiRequestsPerSecond: integer({ least: 0, most: 1_000_000, unit: "requests per second and client, 0 for no limit", example: 100 }),
  /** Requests a client may send on top of that at once. @default 100 */
  apiBurst: integer({ least: 0, most: 1_000_000, unit: "requests", example: 100 }),
  /** Requests a second and client on /api/chat (B1); 0 is no limit. @default 50 */
  chatRequestsPerSecond: integer({ least: 0, most: 1_000_000, unit: "requests per second and client, 0 for no limit", example: 50 }),
  /** Requests a client may send on top of that at once. @default 50 */
  chatBurst: integer({ least: 0, most: 1_000_000, unit: "requests", example: 50 }),
  /** Largest request body, MiB. @default 10 */
  maxBodyMb: integer({ least: 1, most: 1024, unit: "MiB", example: 10 }),
} satisfies Record<string, Field<unknown>>;

type Fields = typeof fields;
type Key = keyof Fields;
type Given = { readonly [K in Key]?: z.infer<Fields[K]["schema"]> };
type OptionalKey = "appCpus" | "workerHeapMb" | "uvThreadpoolSize" | "image";

/** The stack's configuration with every default applied; keys as documented above. */
export type StackConfig = { readonly [K in Exclude<Key, OptionalKey>]: NonNullable<Given[K]> } & {
  readonly [K in OptionalKey]: Given[K] | undefined;
};

/** What the configuration is read from. */
export interface ConfigSource {
  readonly project: string;
  readonly stack: string;
  /** All configuration of the stack, keys with their namespace. */
  readonly values: Readonly<Record<string, string>>;
  readonly isSecret: (key: string) => boolean;
}

/**
 * Reads and validates the whole configuration of the running program.
 * @throws RunError listing every violation with the command that repairs it.
 */
export function loadConfig(source: ConfigSource = programConfig()): StackConfig {
  const violations: string[] = [];
  const given = readFields(source, violations);
  const config = withDefaults(given, source.stack);
  violations.push(...unknownKeys(source), ...crossFieldViolations(config, given));
  if (violations.length === 0) return config;
  const count = violations.length === 1 ? "a problem" : `${violations.length} problems`;
  throw new pulumi.RunError(
    `the configuration of stack ${source.stack} has ${count}:\n${violations.map((violation) => `  - ${violation}`).join("\n")}`,
  );
}

function programConfig(): ConfigSource {
  // The SDK keeps its own `isConfigSecret` to itself; this is the variable the language host fills for it.
  const secretKeys = JSON.parse(process.env["PULUMI_CONFIG_SECRET_KEYS"] ?? "[]") as readonly string[];
  return {
    project: pulumi.getProject(),
    stack: pulumi.getStack(),
    values: pulumi.runtime.allConfig(),
    isSecret: (key) => secretKeys.includes(key),
  };
}

function readFields(source: ConfigSource, violations: string[]): Given {
  const given: Record<string, unknown> = {};
  for (const [key, field] of Object.entries<Field<unknown>>(fields)) {
    const fullKey = `${source.project}:${key}`;
    const text = source.values[fullKey];
    if (text === undefined) continue;
    if (source.isSecret(fullKey)) {
      violations.push(`${fullKey} is set as a secret, but its value would be visible in containers. Fix: ${setCommand(key, field)}`);
      continue;
    }
    const parsed = field.schema.safeParse(text);
    if (parsed.success) given[key] = parsed.data;
    // The value of variables is not repeated: somebody may have put a password there.
    else {
      const shown = key === "appEnvironment" ? "not usable" : JSON.stringify(text);
      violations.push(`${fullKey} is ${shown}; allowed: ${field.allowed}. Fix: ${setCommand(key, field)}`);
    }
  }
  return given;
}

function setCommand(key: string, field: Field<unknown>): string {
  return field.example.startsWith("--path") ? `pulumi config set ${field.example}` : `pulumi config set ${key} ${field.example}`;
}

function withDefaults(given: Given, stack: string): StackConfig {
  return {
    phase: "cluster",
    appInstances: 1,
    workers: "auto",
    appMemoryMb: 1024,
    appCpus: undefined,
    workerHeapMb: undefined,
    uvThreadpoolSize: undefined,
    port: 3001,
    publishAddress: "127.0.0.1",
    image: undefined,
    appEnvironment: {},
    logLevel: "info",
    protect: stack !== "dev",
    apiRequestsPerSecond: 100,
    apiBurst: 100,
    chatRequestsPerSecond: 50,
    chatBurst: 50,
    maxBodyMb: 10,
    ...given,
  };
}

function unknownKeys({ project, values }: ConfigSource): string[] {
  const prefix = `${project}:`;
  const names = Object.keys(values).filter((key) => key.startsWith(prefix));
  return names
    .map((key) => key.slice(prefix.length))
    .filter((key) => !(key in fields))
    .sort()
    .map((key) => {
      const suggestion = closest(key, Object.keys(fields));
      const meant = suggestion === undefined ? `known keys: ${Object.keys(fields).join(", ")}` : `did you mean ${suggestion}?`;
      return `${prefix}${key} is not a known key; ${meant} Fix: pulumi config rm ${key}`;
    });
}

/** Kept free for the app's primary process, MiB (measured 45–55, see app/src/config/machine.ts). */
const PRIMARY_MB = 64;
/** Least a worker needs, MiB: an idle one is resident with up to 90 (app.md). */
const WORKER_MB = 96;
/** Part of a worker's memory that is heap; the rest is code, stacks and buffers. The app uses the same share. */
const HEAP_SHARE = 0.75;

/** Memory an instance needs for its workers, MiB; a single worker is the instance's only process. */
export function neededMemoryMb(workerCount: number, heapMb: number | undefined): number {
  const worker = Math.max(WORKER_MB, Math.ceil((heapMb ?? 0) / HEAP_SHARE));
  return (workerCount === 1 ? 0 : PRIMARY_MB) + workerCount * worker;
}

function crossFieldViolations(config: StackConfig, given: Given): string[] {
  const violations: string[] = [];
  const { appEnvironment, appMemoryMb, workerHeapMb } = config;
  const count = config.workers === "auto" ? 1 : config.workers;
  const needed = neededMemoryMb(count, workerHeapMb);
  if (needed > appMemoryMb) {
    const heap = workerHeapMb === undefined ? "" : ` with a heap of ${workerHeapMb} MiB each (workerHeapMb)`;
    violations.push(
      `appMemoryMb is ${appMemoryMb}, but ${count} worker${count === 1 ? "" : "s"}${heap} need${count === 1 ? "s" : ""} ${needed} MiB; ` +
        `allowed: at least ${needed}, or fewer workers, or a smaller heap. Fix: pulumi config set appMemoryMb ${needed}`,
    );
  }
  for (const kind of ["api", "chat"] as const) {
    if (config[`${kind}RequestsPerSecond`] === 0 && (given[`${kind}Burst`] ?? 0) > 0) {
      violations.push(
        `${kind}Burst is ${config[`${kind}Burst`]}, but ${kind}RequestsPerSecond 0 switches that limit off; ` +
          `allowed: a burst only with a limit. Fix: pulumi config rm ${kind}Burst`,
      );
    }
  }
  for (const name of Object.keys(appEnvironment).sort()) {
    const remove = `Fix: pulumi config rm --path appEnvironment.${name}`;
    if (isContractVariable(name)) {
      violations.push(`appEnvironment.${name} belongs to the app contract and is set by the phase; allowed: other names. ${remove}`);
    } else if (looksSecret(name, appEnvironment[name] ?? "")) {
      violations.push(
        `appEnvironment.${name} looks like a secret, and variables are visible in containers; allowed: plain values. ${remove}`,
      );
    }
  }
  return violations;
}
