/** Redis cannot be asked now. Whoever gets this uses its fallback; it never reaches a client as a failure (feature D12). */
export class RedisUnavailableError extends Error {
  override readonly name = "RedisUnavailableError";
  constructor(connection: string, reason: string, options?: ErrorOptions) {
    super(`Redis (${connection}) is not available: ${reason}`, options);
  }
}

/** Replies by which a server says that it cannot serve now, although it answers: loading, failed over, out of memory, busy with a script. */
const OUTAGE_REPLY = /^(LOADING|READONLY|MASTERDOWN|CLUSTERDOWN|OOM|BUSY|MISCONF|NOREPLICAS|TRYAGAIN|NOAUTH|WRONGPASS) /;

/** Whether an error is what Redis itself answered; told by name, so that asking does not load the client. */
export function isReply(error: unknown): error is Error {
  return error instanceof Error && error.name === "ReplyError";
}

/** Whether an error means that the server cannot be used, and not that this one command was wrong. */
export function isOutage(error: unknown): boolean {
  if (isReply(error)) return OUTAGE_REPLY.test(error.message);
  // Connection closed, timed out, not yet there: everything ioredis raises by itself. A mistake in our own code is neither.
  return error instanceof Error && !(error instanceof TypeError || error instanceof RangeError || error instanceof ReferenceError);
}
