/** Errors that mean a mistake in the program, whose stack is needed to find it. */
const PROGRAMMING_ERRORS = new Set(["Error", "TypeError", "ReferenceError", "RangeError", "SyntaxError", "AssertionError"]);

/**
 * What to log about an error that ended something. A mistake of the operator (a port taken, a file unreadable, a schema that does not
 * fit) is one sentence; a mistake in the program comes with its stack.
 */
export function failure(error: unknown): { readonly reason: string; readonly err?: Error } {
  if (!(error instanceof Error)) return { reason: String(error) };
  const { code, port, address } = error as NodeJS.ErrnoException & { readonly port?: number; readonly address?: string };
  if (code === "EADDRINUSE") return { reason: `port ${port ?? "unknown"} is already in use; set PORT to a free one` };
  if (code === "EADDRNOTAVAIL") return { reason: `${address ?? "the address"} is not an address of this machine; change HOST` };
  if (code === "EACCES" && port !== undefined)
    return { reason: `port ${port} needs more rights than this user has; set PORT to 1024 or above` };
  const expected = code !== undefined || !PROGRAMMING_ERRORS.has(error.name);
  return expected ? { reason: error.message } : { reason: error.message, err: error };
}
