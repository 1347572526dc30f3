/** Why a transfer cannot be done, or was not: one sentence for whoever started it, and what to do about it. */
export class TransferError extends Error {
  override readonly name = "TransferError";
  constructor(
    message: string,
    /** What to do, when the sentence does not say so. */
    readonly hint?: string,
  ) {
    super(message);
  }
}

/** The target has rows of somebody else's. */
export class TargetFilledError extends TransferError {}

/** No host has the name of the database: its containers are gone, or stopped. One that only does not answer is no such host. */
export class UnknownHostError extends TransferError {}

/** Stopped by a signal between two batches: what was copied stays, and the next run goes on from there. */
export class TransferStopped extends Error {
  override readonly name = "TransferStopped";
  constructor(stays = "what was copied stays, and the same command goes on from there") {
    super(`stopped; ${stays}`);
  }
}
