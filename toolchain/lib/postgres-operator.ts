import type Docker from "dockerode";
import { z } from "zod";
import type { PostgresStatus } from "../../components/local/postgres-operator/src/status-types";
import { execIn, LABELS } from "./docker";
import { SERVICES, containerName } from "./docker-app";
import { UserError, messageOf } from "./errors";

/** Program of the operator in its container. */
const PROGRAM = ["node", "/app/main.js"] as const;

/** A look asks every node, a dead one for up to some seconds. */
const STATUS_TIMEOUT_MS = 20_000;

/** The operator answers within 45 s, whatever happens; then it has undone what it began. */
const SWITCHOVER_TIMEOUT_MS = 60_000;

const switchoverSchema = z.object({
  ok: z.boolean(),
  message: z.string(),
  from: z.string().nullable(),
  to: z.string().nullable(),
  heldMs: z.number(),
  at: z.string(),
});

const memberSchema = z.object({
  name: z.string(),
  role: z.enum(["primary", "standby", "unknown"]),
  state: z.string(),
  timeline: z.number().nullable(),
  lagBytes: z.number().nullable(),
  sync: z.enum(["quorum", "sync", "potential", "async"]).nullable(),
  pendingRestart: z.boolean(),
});

const poolSchema = z.object({
  database: z.string(),
  user: z.string(),
  clientsActive: z.number(),
  clientsWaiting: z.number(),
  serversActive: z.number(),
  serversIdle: z.number(),
  longestWaitMs: z.number(),
  paused: z.boolean(),
});

const backupSchema = z.object({
  label: z.string(),
  type: z.enum(["full", "diff", "incr"]),
  startedAt: z.string(),
  stoppedAt: z.string(),
  timeline: z.number(),
  sizeBytes: z.number(),
  storedBytes: z.number(),
  damaged: z.boolean().optional(),
  instead: z.string().nullable().optional(),
});

const forkSchema = z.object({ timeline: z.number(), parent: z.number(), at: z.string(), to: z.string().nullable() });

/** What `entrypoint.sh backups info` prints in a Postgres node, and a part of what the primary tells. */
export const repositorySchema = z.object({
  repository: z.string().nullable(),
  backups: z.array(backupSchema),
  restores: z.array(forkSchema),
});

/** The first of them, with what only a restore asks. */
export const repositoryInfoSchema = repositorySchema.extend({
  /** Whether it is of another database than this node's. */
  foreign: z.boolean().default(false),
  /** If so, when log was last archived in it. */
  writtenAt: z.string().nullable().default(null),
  /** Since when log is missing in the archive that no newer backup makes up for; left out by older images, and where it could not be found out. */
  gap: z.string().nullable().optional(),
});

const backupsSchema = repositorySchema.extend({
  at: z.string(),
  node: z.string(),
  everyHours: z.number(),
  fullEveryDays: z.number(),
  keepDays: z.number(),
  archive: z.object({ archivedAt: z.string().nullable(), failing: z.boolean(), failures: z.number(), waiting: z.number() }),
  running: z.string().nullable(),
  failure: z.object({ at: z.string(), what: z.string(), message: z.string() }).nullable(),
  verified: z.object({ at: z.string(), ok: z.boolean(), message: z.string().nullable() }).nullable(),
  gap: z.string().nullable(),
  problems: z.array(z.string()),
});

/** The operator that runs may be of another version than this command, so what it prints is looked at. */
const statusSchema: z.ZodType<PostgresStatus> = z.object({
  at: z.string(),
  healthy: z.boolean(),
  problems: z.array(z.string()),
  leader: z.string().nullable(),
  automaticFailover: z.boolean().nullable(),
  members: z.array(memberSchema),
  pools: z.array(poolSchema).nullable(),
  reaper: z.object({
    healthy: z.boolean(),
    rounds: z.number(),
    failedRounds: z.number(),
    suspiciousRounds: z.number(),
    reaped: z.number(),
  }),
  switchoverRunning: z.boolean(),
  lastSwitchover: switchoverSchema.nullable(),
  // Of a stack that was brought up before there were backups, the operator knows none.
  backups: backupsSchema.nullable().default(null),
  backupsUnknown: z.string().nullable().default(null),
});

/** @throws UserError when there is none that runs. */
export function operatorOf(docker: Docker, containers: readonly Docker.ContainerInfo[]): Docker.Container {
  const operator = containers.find((info) => info.Labels[LABELS.service] === SERVICES.operator && info.State === "running");
  if (operator !== undefined) return docker.getContainer(operator.Id);
  const stopped = containers.find((info) => info.Labels[LABELS.service] === SERVICES.operator);
  throw new UserError(
    `the operator of Postgres does not run${stopped === undefined ? "" : ` (${containerName(stopped)} is ${stopped.State})`}; it conducts switchovers`,
    "docs/runbooks/operator-down.md says how to get it back",
  );
}

/** What the operator knows of nodes, pools and itself. @throws Error when it does not answer. */
export async function postgresStatus(operator: Docker.Container): Promise<PostgresStatus> {
  const { exitCode, stdout, stderr } = await execIn(operator, [...PROGRAM, "status"], STATUS_TIMEOUT_MS);
  if (exitCode !== 0) throw new Error((stderr || stdout).trim().slice(0, 300) || `node main.js status ended with exit code ${exitCode}`);
  return parsePostgresStatus(stdout);
}

/** {@link postgresStatus} for commands that cannot go on without it. @throws UserError when the operator does not answer. */
export async function knownPostgres(operator: Docker.Container): Promise<PostgresStatus> {
  try {
    return await postgresStatus(operator);
  } catch (error) {
    throw new UserError(`the operator of Postgres does not answer (${messageOf(error)})`, "docs/runbooks/operator-down.md");
  }
}

/** @param text one JSON line. @throws Error saying what is missing */
export function parsePostgresStatus(text: string): PostgresStatus {
  const status = statusSchema.safeParse(JSON.parse(text));
  if (!status.success) throw new Error(`the operator's status is not understood: ${z.prettifyError(status.error)}`);
  return status.data;
}

/**
 * Has the operator hand the primary over: it holds writes back, waits until the new primary takes them, and lets them go on, also when
 * it fails, and whether or not this program still runs.
 * @param to the node to become primary; @default whom Patroni chooses among those that confirm writes
 * @param onProgress called with each line of what it is doing
 * @returns its own sentence on what happened
 * @throws UserError with its sentence when it refused or failed.
 */
export async function switchover(
  operator: Docker.Container,
  to: string | undefined,
  onProgress: (line: string) => void = () => undefined,
): Promise<string> {
  const command = [...PROGRAM, "switchover", ...(to === undefined ? [] : ["--to", to])];
  const { exitCode, stdout, stderr } = await execIn(operator, command, SWITCHOVER_TIMEOUT_MS, onProgress);
  const sentence = stdout.trim();
  if (exitCode === 0) return sentence;
  const reason = sentence !== "" ? sentence : stderr.trim().split("\n").at(-1);
  throw new UserError(
    reason === undefined || reason === "" ? `the switchover ended with exit code ${exitCode}` : reason.replace(/\.$/, ""),
  );
}

/** Nodes that have every acknowledged write, so that one of them may become primary. */
export function candidates({ members }: PostgresStatus): string[] {
  return members.filter(({ sync }) => sync === "quorum" || sync === "sync").map(({ name }) => name);
}
