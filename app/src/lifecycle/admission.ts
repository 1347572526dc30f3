import type { IncomingMessage } from "node:http";
import { OverloadGuard, type OverloadOptions, type OverloadStats } from "./overload";
import { PriorityClassifier } from "./priority";

/** Decides before anything else is done for a request whether it is answered now or refused because there is too much to do. */
export class Admission {
  readonly #guard: OverloadGuard;
  readonly #priorities = new PriorityClassifier();

  constructor(options: Partial<OverloadOptions> = {}) {
    this.#guard = new OverloadGuard(options);
  }

  start(): void {
    this.#guard.start();
  }

  /** The process listens here; see {@link AcceptProbe}. */
  listening(port: number, host: string): void {
    // All addresses of this machine are reached by its loopback address, too.
    this.#guard.probe(port, host === "0.0.0.0" ? "127.0.0.1" : host === "::" ? "::1" : host);
  }

  stop(): void {
    this.#guard.stop();
  }

  /** Seconds after which a refused client may come again; `undefined` for a request that is let in. */
  refusal(request: IncomingMessage): number | undefined {
    if (!this.#guard.engaged) return undefined;
    const priority = this.#priorities.classify(request);
    if (priority === undefined || !this.#guard.refuses(priority)) return undefined;
    return this.#guard.retryAfterSeconds();
  }

  begin(): void {
    this.#guard.begin();
  }

  end(): void {
    this.#guard.end();
  }

  /** The credentials of the request were valid; @param paying whether its company is on a plan that costs something. */
  remember(request: IncomingMessage, session: object, paying: boolean): void {
    this.#priorities.remember(request, session, paying);
  }

  /** Figures of the event loop from outside, instead of waiting for the guard's own; for tests. */
  observe(delayMs: number, utilization: number): void {
    this.#guard.observe(delayMs, utilization);
  }

  stats(): OverloadStats {
    return this.#guard.stats();
  }
}
