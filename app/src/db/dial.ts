import { Socket } from "node:net";

/**
 * First limit for making a TCP connection, ms. Below the second after which a lost SYN is sent again (RFC 6298, 2.1), and above a round trip
 * between servers of one continent; where it takes longer, the limit doubles until it does not.
 */
const FIRST_MS = 400;

/** A connection may take this many times what the last one took. */
const SPREAD = 4;

export interface DialerOptions {
  /** Longest limit, ms. */
  readonly longestMs: number;
  /** @default 400 */
  readonly firstMs?: number;
}

/**
 * Makes sockets that give up soon. What is sent to a container while it starts again is lost without an answer, and TCP asks again after a
 * second: whoever asked in that moment would wait longer than the restart takes. Each limit that was too short doubles the next one, so that a slow
 * network is not taken for none.
 */
export class Dialer {
  readonly #longestMs: number;
  readonly #firstMs: number;
  #limitMs: number;

  constructor({ longestMs, firstMs = FIRST_MS }: DialerOptions) {
    this.#longestMs = longestMs;
    this.#firstMs = Math.min(firstMs, longestMs);
    this.#limitMs = this.#firstMs;
  }

  /** Limit of the next connection, ms. */
  get limitMs(): number {
    return this.#limitMs;
  }

  /** A socket that is about to be connected. It fails with ETIMEDOUT when that takes too long. */
  readonly socket = (): Socket => {
    const socket = new Socket();
    const limitMs = this.#limitMs;
    let [started, round, isMade] = [performance.now(), 0, false];
    const giveUp = (mine: number): void => {
      if (isMade || socket.destroyed || mine !== round) return;
      this.#limitMs = Math.min(this.#longestMs, limitMs * 2);
      socket.destroy(Object.assign(new Error(`no connection within ${limitMs} ms`), { code: "ETIMEDOUT", syscall: "connect" }));
    };
    // Of a process that was busy meanwhile the answer may be there already, and is looked at first.
    const limited = (): NodeJS.Timeout => setTimeout((mine: number) => void setImmediate(giveUp, mine), limitMs, round);
    let timer = limited();
    // A name is looked up first, and the answer to that may have waited for this process as well.
    socket.once("lookup", () => {
      clearTimeout(timer);
      [started, round] = [performance.now(), round + 1];
      timer = limited();
    });
    socket.once("connect", () => {
      isMade = true;
      clearTimeout(timer);
      this.#limitMs = Math.min(this.#longestMs, Math.max(this.#firstMs, SPREAD * (performance.now() - started)));
    });
    socket.once("close", () => clearTimeout(timer));
    return socket;
  };
}
