/**
 * - `closed`: calls go through.
 * - `open`: calls are refused at once; a probe decides when to try again.
 */
export type CircuitState = "closed" | "open";

/**
 * Counts failures in a row and opens at the limit. It has no half-open state: whoever owns it probes the server by itself, so that no
 * caller ever pays for finding out.
 */
export class CircuitBreaker {
  #failures = 0;
  #state: CircuitState = "closed";
  #opened = 0;

  /**
   * @param threshold failures in a row that open it.
   * @param onChange called after every change of state.
   */
  constructor(
    private readonly threshold: number,
    private readonly onChange: (state: CircuitState) => void = () => undefined,
  ) {}

  get state(): CircuitState {
    return this.#state;
  }

  /** How often it opened since start. */
  get opened(): number {
    return this.#opened;
  }

  /** A call worked. Late answers to calls from before it opened do not close it: only {@link close} does. */
  succeeded(): void {
    if (this.#state === "closed") this.#failures = 0;
  }

  failed(): void {
    this.#failures += 1;
    if (this.#state === "closed" && this.#failures >= this.threshold) this.open();
  }

  /** Opens at once, for whoever knows that the server is gone. */
  open(): void {
    if (this.#state === "open") return;
    this.#state = "open";
    this.#opened += 1;
    this.onChange("open");
  }

  /** The probe worked. */
  close(): void {
    this.#failures = 0;
    if (this.#state === "closed") return;
    this.#state = "closed";
    this.onChange("closed");
  }
}
