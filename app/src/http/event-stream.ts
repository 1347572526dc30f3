import { once } from "node:events";
import type { Request, Response } from "express";
import { sendEventStreamHead } from "./respond";

/** One answer of server-sent events (HTML standard, section 9.2), as long as its reader stays. */
export class EventStream {
  readonly #response: Response;
  readonly #gone = new AbortController();

  /** Sends the headers. */
  constructor(request: Request, response: Response) {
    this.#response = response;
    // "close" also comes after a complete answer; aborting then reaches nobody any more.
    response.once("close", () => this.#gone.abort());
    sendEventStreamHead(request, response);
  }

  /** Aborted as soon as the reader has gone away. */
  get signal(): AbortSignal {
    return this.#gone.signal;
  }

  /**
   * Sends one event; resolves when there is room for the next, so that a slow reader does not fill the memory.
   * @throws AbortError when the reader goes away meanwhile.
   */
  async send(event: string, data: unknown): Promise<void> {
    this.signal.throwIfAborted();
    if (!this.#response.write(`event: ${event}\ndata: ${JSON.stringify(data)}\n\n`)) {
      await once(this.#response, "drain", { signal: this.signal });
    }
  }

  /** Sends the last event and ends; a reader who has gone away needs neither. */
  async finish(event: string, data: unknown): Promise<void> {
    try {
      await this.send(event, data);
      this.#response.end();
    } catch (error) {
      if (!this.signal.aborted) throw error;
    }
  }
}
