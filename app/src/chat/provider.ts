/** One message as a provider sees it. */
export interface ChatTurn {
  readonly role: "user" | "assistant";
  readonly content: string;
}

/**
 * Whoever answers. An implementation for a hosted model fills the same contract.
 */
export interface ChatProvider {
  /** For logs and answers. */
  readonly name: string;
  /**
   * The answer to a conversation whose last turn is the user's, piece by piece.
   * @param signal ends it early: the iteration then throws the signal's reason, and whatever the provider holds is released.
   */
  answer(conversation: readonly ChatTurn[], signal: AbortSignal): AsyncIterable<string>;
}
