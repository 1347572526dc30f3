import type { Writable } from "node:stream";
import { createSecureContext } from "node:tls";
import { Redis, type RedisOptions } from "ioredis";
import type { Logger } from "../observability/logger";
import { CircuitBreaker } from "./circuit-breaker";
import { isEncrypted } from "./config";
import { isOutage, RedisUnavailableError } from "./errors";
import { countCircuitOpened, countFailure, observeState } from "./metrics";

export { RedisUnavailableError } from "./errors";

const defaults = {
  /** Calls in a row that have to fail until the rest of them is spared the wait. */
  failuresToOpen: 3,
  /** Time between two probes while the circuit is open, milliseconds; a server that is back is used again after about that. */
  probeIntervalMs: 250,
  /** Time between two looks at a healthy server, milliseconds. */
  healthIntervalMs: 5000,
  /** A connection that leaves probes unanswered for that long is replaced: its peer may be gone without a word. Milliseconds. */
  silenceMs: 5000,
  /** Reconnecting: first pause and longest pause, milliseconds, each with up to half of it added at random. */
  retryFirstMs: 50,
  retryMostMs: 1000,
  /** Longest wait for a TCP connection, milliseconds. */
  connectTimeoutMs: 2000,
  /** Commands given to {@link RedisConnection.redis} directly, past the circuit breaker, fail after this; milliseconds. */
  backstopMs: 2000,
  /** How long a worker's start waits for Redis, milliseconds: it serves without as well. */
  startMs: 1000,
  /** Longest wait for a farewell, milliseconds. */
  quitMs: 500,
} as const;

export interface RedisConnectionOptions {
  /** `redis://user:password@host:port/db`, or `rediss://` for TLS. */
  readonly url: string;
  /** PEM of who signs the server's certificate, with `rediss://`. @default the authorities Node believes */
  readonly ca?: string | undefined;
  /** What it is for, such as `cache` or `limits`; in logs, metrics and CLIENT LIST. */
  readonly name: string;
  /** Longest wait for one {@link RedisConnection.call}, milliseconds. */
  readonly commandTimeoutMs: number;
  readonly logger: Logger;
}

/** How a connection is, for health reports. */
export interface RedisStatus {
  readonly state: "up" | "down" | "connecting";
  /** Round trip of the last health check, milliseconds. */
  readonly latencyMs: number | undefined;
  /** Why it is not up. */
  readonly lastError: string | undefined;
}

/**
 * One Redis server with a circuit breaker in front (features D1, D12). While the server is away, {@link call} fails at once instead
 * of keeping a request waiting, and probes in the background find out when it is back: no request pays for that.
 */
export class RedisConnection {
  readonly redis: Redis;
  readonly name: string;
  private readonly breaker: CircuitBreaker;
  private readonly listeners = new Set<() => void>();
  private readonly duplicates = new Set<Redis>();
  private readonly timeoutMs: number;
  private readonly logger: Logger;
  private latencyMs: number | undefined;
  private lastError: string | undefined;
  private lastAnswerAt = performance.now();
  private timer: NodeJS.Timeout | undefined;
  private closed = false;
  private everReady = false;
  /** The connection whose writes wait for the end of this turn. */
  private gathering: Writable | undefined;

  /** Begins to connect at once; {@link started} tells when there is an outcome. */
  constructor({ url, ca, name, commandTimeoutMs, logger }: RedisConnectionOptions) {
    this.name = name;
    this.timeoutMs = commandTimeoutMs;
    this.logger = logger;
    this.breaker = new CircuitBreaker(defaults.failuresToOpen, (state) => this.onCircuit(state));
    this.redis = new Redis(url, {
      connectionName: `app:${name}`,
      // Given with `redis://`, it would encrypt all the same.
      ...(ca !== undefined && isEncrypted(url) && { tls: { secureContext: createSecureContext({ ca }) } }),
      // Without a connection a command fails at once, and one that was under way when it broke is not sent again: its caller has moved on.
      enableOfflineQueue: false,
      autoResendUnfulfilledCommands: false,
      maxRetriesPerRequest: 0,
      commandTimeout: Math.max(defaults.backstopMs, commandTimeoutMs),
      connectTimeout: defaults.connectTimeoutMs,
      retryStrategy: retryPause,
      // After a failover the old primary is read-only; the address leads to the new one.
      reconnectOnError: (error) => error.message.startsWith("READONLY"),
    });
    this.redis.on("ready", () => this.onReady());
    this.redis.on("error", (error: Error) => this.note(error));
    this.redis.on("close", () => this.onClose());
    this.schedule(defaults.healthIntervalMs);
  }

  /** Whether {@link call} would ask the server. */
  available(): boolean {
    return this.breaker.state === "closed" && this.redis.status === "ready";
  }

  /**
   * Runs commands on the server.
   * @throws RedisUnavailableError at once while the circuit is open, and when the server fails or does not answer in time. Errors
   * about the command itself pass unchanged.
   */
  async call<T>(work: (redis: Redis) => Promise<T>): Promise<T> {
    if (!this.available()) throw new RedisUnavailableError(this.name, this.lastError ?? "not connected");
    try {
      this.gather();
      const value = await this.withDeadline(work(this.redis));
      this.breaker.succeeded();
      return value;
    } catch (error) {
      if (!isOutage(error)) throw error;
      this.note(error as Error);
      countFailure(this.name);
      this.breaker.failed();
      throw error instanceof RedisUnavailableError
        ? error
        : new RedisUnavailableError(this.name, (error as Error).message, { cause: error });
    }
  }

