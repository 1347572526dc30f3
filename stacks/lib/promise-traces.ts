import { createRequire } from "node:module";

/** The part of Pulumi's SDK that keeps account of promises. */
interface Debuggable {
  debuggablePromise: (promise: Promise<unknown>, context?: unknown) => Promise<unknown>;
  readonly debugPromiseLeaks: boolean;
}

/**
 * Spares the stack trace that Pulumi's SDK takes of every promise, to name those that are left when a program ends: to map them to the sources
 * takes a tenth to a sixth of a preview of production (`BENCHMARKS.md`). A promise that is left is still found and still fails the program; with
 * `PULUMI_DEBUG_PROMISE_LEAKS`, which the SDK's message asks to set, its trace is taken as well. Errors keep their traces.
 * @param debuggable that of the SDK of this program
 */
export function promisesWithoutTraces(debuggable = sdks()): void {
  const { debuggablePromise } = debuggable;
  if (debuggable.debugPromiseLeaks) return;
  debuggable.debuggablePromise = (promise, context) => {
    const limit = Error.stackTraceLimit;
    Error.stackTraceLimit = 0;
    try {
      return debuggablePromise(promise, context);
    } finally {
      Error.stackTraceLimit = limit;
    }
  };
}

function sdks(): Debuggable {
  return createRequire(__filename)("@pulumi/pulumi/runtime/debuggable") as Debuggable;
}
