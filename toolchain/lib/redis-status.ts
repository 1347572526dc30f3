import type Docker from "dockerode";
import { execIn } from "./docker";

/** One Redis server, as its INFO tells. */
export interface RedisStatus {
  /** Value of the label `phased-stack.service`, e.g. `redis-cache`. */
  readonly service: string;
  /** `master` or `slave`, in Redis' own words. */
  readonly role: string;
  readonly usedBytes: number;
  /** 0 when there is no limit. */
  readonly maxBytes: number;
  /** What happens when it is full: `volatile-lru`, `noeviction`, … */
  readonly policy: string;
  readonly clients: number;
  readonly maxClients: number;
  /** Append-only file: `on`, `off`, or `failing` when it could not be written. */
  readonly appendOnly: "on" | "off" | "failing";
  /** Entries that had to go for want of memory, since the server started. */
  readonly evicted: number;
  readonly operationsPerSecond: number;
  /** While it reads its data after a start it answers nobody. */
  readonly loading: boolean;
}

/** Sections of INFO that are used; `commandstats` for those who count calls. */
const SECTIONS = "server clients memory persistence stats replication";

/** Asks as the user `health`, which needs no password and may do nothing else (components/local/redis/acl.ts). */
export async function redisInfo(container: Docker.Container, sections = SECTIONS): Promise<Readonly<Record<string, string>>> {
  const command = ["redis-cli", "--user", "health", "--pass", "health", "--no-auth-warning", "-t", "3", "info", ...sections.split(" ")];
  const { exitCode, stdout, stderr } = await execIn(container, command);
  const fields = parseInfo(stdout);
  if (exitCode !== 0 || Object.keys(fields).length === 0) {
    throw new Error(`redis-cli info: ${(stderr || stdout).trim().split("\n")[0]?.slice(0, 200) ?? "no answer"}`);
  }
  return fields;
}

/** The fields of INFO by name. */
export function parseInfo(text: string): Record<string, string> {
  const lines = text.split(/\r?\n/).filter((line) => !line.startsWith("#") && line.includes(":"));
  return Object.fromEntries(lines.map((line) => [line.slice(0, line.indexOf(":")), line.slice(line.indexOf(":") + 1)]));
}

/** @throws Error naming the field that INFO lacks. */
export function redisStatus(service: string, info: Readonly<Record<string, string>>): RedisStatus {
  const text = (name: string): string => {
    const value = info[name];
    if (value === undefined) throw new Error(`INFO of ${service} has no field ${name}`);
    return value;
  };
  const number = (name: string): number => Number(text(name));
  const written = ["aof_last_write_status", "aof_last_bgrewrite_status"].every((name) => info[name] === undefined || info[name] === "ok");
  return {
    service,
    role: text("role"),
    usedBytes: number("used_memory"),
    maxBytes: number("maxmemory"),
    policy: text("maxmemory_policy"),
    clients: number("connected_clients"),
    maxClients: number("maxclients"),
    appendOnly: text("aof_enabled") !== "1" ? "off" : written ? "on" : "failing",
    evicted: number("evicted_keys"),
    operationsPerSecond: number("instantaneous_ops_per_sec"),
    loading: text("loading") === "1",
  };
}
