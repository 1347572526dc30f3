/** Limits of V8's old generation, in whichever spelling: `--max-old-space-size`, with underscores, or as a percentage. */
const OLD_GENERATION = /^--max[-_]old[-_]space[-_]size/;

/**
 * Options for a process of Node with that limit of its old generation.
 * @param inherited options of this process; a limit among them gives way.
 * @param heapMb MiB; `undefined` leaves it to Node.
 */
export function heapOptions(inherited: readonly string[], heapMb: number | undefined): string[] {
  const others = inherited.filter((option) => !OLD_GENERATION.test(option));
  return heapMb === undefined ? others : [...others, `--max-old-space-size=${heapMb}`];
}

/** What is asked of this process, and done to it; tests give another. */
export interface HeapHost extends Pick<NodeJS.Process, "argv" | "argv0" | "env" | "execArgv" | "execPath"> {
  /** To a parent that talks to this process. */
  readonly channel?: unknown;
  /** Not on Windows. */
  readonly execve?: NodeJS.Process["execve"] | undefined;
}

/**
 * Sees to it that this process has the heap it is to have. V8 takes the limit at its start only (`v8.setFlagsFromString` later changes nothing,
 * measured with Node 24.21), so the process becomes a new one with the same id, whose options have it: to be called before anything is opened. The
 * app then starts in 1.1 s instead of 0.7 (2 busy cores), of which the most is reading its code again.
 *
 * Without this a container of 224 MiB has half of that as heap, Node's own choice, and ends at it before its memory counts as high.
 * @returns whether it has that heap. Not where a process cannot become another: on Windows, and below a parent whose channel would be cut.
 */
export function takeHeap(heapMb: number | undefined, host: HeapHost = process): boolean {
  if (heapMb === undefined) return true;
  const options = heapOptions(host.execArgv, heapMb);
  if (options.length === host.execArgv.length && options.every((option) => host.execArgv.includes(option))) return true;
  if (host.execve === undefined || host.channel !== undefined) return false;
  return host.execve(host.execPath, [host.argv0, ...options, ...host.argv.slice(1)], host.env);
}
