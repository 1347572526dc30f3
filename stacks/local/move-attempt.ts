import { type DataMoveArgs, type DataMoveDirection, MOVE_SERVICES } from "../../components/local/data-move";
import type { StackConfig } from "../config";
import { type Attempt, attemptsOf } from "./attempts";
import type { EndpointSettings } from "./docker-endpoint";
import type { SqliteUse } from "./sqlite-use";

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
  return nextAttempt(...(await attemptsBothWays(direction, settings)));
}

/**
 * The same of `open-postgres`; `undefined` when no move to SQLite ever began, which may have sealed Postgres.
 * @throws the error of Docker
 */
export async function openAttempt(settings?: EndpointSettings): Promise<DataMoveArgs["attempt"] | undefined> {
  const [attempts, back] = await attemptsBothWays("open-postgres", settings);
  const next = nextAttempt(attempts, back);
  return next.isDone || back.length > 0 ? next : undefined;
}

/** Attempts of a direction, and of those that are opposite to it. */
async function attemptsBothWays(direction: DataMoveDirection, settings?: EndpointSettings): Promise<[Attempt[], Attempt[]]> {
  const [own, ...back] = await Promise.all([direction, ...OPPOSITES[direction]].map((one) => attemptsOf(MOVE_SERVICES[one], settings)));
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
