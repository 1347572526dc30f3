import { parseArgs } from "node:util";
import pino from "pino";
import type { AppConfig } from "../../../config";
import { configOrExit } from "../../../lifecycle/run";
import { createLogger } from "../../../observability/logger";
import type { PostgresConfig } from "../../environment";
import { serversOf } from "../../open";
import { checkSchema } from "../../schema";
import { FIRST_SHARD } from "../directory";
import { abortMove } from "./abort";
import { moveCompany } from "./move";
import { countOf } from "./rows";
import { MoveError, MoveSession } from "./session";
import { MOVED_TABLES, OUTBOX } from "./tables";
import type { MoveOptions, MoveProgress, MoveSessions } from "./types";

export const MOVE_HELP = `Usage: node main.js move-company --company=ID --to=NAME [--dry-run] [--abort]

Moves a company to another of several databases while it is used (DATABASE_SHARDS; "first" is that of DATABASE_URL). Its rows are copied in
batches and followed as they change; its writes are held for a moment, usually less than half a second, and wait; then it is answered from its new
place, and a few seconds later the old rows are deleted. Needs the environment of the app, and addresses of the owner of the tables: DATABASE_DIRECT_URL,
DATABASE_SHARDS_DIRECT.

  --dry-run   tells what would be moved, and changes nothing
  --abort     ends an unfinished move and deletes what was copied

Ctrl-C, a crash or a lost connection: before it has its new place the company is where it was, and the same command goes on. Nothing else may
have to be done; only until one of the two was run do writes of the company cost a little more.
`;

/** A look at a replica takes a second at most (`db/replicas.ts`), and two may have just begun. */
const LOOK_MS = 2000;

/** Between two lines of progress where there is no terminal, ms; on one, the line is drawn again. */
const LINE_EVERY_MS = 5000;
const REDRAW_EVERY_MS = 200;

interface MoveCommand {
  readonly companyId: string;
  readonly to: string;
  readonly dryRun: boolean;
  readonly abort: boolean;
}

/**
 * The command `move-company`; see {@link MOVE_HELP}.
 * @throws Error in one sentence for a mistake on the command line; MoveError; MoveStopped.
 */
export async function runMove(words: readonly string[]): Promise<void> {
  if (words.includes("--help") || words.includes("-h")) {
    process.stdout.write(MOVE_HELP);
    return;
  }
  const command = moveOptions(words);
  const config = configOrExit();
  const { from, to } = await placesOf(config, command);
  // Tables that this version does not know would stay behind.
  const logger = createLogger({ ...config, logLevel: "warn" }, { role: "move-company" }, pino.destination(2));
  await checkSchema(config, logger, { mayBeNewer: false });
  const ending = new AbortController();
  for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => ending.abort());
  const sessions = await openSessions(config, from, to);
  const shown = reporter(process.stderr);
  try {
    await alone(sessions, command.companyId);
    const target = serversOf(config).find(({ name }) => name === to)?.config.postgres;
    // What is later than this was found to be, and is not read.
    const replicaLagMs =
      target === undefined || target.replicaUrls.length === 0 ? 0 : target.replicaMaxLagMs + target.replicaCheckMs + LOOK_MS;
    const result = await act(sessions, command, { signal: ending.signal, onProgress: shown.show, replicaLagMs });
    shown.end();
    process.stdout.write(`${result}\n`);
  } finally {
    shown.end();
    await closeSessions(sessions);
  }
}

/** @throws Error naming the option, its value and what is allowed. */
export function moveOptions(words: readonly string[]): MoveCommand {
  const { values } = parseArgs({
    args: [...words],
    options: {
      company: { type: "string" },
      to: { type: "string" },
      "dry-run": { type: "boolean", default: false },
      abort: { type: "boolean", default: false },
    },
  });
  const { company = "", to = "", "dry-run": dryRun, abort } = values;
  if (!/^[\w-]{1,64}$/.test(company)) throw new Error(`--company: "${company}" is not allowed; use the id of a company`);
  if (!/^[a-z][a-z0-9-]{0,30}$/.test(to)) throw new Error(`--to: "${to}" is not allowed; use a name of DATABASE_SHARDS, or ${FIRST_SHARD}`);
  if (dryRun && abort) throw new Error("--dry-run and --abort do not go together; use one of them");
  return { companyId: company, to, dryRun, abort };
}

/** Where the company is, or has just left, and where it is to be. */
async function placesOf(config: AppConfig, { companyId, to }: MoveCommand): Promise<{ readonly from: string; readonly to: string }> {
  const names = serversOf(config).map(({ name }) => name);
  if (names.length === 1) throw new MoveError("there is one database only; set DATABASE_SHARDS to the others");
  if (!names.includes(to)) throw new MoveError(`--to: "${to}" is not in DATABASE_SHARDS; use ${names.join(", ")}`);
  const first = await openSession(config, FIRST_SHARD);
  try {
    const place = await first.get<{ shard: string }>("SELECT shard FROM company_shards WHERE company_id = $1", [companyId]);
    const current = place?.shard ?? FIRST_SHARD;
    if (current !== to) return { from: current, to };
    const target = to === FIRST_SHARD ? first : await openSession(config, to);
    try {
      const move = await target.get<{ source: string }>("SELECT source FROM shard_moves WHERE company_id = $1", [companyId]);
      if (move !== undefined) return { from: move.source, to };
      throw new MoveError(`the company ${companyId} is in "${to}" already, as far as it exists`);
    } finally {
      if (target !== first) await target.close();
    }
  } finally {
    await first.close();
  }
}

