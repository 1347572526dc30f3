import { readFileSync } from "node:fs";
import { setTimeout as delay } from "node:timers/promises";
import { Client } from "pg";
import { PROBE_FILES, type CheckAnswer, type CheckRequest, type ProbeReport } from "./lines";

/** Table of the direct writer; nothing of the app's. */
const TABLE = "chaos_acknowledged";

/** Time from one write to the next: 40 a second, as in data-plane.md's prototype. */
const PACE_MS = 25;
/** Longest wait for a connection and for a write, milliseconds. A write takes a few; who waits longer asks again on a new connection. */
const TIMEOUT_MS = 2000;
/** Between two attempts to connect. */
const RECONNECT_MS = 50;
/** Reading everything back may take longer. */
const CHECK_TIMEOUT_MS = 60_000;

function client(file: string, timeoutMs: number): Client {
  const connection = new Client({
    connectionString: readFileSync(file, "utf8").trim(),
    application_name: "chaos",
    connectionTimeoutMillis: timeoutMs,
    query_timeout: timeoutMs,
  });
  // A connection that breaks between two queries: the next query fails, and that is told.
  connection.on("error", () => undefined);
  return connection;
}

async function asOwner<Result>(work: (owner: Client) => Promise<Result>): Promise<Result> {
  const owner = client(PROBE_FILES.ownerUrl, CHECK_TIMEOUT_MS);
  await owner.connect();
  try {
    return await work(owner);
  } finally {
    await owner.end();
  }
}

/** Makes the direct writer's table. The role `app` may write it like any table of the owner's; said here once more for stacks without that default. */
export function prepare(): Promise<void> {
  return asOwner(async (owner) => {
    await owner.query(`CREATE TABLE IF NOT EXISTS ${TABLE} (id bigint PRIMARY KEY, written_at timestamptz NOT NULL DEFAULT now())`);
    await owner.query(`GRANT SELECT, INSERT ON ${TABLE} TO app`);
  });
}

/** Removes it. */
export function cleanUp(): Promise<void> {
  return asOwner(async (owner) => {
    await owner.query(`DROP TABLE IF EXISTS ${TABLE}`);
  });
}

/** What the primary has. @throws Error when the server that answers is none. */
export function check({ since, ordersSince, companies }: CheckRequest): Promise<CheckAnswer> {
  return asOwner(async (owner) => {
    const recovery = await owner.query<{ standby: boolean }>("SELECT pg_is_in_recovery() AS standby");
    if (recovery.rows[0]?.standby !== false) throw new Error("the server that was asked is a standby");
    const direct = await owner.query<{ id: string }>(`SELECT id::text FROM ${TABLE} WHERE id >= $1`, [since]);
    const app = await owner.query<{ id: string }>("SELECT id FROM orders WHERE company_id = ANY($1) AND created_at >= $2", [
      companies,
      ordersSince,
    ]);
    return { direct: direct.rows.map(({ id }) => id), app: app.rows.map(({ id }) => id) };
  });
}

/** One client that writes a row after the other, for ever; after a failure on a new connection and with the next number. */
export async function writeForever(report: (line: ProbeReport) => void): Promise<never> {
  let connection: Client | undefined;
  // Numbers of an earlier start are lower: there are fewer than a thousand a second.
  for (let id = Date.now(); ; id += 1) {
    const started = performance.now();
    try {
      if (connection === undefined) {
        connection = client(PROBE_FILES.appUrl, TIMEOUT_MS);
        await connection.connect();
      }
      await connection.query(`INSERT INTO ${TABLE} (id) VALUES ($1)`, [id]);
      report({ kind: "ack", at: Date.now(), id: String(id), tookMs: performance.now() - started });
    } catch (error) {
      const { code, message } = error as Error & { code?: string };
      report({ kind: "fail", at: Date.now(), why: code === undefined ? message : `${code} ${message}` });
      // Not waited for: the other side may be gone.
      connection?.end().catch(() => undefined);
      connection = undefined;
      await delay(RECONNECT_MS);
    }
    const rest = PACE_MS - (performance.now() - started);
    if (rest > 0) await delay(rest);
  }
}
