import { cpus } from "node:os";
import path from "node:path";
import { readFileSync } from "node:fs";
import { exec, which } from "../../lib/exec";
import { UserError } from "../../lib/errors";
import { ROOT } from "../../lib/paths";

/** Something to send load to. */
export interface Target {
  readonly name: string;
  readonly url: string;
  readonly headers?: Readonly<Record<string, string>>;
  /** Status every answer must have. @default 200 */
  readonly status?: number;
  /** Process whose CPU time is charged for the requests. */
  readonly pid: number;
}

/** One run of load against one target. */
export interface Run {
  readonly requests: number;
  readonly perSecond: number;
  /** Answers with another status than the target's, and requests without an answer. */
  readonly errors: number;
  /** User and system time of the server's process for one request, in µs; undefined where the system does not tell. */
  readonly cpuMicros: number | undefined;
}

export interface LoadSettings {
  /** Length of a run, in seconds. */
  readonly seconds: number;
  readonly connections: number;
}

/** Which program makes the load. */
export type Generator = "wrk" | "autocannon";

/** wrk where it is installed: it costs its core a third of what autocannon does, so that the server is what is measured. */
export function findGenerator(): Generator {
  return which("wrk") === undefined ? "autocannon" : "wrk";
}

/** Arguments that put a program on one core, where there is more than one and `taskset`. @param core 0 for servers, 1 for load */
export function pinned(core: 0 | 1, command: readonly string[]): string[] {
  return which("taskset") === undefined || cpus().length < 2 ? [...command] : ["taskset", "-c", String(core), ...command];
}

/** Whether {@link pinned} does something here. */
export function canPin(): boolean {
  return pinned(0, []).length > 0;
}

/** Sends as many requests as come back, over keep-alive connections without pipelining. @param pin the load on a core of its own */
export async function run(generator: Generator, target: Target, settings: LoadSettings, pin = true): Promise<Run> {
  const before = cpuMicros(target.pid);
  const onCore = (command: readonly string[]): string[] => (pin ? pinned(1, command) : [...command]);
  const counts = await (generator === "wrk" ? runWrk(target, settings, onCore) : runAutocannon(target, settings, onCore));
  const after = cpuMicros(target.pid);
  return {
    ...counts,
    cpuMicros: before === undefined || after === undefined || counts.requests === 0 ? undefined : (after - before) / counts.requests,
  };
}

/** Puts a command on the core of the load. */
type OnCore = (command: readonly string[]) => string[];

type Counts = Omit<Run, "cpuMicros">;

async function runWrk(target: Target, { seconds, connections }: LoadSettings, onCore: OnCore): Promise<Counts> {
  const headers = Object.entries(target.headers ?? {}).flatMap(([name, value]) => ["-H", `${name}: ${value}`]);
  const [program = "", ...args] = onCore(["wrk", "-t1", `-c${connections}`, `-d${seconds}s`, ...headers, target.url]);
  const { stdout } = await exec(program, args, { timeoutMs: (seconds + 30) * 1000 });
  return parseWrk(stdout, target.status ?? 200);
}

/**
 * Reads what wrk prints. It tells apart only answers from 200 to 399 and others, so a target that refuses is expected to
 * refuse everything.
 */
export function parseWrk(output: string, status: number): Counts {
  const number = (pattern: RegExp): number => Number(pattern.exec(output)?.[1] ?? 0);
  const requests = number(/(\d+) requests in /);
  const refused = number(/Non-2xx or 3xx responses: (\d+)/);
  const socketErrors = /Socket errors: connect (\d+), read (\d+), write (\d+), timeout (\d+)/.exec(output)?.slice(1) ?? [];
  const unexpected = status < 400 ? refused : requests - refused;
  if (!output.includes("requests in ")) throw new UserError(`wrk printed no result: ${output.slice(0, 200)}`);
  return {
    requests,
    perSecond: number(/Requests\/sec:\s+([\d.]+)/),
    errors: unexpected + socketErrors.reduce((sum, count) => sum + Number(count), 0),
  };
}

async function runAutocannon(target: Target, { seconds, connections }: LoadSettings, onCore: OnCore): Promise<Counts> {
  const headers = Object.entries(target.headers ?? {}).flatMap(([name, value]) => ["-H", `${name}=${value}`]);
  const script = path.join(ROOT, "node_modules/autocannon/autocannon.js");
  const command = [process.execPath, script, "-j", "-n", "-c", String(connections), "-d", String(seconds), ...headers, target.url];
  const [program = "", ...args] = onCore(command);
  const { stdout } = await exec(program, args, { timeoutMs: (seconds + 30) * 1000 });
  return parseAutocannon(stdout, target.status ?? 200);
}

interface AutocannonResult {
  readonly requests: { readonly total: number };
  readonly duration: number;
  readonly errors: number;
  readonly timeouts: number;
  readonly statusCodeStats: Readonly<Record<string, { readonly count: number }>>;
}

/** Reads autocannon's JSON. */
export function parseAutocannon(output: string, status: number): Counts {
  const result = JSON.parse(output.slice(output.indexOf("{"))) as AutocannonResult;
  const expected = result.statusCodeStats[String(status)]?.count ?? 0;
  const answered = Object.values(result.statusCodeStats).reduce((sum, { count }) => sum + count, 0);
  return {
    requests: answered,
    perSecond: result.duration > 0 ? answered / result.duration : 0,
    errors: answered - expected + result.errors + result.timeouts,
  };
}

/** Clock ticks a second of /proc: 100 on every Linux that Node runs on. */
const TICKS_PER_SECOND = 100;

/** CPU time of a process so far, in µs. */
export function cpuMicros(pid: number): number | undefined {
  const fields = statFields(pid);
  // utime and stime are fields 14 and 15 of proc(5), counted from the state, which is the third.
  return fields === undefined ? undefined : ((Number(fields[11]) + Number(fields[12])) * 1_000_000) / TICKS_PER_SECOND;
}

/** Memory of a process in RAM, in bytes. */
export function residentBytes(pid: number): number | undefined {
  try {
    return Number(/^VmRSS:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1] ?? 0) * 1024 || undefined;
  } catch {
    return undefined;
  }
}

function statFields(pid: number): string[] | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    // The program's name in parentheses may hold spaces.
    return stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  } catch {
    // Another system than Linux, or the process is gone: there is no figure, and the run itself tells what went wrong.
    return undefined;
  }
}
