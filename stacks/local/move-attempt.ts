import * as pulumi from "@pulumi/pulumi";
import { ATTEMPT_LABEL, type DataMoveArgs, type DataMoveDirection, MOVE_SERVICES } from "../../components/local/data-move";
import type { StackConfig } from "../config";
import { type DockerEndpoint, dockerEndpoint, type EndpointSettings, programSettings } from "./docker-endpoint";
import { dockerCommand, dockerRequest, isSsh } from "./docker-request";
import type { SqliteUse } from "./sqlite-use";

/** A container of a former attempt, as `docker ps` tells of it. */
interface Attempt {
  readonly number: number;
  /** Such as `Up 2 minutes (healthy)`. */
  readonly status: string;
  /** Seconds since 1970. */
  readonly createdAt: number;
}

/** Whether a switch of phase takes the rows along. An image of the user's own has no program for it, and tables of its own. */
export function carriesRows({ moveData, image }: Pick<StackConfig, "moveData" | "image">): boolean {
  return moveData && image === undefined;
}

/** What makes a direction be begun again although it was done before. */
const OPPOSITES: Readonly<Record<DataMoveDirection, readonly DataMoveDirection[]>> = {
  "to-postgres": ["to-sqlite"],
  "open-postgres": ["to-sqlite"],
  "to-sqlite": ["to-postgres", "open-postgres"],
};

/**
 * Which attempt of moving rows this update is: that of the container whose move is done and which still says so, else the next one, so that a
 * failed move is begun again by every `pulumi up`, and never taken for one that was done.
 * @throws the error of Docker: what is not known here must not be guessed.
 */
export async function moveAttempt(direction: DataMoveDirection, settings?: EndpointSettings): Promise<DataMoveArgs["attempt"]> {
  return nextAttempt(...(await attemptsOf(direction, settings)));
}

/**
 * The same of `open-postgres`; `undefined` when no move to SQLite ever began, which may have sealed Postgres.
 * @throws the error of Docker
 */
export async function openAttempt(settings?: EndpointSettings): Promise<DataMoveArgs["attempt"] | undefined> {
  const [attempts, back] = await attemptsOf("open-postgres", settings);
  const next = nextAttempt(attempts, back);
  return next.isDone || back.length > 0 ? next : undefined;
}

/** Attempts of a direction, and of those that are opposite to it. */
async function attemptsOf(direction: DataMoveDirection, settings: EndpointSettings = programSettings()): Promise<[Attempt[], Attempt[]]> {
  const endpoint = dockerEndpoint(settings);
  const of = async (one: DataMoveDirection): Promise<Attempt[]> => {
    const service = MOVE_SERVICES[one];
    return isSsh(endpoint) ? parsed(await dockerCommand(endpoint, commandLine(service))) : await listed(endpoint, service);
  };
  const [own, ...back] = await Promise.all([direction, ...OPPOSITES[direction]].map(of));
  return [own ?? [], back.flat()];
}

/**
 * Exported for tests.
 * @param back attempts of the other direction. Their containers are deleted when a switch of phase comes to its end; one that began later tells
 * of a switch that did not, and that the rows may have left again since this direction was done.
 */
export function nextAttempt(attempts: readonly Attempt[], back: readonly Attempt[]): DataMoveArgs["attempt"] {
  const done = attempts.find(({ status }) => status.includes("(healthy)"));
  if (done !== undefined && !back.some(({ createdAt }) => createdAt >= done.createdAt)) return { number: done.number, isDone: true };
  return { number: Math.max(0, ...attempts.map(({ number }) => number)) + 1, isDone: false };
}

/**
 * The same, where the app writes to the SQLite file: somebody took its seal off since the move was done (docs/runbooks/sealed-file.md), and what
 * the app wrote since is to be moved, too.
 */
export function unlessReopened(attempt: DataMoveArgs["attempt"], use: SqliteUse): DataMoveArgs["attempt"] {
  return attempt.isDone && use === "writes" ? { number: attempt.number + 1, isDone: false } : attempt;
}

function filters(service: string): string[] {
  return [`phased-stack.project=${pulumi.getProject()}`, `phased-stack.stack=${pulumi.getStack()}`, `phased-stack.service=${service}`];
}

async function listed(endpoint: DockerEndpoint, service: string): Promise<Attempt[]> {
  const query = encodeURIComponent(JSON.stringify({ label: filters(service) }));
  const list = JSON.parse(await dockerRequest(endpoint, `/containers/json?all=true&filters=${query}`)) as readonly {
    readonly Labels?: Readonly<Record<string, string>> | null;
    readonly Status: string;
    readonly Created: number;
  }[];
  return list.map(({ Labels, Status, Created }) => ({
    ...{ number: Number(Labels?.[ATTEMPT_LABEL] ?? 0), status: Status, createdAt: Created },
  }));
}

function commandLine(service: string): string {
  const chosen = filters(service).map((label) => `--filter 'label=${label}'`);
  return ["docker ps --all", ...chosen, `--format '{{.Label "${ATTEMPT_LABEL}"}}|{{.CreatedAt}}|{{.Status}}'`].join(" ");
}

/** Exported for tests. @param lines such as `2|2026-11-22 14:59:13 +0000 UTC|Up 2 minutes (healthy)` */
export function parsed(lines: string): Attempt[] {
  return [...lines.matchAll(/^(\d*)\|(\S+) (\S+) ([+-]\d\d)(\d\d)[^|]*\|(.*)$/gm)].map(
    ([, number = "", day = "", time = "", hours = "", minutes = "", status = ""]) => ({
      ...{ number: Number(number), status, createdAt: Date.parse(`${day}T${time}${hours}:${minutes}`) / 1000 },
    }),
  );
}
