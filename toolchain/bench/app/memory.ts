import { readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { startLoad } from "../../lib/load";
import { interrupted } from "../../lib/interrupt";
import { median } from "../../lib/load";
import { residentBytes } from "./load";
import { addCompanies } from "./people";
import { startApp } from "./servers";
import { FAR_LIMITS, SECRETS, singleProcess } from "./settings";

/** An idle worker is looked at after this long, in milliseconds: what boot left behind is collected by then. */
const IDLE_MS = 5000;

/** Requests a second while companies are compared: far below what a core can do, so that waiting does not hide work. */
const COMPANY_RATE = 400;

/** Resident memory of one idle worker under its primary, in bytes; undefined where the system does not tell. */
export async function idleWorker(directory: string): Promise<number | undefined> {
  const app = await startApp(directory, {
    dataDirectory: path.join(directory, "data-idle"),
    environment: { WORKERS: "2", ...SECRETS, ...FAR_LIMITS },
    pin: false,
  });
  try {
    await delay(IDLE_MS, undefined, { signal: interrupted });
    const sizes = childrenOf(app.pid).flatMap((pid) => residentBytes(pid) ?? []);
    return sizes.length === 0 ? undefined : median(sizes);
  } finally {
    await app.stop();
  }
}

/** Process ids whose parent is `pid`; none on systems without /proc. */
function childrenOf(pid: number): number[] {
  let names: string[];
  try {
    names = readdirSync("/proc");
  } catch {
    // Not Linux: there is no figure.
    return [];
  }
  return names.filter((name) => /^\d+$/.test(name) && parentOf(name) === pid).map(Number);
}

function parentOf(pid: string): number | undefined {
  try {
    return Number(/^PPid:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1]);
  } catch {
    // It ended while the list was read.
    return undefined;
  }
}

export interface CompaniesResult {
  readonly companies: number;
  /** Milliseconds from the moment a request was due. */
  readonly p95: number;
  readonly residentBytes: number | undefined;
  readonly failed: number;
}

/** The same load spread over few and over many companies, each with a session of its own. */
export async function companies(directory: string, count: number, requests: number): Promise<CompaniesResult> {
  const dataDirectory = path.join(directory, `data-companies-${count}`);
  const options = { dataDirectory, environment: singleProcess() };
  // A first start makes the schema.
  await (await startApp(directory, options)).stop();
  const tokens = addCompanies(dataDirectory, count);
  const app = await startApp(directory, options);
  try {
    const load = startLoad({
      url: app.url,
      ratePerSecond: COMPANY_RATE,
      seconds: requests / COMPANY_RATE,
      next: (n) => ({ path: "/api/session", headers: { Authorization: `Bearer ${tokens[n % tokens.length] ?? ""}` } }),
    });
    const stop = (): void => void load.stop();
    interrupted.addEventListener("abort", stop, { once: true });
    const { p95, failed } = await load.done;
    interrupted.removeEventListener("abort", stop);
    return { companies: count, p95, failed, residentBytes: residentBytes(app.pid) };
  } finally {
    await app.stop();
  }
}