async function act(
  sessions: MoveSessions,
  { companyId, to, dryRun, abort }: MoveCommand,
  options: Omit<MoveOptions, "companyId">,
): Promise<string> {
  const from = sessions.source.shard;
  if (abort)
    return `The move was ended: ${number((await abortMove(sessions, companyId)).rows)} copied rows were deleted; the company is in "${from}".`;
  if (dryRun) {
    const lines: string[] = [];
    let all = 0;
    for (const table of [...MOVED_TABLES, OUTBOX]) {
      const rows = await countOf(sessions.source, table, companyId);
      all += rows;
      if (rows > 0) lines.push(`  ${table.name.padEnd(20)}${number(rows).padStart(12)}`);
    }
    if (all === 0) throw new MoveError(`there is no company ${companyId} in "${from}"`);
    return [...lines, `${number(all)} rows would be moved from "${from}" to "${to}"; nothing was changed.`].join("\n");
  }
  if (!(await exists(sessions, companyId))) throw new MoveError(`there is no company ${companyId} in "${from}"`);
  const { rows, resumed, heldMs, seconds } = await moveCompany(sessions, { companyId, ...options });
  const what =
    rows === 0 ? "The rest of the move was done" : `${number(rows)} rows moved${resumed ? ", going on from an interrupted run" : ""}`;
  return `${what}: the company is in "${to}". Its writes were held for ${number(heldMs)} ms; ${number(seconds)} s in all.`;
}

/** In one of the two: what is left of a finished move may be deleted already. */
async function exists({ source, target }: MoveSessions, companyId: string): Promise<boolean> {
  const sql = "SELECT 1 FROM companies WHERE id = $1";
  return (await source.get(sql, [companyId])) !== undefined || (await target.get(sql, [companyId])) !== undefined;
}

/**
 * Locks the company for this run, wherever to: two runs share what triggers note at the old place. In each database on the connection that
 * writes there, so that a run whose connection was lost cannot go on beside the next one.
 * @throws MoveError when another run moves the same company.
 */
export async function alone({ first, source, target }: Omit<MoveSessions, "holder">, companyId: string): Promise<void> {
  // One for each database: a second connection to the same one would wait for the first.
  const sessions = new Map([first, source, target].map((session) => [session.shard, session]));
  for (const session of sessions.values()) {
    const row = await session.get<{ got: boolean }>("SELECT pg_try_advisory_lock(hashtextextended($1, 0)) AS got", [
      `move of ${companyId}`,
    ]);
    if (row?.got !== true) throw new MoveError("another run is moving this company; wait for it, or end it");
  }
}

async function openSession(config: AppConfig, name: string): Promise<MoveSession> {
  const postgres: PostgresConfig | undefined = serversOf(config).find((server) => server.name === name)?.config.postgres;
  if (postgres === undefined) throw new MoveError(`"${name}" is not in DATABASE_SHARDS; add it with its address`);
  return MoveSession.open(name, postgres);
}

/** A connection each, past any pooler and as the owner. */
export async function openSessions(config: AppConfig, from: string, to: string): Promise<MoveSessions> {
  const opened: MoveSession[] = [];
  const open = async (name: string): Promise<MoveSession> => {
    const session = await openSession(config, name);
    opened.push(session);
    return session;
  };
  try {
    return { first: await open(FIRST_SHARD), source: await open(from), holder: await open(from), target: await open(to) };
  } catch (error) {
    await Promise.all(opened.map((session) => session.close()));
    throw error;
  }
}

export async function closeSessions({ first, source, holder, target }: MoveSessions): Promise<void> {
  await Promise.all([first, source, holder, target].map((session) => session.close()));
}

function number(value: number): string {
  return value.toLocaleString("en");
}

function reporter(stream: NodeJS.WriteStream): { readonly show: (progress: MoveProgress) => void; readonly end: () => void } {
  let drawn = false;
  let last = -Infinity;
  let step = "";
  return {
    show(progress) {
      const now = performance.now();
      if (progress.step === step && now - last < (stream.isTTY ? REDRAW_EVERY_MS : LINE_EVERY_MS)) return;
      last = now;
      step = progress.step;
      const line = progressLine(progress);
      stream.write(stream.isTTY ? `\r\u001b[2K${line}` : `${line}\n`);
      drawn = stream.isTTY;
    },
    end() {
      if (drawn) stream.write("\r\u001b[2K");
      drawn = false;
    },
  };
}

/** One line for people: `copying orders: 4,000 of 12,000 rows`. */
export function progressLine({ step, table, rows, of }: MoveProgress): string {
  const name =
    step === "waiting" ? "waiting until every process knows that the company moves" : step === "holding" ? "holding its writes" : step;
  const far =
    rows === undefined
      ? ""
      : `: ${number(rows)}${of === undefined ? "" : ` of ${number(of)}`} ${step === "catching up" ? "changes" : "rows"}`;
  return `${name}${table === undefined ? "" : ` ${table}`}${far}`;
}
