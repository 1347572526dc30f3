/**
 * A mistake or a condition the user can do something about. Printed as `error: message` (and `fix: hint`) without a stack
 * trace; every command exits with code 1 on it.
 */
export class UserError extends Error {
  override readonly name: string = "UserError";
  readonly exitCode: number = 1;

  /**
   * @param message one clear sentence: the field or step, the bad value, what is allowed
   * @param hint    what to do about it, when the message does not say so already
   */
  constructor(
    message: string,
    readonly hint?: string,
  ) {
    super(message);
  }
}

/** Thrown out of waits and child processes after Ctrl-C; the command ends with exit code 130. */
export class InterruptedError extends UserError {
  override readonly name = "InterruptedError";
  override readonly exitCode = 130;

  /** @param state what was not done, or how things are now, as the end of the sentence. @default not said */
  constructor(state?: string) {
    super(state === undefined ? "interrupted" : `interrupted: ${state}`);
  }
}

/** The message of anything that was thrown, for use inside a sentence. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
