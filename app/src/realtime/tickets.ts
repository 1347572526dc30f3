import { createHash, randomBytes } from "node:crypto";
import { answerInPrimary, askPrimary } from "../cluster/channel";
import type { Logger } from "../observability/logger";
import type { RedisConnection } from "../redis/client";
import type { Session } from "../session/session-store";

/** A ticket is good for this long, ms: time enough to open a connection, and too short to be found in a log and used. */
export const TICKET_LIFETIME_MS = 30_000;

/** What a ticket looks like: 32 random bytes. */
export const TICKET_PATTERN = /^[\w-]{43}$/;

/** Tickets one process keeps; the oldest go first. Issuing is limited for each user, so only many users at once come near. */
const MOST_KEPT = 100_000;

const TOPIC = "realtime-tickets";

/** Longest wait for the primary, ms. */
const DEADLINE_MS = 2000;

/** Whom a ticket lets in. */
export interface TicketHolder {
  readonly session: Session;
  readonly idHash: string;
}

/** Keeps what belongs to a key for a while, and gives it out once. */
interface TicketStore {
  put(key: string, text: string): Promise<void>;
  take(key: string): Promise<string | undefined>;
}

type Ask = { readonly kind: "put"; readonly key: string; readonly text: string } | { readonly kind: "take"; readonly key: string };

/** Tickets in the memory of this process. */
export class TicketMemory implements TicketStore {
  // All live equally long, so the order of insertion is the order of expiry.
  readonly #kept = new Map<string, { readonly text: string; readonly until: number }>();
  readonly #now: () => number;

  constructor(now: () => number = () => performance.now()) {
    this.#now = now;
  }

  get size(): number {
    return this.#kept.size;
  }

  put(key: string, text: string): Promise<void> {
    this.#forgetOld();
    this.#kept.set(key, { text, until: this.#now() + TICKET_LIFETIME_MS });
    return Promise.resolve();
  }

  take(key: string): Promise<string | undefined> {
    this.#forgetOld();
    const found = this.#kept.get(key);
    this.#kept.delete(key);
    return Promise.resolve(found?.text);
  }

  #forgetOld(): void {
    const now = this.#now();
    for (const [key, { until }] of this.#kept) {
      if (until > now && this.#kept.size < MOST_KEPT) return;
      this.#kept.delete(key);
    }
  }
}

/** In the primary, before workers start: tickets of all workers of this instance. */
export function keepTicketsInPrimary(): void {
  const memory = new TicketMemory();
  answerInPrimary(TOPIC, (payload) => {
    const ask = payload as Ask;
    return ask.kind === "put" ? memory.put(ask.key, ask.text) : memory.take(ask.key);
  });
}

class PrimaryTickets implements TicketStore {
  put(key: string, text: string): Promise<void> {
    return askPrimary(TOPIC, { kind: "put", key, text } satisfies Ask, DEADLINE_MS);
  }

  take(key: string): Promise<string | undefined> {
    return askPrimary(TOPIC, { kind: "take", key } satisfies Ask, DEADLINE_MS);
  }
}

export interface TicketsOptions {
  readonly appName: string;
  readonly clustered: boolean;
  /** `undefined`: tickets are good at this instance. */
  readonly redis: RedisConnection | undefined;
  readonly logger: Logger;
}

/**
 * Tickets for opening one WebSocket: for clients that hold a bearer token and cannot send headers with an upgrade, as browsers cannot.
 * The token stays out of the URL, and so out of logs. In Redis they are good at every instance; while it is away, at the one that issued
 * them. Kept is the ticket's hash, never the ticket.
 */
export class Tickets {
  readonly #options: TicketsOptions;
  readonly #local: TicketStore;

  constructor(options: TicketsOptions) {
    this.#options = options;
    this.#local = options.clustered ? new PrimaryTickets() : new TicketMemory();
  }

  /** @throws Error (rejects) when neither Redis nor the primary answers. */
  async issue(holder: TicketHolder): Promise<string> {
    const { redis, logger } = this.#options;
    const text = JSON.stringify(holder);
    if (redis?.available() === true) {
      const ticket = createTicket();
      try {
        await redis.call((commands) => commands.set(this.#redisKey(keyOf(ticket)), text, "PX", TICKET_LIFETIME_MS));
        return ticket;
      } catch (error) {
        // It may be in Redis all the same, so it is never given out: another one takes its place, or it could be used twice.
        logger.debug({ reason: String(error) }, "a ticket is kept within this instance");
      }
    }
    const ticket = createTicket();
    await this.#local.put(keyOf(ticket), text);
    return ticket;
  }

  /** Whom it lets in, the first time it is asked; `undefined` when it was used, is too old, or never was one. */
  async redeem(ticket: string): Promise<TicketHolder | undefined> {
    if (!TICKET_PATTERN.test(ticket)) return undefined;
    const key = keyOf(ticket);
    const text = (await this.#fromRedis(key)) ?? (await this.#local.take(key));
    return text === undefined ? undefined : (JSON.parse(text) as TicketHolder);
  }

  async #fromRedis(key: string): Promise<string | undefined> {
    const { redis, logger } = this.#options;
    if (redis?.available() !== true) return undefined;
    try {
      return (await redis.call((commands) => commands.getdel(this.#redisKey(key)))) ?? undefined;
    } catch (error) {
      // A ticket that Redis keeps is of no use then; its holder asks for another one.
      logger.debug({ reason: String(error) }, "a ticket could not be looked up in Redis");
      return undefined;
    }
  }

  #redisKey(key: string): string {
    return `${this.#options.appName}:ticket:${key}`;
  }
}

const createTicket = (): string => randomBytes(32).toString("base64url");
const keyOf = (ticket: string): string => createHash("sha256").update(ticket).digest("base64url");
