import { setTimeout as delay } from "node:timers/promises";
import type Docker from "dockerode";
import { isGone, LABELS, lastLogLines, stopContainer } from "./docker";
import { containerName, MOVE_SERVICES, type StackOnDocker, stackContainers } from "./docker-app";
import { messageOf } from "./errors";
import type { OpenStack } from "./outputs";

/** Between two looks at a move, ms: its program says every 5 s how far it is. */
const LOOK_EVERY_MS = 2500;

/** A move of rows to another phase that is under way. */
export interface RunningMove {
  /** Of its container. */
  readonly name: string;
  /** What it said last; empty before it has said anything. */
  readonly progress: string;
}

/** Whether an update takes rows along to another phase. @param before phase of the last update, if there was one */
export function movesRows(before: string | undefined, { phase, config }: Pick<OpenStack, "phase" | "config">): boolean {
  const changes = before !== phase && [before, phase].every((one) => one === "cluster" || one === "database");
  return changes && config["phased-stack:moveData"] !== "false" && config["phased-stack:image"] === undefined;
}

/** Moves that have begun and did not come to their end. */
function unfinished(infos: readonly Docker.ContainerInfo[]): Docker.ContainerInfo[] {
  return infos.filter(
    ({ Labels, State, Status }) =>
      MOVE_SERVICES.includes(Labels[LABELS.service] ?? "") && ["running", "paused"].includes(State) && !Status.includes("(healthy)"),
  );
}

/** The moves among these containers that are under way, and how far each is. */
export async function runningMoves(docker: Docker, infos: readonly Docker.ContainerInfo[]): Promise<RunningMove[]> {
  const looks = unfinished(infos).map(async (info): Promise<RunningMove[]> => {
    try {
      return [{ name: containerName(info), progress: await lastLogLines(docker.getContainer(info.Id), 1) }];
    } catch (error) {
      if (isGone(error)) return [];
      throw error;
    }
  });
  return (await Promise.all(looks)).flat();
}

/**
 * Says how far a move is while an update waits for it, each line once.
 * @param stack as it was before the update, with the volume of the rows
 * @returns how to stop; resolves when nothing is said any more
 */
export function tellMoves(docker: Docker, stack: StackOnDocker, say: (line: string) => void, everyMs = LOOK_EVERY_MS): () => Promise<void> {
  const said = new Set<string>();
  const end = new AbortController();
  const tell = async (): Promise<void> => {
    while (!end.signal.aborted) {
      for (const { name, progress } of await runningMoves(docker, await stackContainers(docker, stack))) {
        const line = `${name}: ${progress}`;
        if (progress !== "" && !said.has(line)) say(line);
        said.add(line);
      }
      await delay(everyMs, undefined, { signal: end.signal }).catch(() => undefined);
    }
  };
  const telling = tell().catch((error: unknown) => {
    // The update itself goes on, and tells how it ends.
    if (!end.signal.aborted) say(`how far the copy is cannot be read any more: ${messageOf(error)}`);
  });
  return () => {
    end.abort();
    return telling;
  };
}

/**
 * Stops a move of rows that an update began and did not see to its end. It would go on by itself, refuse the app's writes meanwhile, and seal the
 * database that the app is on, with no update left to start the app on the other one. Stopped, it gives the writes back; one that is done stays.
 * @returns names of the containers that were stopped
 */
export async function stopUnfinishedMoves(docker: Docker, stack: StackOnDocker): Promise<string[]> {
  const moves = unfinished(await stackContainers(docker, stack));
  // One that has come to its end meanwhile is no error: the next update finds the rows moved.
  for (const { Id } of moves) await stopContainer(docker.getContainer(Id));
  return moves.map(containerName);
}
