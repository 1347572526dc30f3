import { hostname } from "node:os";

/** One lock of a Pulumi file, S3 or other self-managed backend. */
export interface StackLock {
  readonly user: string;
  readonly host: string;
  readonly pid: number;
  /** ISO 8601 */
  readonly since: string;
}

/** The locks that Pulumi lists when it refuses to start, e.g. `…/dev/1f.json: created by ada@laptop (pid 4711) at 2026-11-21T05:00:00Z`. */
export function parseLocks(output: string): StackLock[] {
  const pattern = /created by (\S+)@(\S+) \(pid (\d+)\) at (\S+)/g;
  return [...output.matchAll(pattern)].map(([, user = "", host = "", pid = "", since = ""]) => ({ user, host, pid: Number(pid), since }));
}

/** - `stale`: its process is gone, the lock may be removed. - `held`: its process lives. - `foreign`: made on another machine, nobody here can tell. */
export type LockState = "stale" | "held" | "foreign";

/**
 * The name by which a lock is known to be of this machine. Empty where several machines share the state: two laptops, or two runners of CI, may
 * have one name, and a process that is not here may be running there.
 * @param managed whether this clone keeps the state itself
 */
export function lockHost(managed: boolean): string {
  return managed ? hostname() : "";
}

/** @param isAlive whether a process of this machine runs. @param here name of this machine, see {@link lockHost} */
export function judgeLock(lock: StackLock, isAlive: (pid: number) => boolean = processIsAlive, here = hostname()): LockState {
  if (lock.host !== here) return "foreign";
  return isAlive(lock.pid) ? "held" : "stale";
}

/** Whether a process with this id runs on this machine, ours or not. */
export function processIsAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    // EPERM: it runs, for another user.
    return (error as NodeJS.ErrnoException).code === "EPERM";
  }
}

/** What to tell the user about locks that may not be removed for him. */
export function describeLocks(
  stack: string,
  locks: readonly StackLock[],
  isAlive: (pid: number) => boolean = processIsAlive,
  here = hostname(),
): string {
  const lines = locks.map((lock) => {
    const state = judgeLock(lock, isAlive, here);
    const what =
      state === "held"
        ? `process ${lock.pid} of this machine, which is still running`
        : state === "stale"
          ? `process ${lock.pid} of this machine, which has ended`
          : `process ${lock.pid} on ${lock.host}`;
    return `${lock.user} locked stack ${stack} at ${lock.since} by ${what}`;
  });
  const foreign = locks.some((lock) => judgeLock(lock, isAlive, here) === "foreign");
  const fix = foreign
    ? `Wait until that update has ended; if its machine is gone, remove the lock with: pulumi cancel --yes --stack ${stack}`
    : "Wait until it has ended, or stop it with Ctrl-C where it runs";
  return `${lines.join("; ")}. ${fix}.`;
}
