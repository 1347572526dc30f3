/** What this process may keep resident beyond its share, MiB, by whoever asked for it. */
const granted = new Map<symbol, number>();

/**
 * Lets this process have more resident memory than its share of the container's for a while: for work that was given what the instance
 * has left beside its workers, so that the memory monitor does not take it for a leak.
 * @returns how to give it back; to be called once or more.
 */
export function allowMemory(mb: number): () => void {
  const key = Symbol("allowance");
  granted.set(key, mb);
  return () => {
    granted.delete(key);
  };
}

/** All that is allowed now, MiB. */
export function allowedMb(): number {
  let sum = 0;
  for (const mb of granted.values()) sum += mb;
  return sum;
}