  /** Lets all commands of one turn of the event loop leave in one write: with 30 requests at a time each write cost 10 µs of a request. */
  private gather(): void {
    const { stream } = this.redis as { readonly stream?: Writable };
    if (stream === undefined || this.gathering === stream) return;
    this.gathering = stream;
    stream.cork();
    setImmediate(() => {
      this.gathering = undefined;
      stream.uncork();
    });
  }

  /** Calls back each time the server can be used (again), from the first connection on. @returns how to stop. */
  onAvailable(listener: () => void): () => void {
    this.listeners.add(listener);
    return () => {
      this.listeners.delete(listener);
    };
  }

  status(): RedisStatus {
    const { latencyMs, lastError } = this;
    if (this.available()) return { state: "up", latencyMs, lastError: undefined };
    return { state: this.everReady || lastError !== undefined ? "down" : "connecting", latencyMs, lastError };
  }

  /**
   * A connection of its own to the same server, without circuit breaker, for pub/sub or BullMQ: it waits for the server as long as it
   * takes. Ended with this one at the latest.
   */
  duplicate(options: RedisOptions = {}): Redis {
    const copy = this.redis.duplicate({
      enableOfflineQueue: true,
      autoResendUnfulfilledCommands: true,
      maxRetriesPerRequest: null,
      commandTimeout: undefined,
      ...options,
    });
    this.duplicates.add(copy);
    copy.on("end", () => this.duplicates.delete(copy));
    // Without a listener ioredis prints to the console. That the server is away is said once, by this connection.
    copy.on("error", (error: Error) => this.logger.debug({ redis: this.name, reason: error.message }, "redis connection of a component"));
    return copy;
  }

  /** Resolves when the server can be used, when the first attempt failed, or after 1 s, whichever comes first. */
  async started(): Promise<void> {
    if (this.redis.status === "ready") return;
    await new Promise<void>((resolve) => {
      const done = (): void => {
        clearTimeout(timer);
        this.redis.off("ready", done);
        this.redis.off("error", done);
        resolve();
      };
      const timer = setTimeout(done, defaults.startMs);
      this.redis.once("ready", done);
      this.redis.once("error", done);
    });
  }

  async close(): Promise<void> {
    this.closed = true;
    clearTimeout(this.timer);
    this.listeners.clear();
    for (const copy of this.duplicates) copy.disconnect();
    if (this.redis.status === "ready") {
      // A server that does not answer any more has nothing to lose by a connection that just ends.
      await this.withDeadline(this.redis.quit(), defaults.quitMs).catch((error: unknown) => this.note(error as Error));
    }
    this.redis.disconnect();
  }

  private onReady(): void {
    this.everReady = true;
    this.lastAnswerAt = performance.now();
    if (this.breaker.state === "open") this.breaker.close();
    else this.announce();
  }

  private onClose(): void {
    if (this.closed) return;
    this.lastError ??= "the connection was closed";
    this.breaker.open();
  }

  private onCircuit(state: "closed" | "open"): void {
    if (this.closed) return;
    if (state === "open") {
      countCircuitOpened(this.name);
      observeState(this.name, false, undefined);
      this.logger.warn({ redis: this.name, reason: this.lastError }, "redis is away; fallbacks take over");
      this.schedule(defaults.probeIntervalMs);
    } else {
      this.logger.info({ redis: this.name }, "redis is back");
      this.announce();
    }
  }

  private announce(): void {
    this.lastError = undefined;
    for (const listener of this.listeners) listener();
    void this.check();
  }

  private schedule(afterMs: number): void {
    clearTimeout(this.timer);
    if (this.closed) return;
    this.timer = setTimeout(() => void this.check(), afterMs);
    this.timer.unref();
  }

  /** Health check while the circuit is closed, probe while it is open. */
  private async check(): Promise<void> {
    if (this.redis.status === "ready") {
      const begun = performance.now();
      try {
        await this.withDeadline(this.redis.ping());
        this.lastAnswerAt = performance.now();
        this.latencyMs = Math.round((this.lastAnswerAt - begun) * 1000) / 1000;
        observeState(this.name, true, this.latencyMs);
        this.breaker.close();
      } catch (error) {
        this.note(error as Error);
        this.breaker.failed();
        // ioredis connects again by itself; what waited for an answer on the old connection is given up.
        if (performance.now() - this.lastAnswerAt > defaults.silenceMs) {
          this.lastAnswerAt = performance.now();
          this.redis.disconnect(true);
        }
      }
    }
    this.schedule(this.breaker.state === "open" ? defaults.probeIntervalMs : defaults.healthIntervalMs);
  }

  private note(error: Error): void {
    this.lastError = error.message === "" ? ((error as NodeJS.ErrnoException).code ?? error.name) : error.message;
  }

  private withDeadline<T>(work: Promise<T>, milliseconds = this.timeoutMs): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      const timer = setTimeout(() => {
        // If it was this process that stood still, the answer has arrived and is read before this runs.
        setImmediate(() => reject(new RedisUnavailableError(this.name, `no answer within ${milliseconds} ms`)));
      }, milliseconds);
      work.then(
        (value) => {
          clearTimeout(timer);
          resolve(value);
        },
        (error: unknown) => {
          clearTimeout(timer);
          reject(error instanceof Error ? error : new Error(String(error)));
        },
      );
    });
  }
}

function retryPause(attempt: number): number {
  const pause = Math.min(defaults.retryMostMs, defaults.retryFirstMs * 2 ** Math.min(attempt, 10));
  return pause * (1 + Math.random() / 2);
}
