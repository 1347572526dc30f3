import { latest } from "../bounded";
import type { RedisFence } from "../cache/fence";
import type { Logger } from "../observability/logger";
import type { RedisConnection } from "../redis/client";
import { RedisUnavailableError } from "../redis/errors";
import { SESSION_LIFETIME_MS, type SharedSession, type SharedSessions } from "./session-store";

/** Stands in for a session that was ended, so that a process which read it from the database a moment before cannot put it back. */
const REVOKED = "revoked";

/** Copies kept as they were parsed, as many as sessions are remembered without Redis; about 700 bytes each. */
const MOST_DECODED = 12_000;

/** Keeps a copy unless the session was revoked. KEYS[1] the session; ARGV: copy, lifetime in ms, the word for revoked. */
const WRITE = `if redis.call("GET", KEYS[1]) == ARGV[3] then return 0 end
redis.call("SET", KEYS[1], ARGV[1], "PX", ARGV[2])
return 1`;

/**
 * Copies of the database's sessions in Redis (feature D3), read and prolonged by one GETEX. Redis is never asked whether a session
 * exists: without a copy the database decides, so losing Redis logs nobody out, and {@link RedisFence} sees to it that no copy
 * outlives its session.
 */
export class RedisSessions implements SharedSessions {
  readonly #connection: RedisConnection;
  readonly #fence: RedisFence;
  readonly #logger: Logger;
  readonly #last = latest<string, { readonly text: string; readonly session: SharedSession }>(MOST_DECODED);

  constructor(connection: RedisConnection, fence: RedisFence, logger: Logger) {
    this.#connection = connection;
    this.#fence = fence;
    this.#logger = logger;
  }

  async read(idHash: string): Promise<SharedSession | undefined> {
    const prefix = this.#fence.prefix();
    if (prefix === undefined) return undefined;
    try {
      const text = await this.#connection.call((redis) => redis.getex(`${prefix}session:${idHash}`, "PX", SESSION_LIFETIME_MS));
      // Asked again: the epoch may have been raised, or the connection lost, while the answer was on its way.
      if (text === null || text === REVOKED || this.#fence.prefix() !== prefix) return undefined;
      return this.#decoded(idHash, text);
    } catch (error) {
      this.#note(error, "a session could not be read from Redis");
      return undefined;
    }
  }

  recent(idHash: string): SharedSession | undefined {
    return this.#last.get(idHash)?.session;
  }

  /** The same object for the same text: it is not parsed again, and whoever keeps something for a session finds it. */
  #decoded(idHash: string, text: string): SharedSession {
    const known = this.#last.get(idHash);
    if (known?.text === text) return known.session;
    const session = decode(text);
    this.#last.set(idHash, { text, session });
    return session;
  }

  async write(idHash: string, session: SharedSession): Promise<void> {
    const prefix = this.#fence.prefix();
    if (prefix === undefined) return;
    try {
      await this.#connection.call((redis) =>
        redis.eval(WRITE, 1, `${prefix}session:${idHash}`, encode(session), SESSION_LIFETIME_MS, REVOKED),
      );
    } catch (error) {
      this.#note(error, "a session could not be written to Redis");
    }
  }

  async revoke(idHashes: readonly string[]): Promise<void> {
    const prefix = this.#fence.prefix();
    try {
      if (prefix === undefined) throw new RedisUnavailableError(this.#connection.name, "not believed now");
      await this.#connection.call(async (redis) => {
        const commands = redis.pipeline();
        for (const idHash of idHashes) commands.set(`${prefix}session:${idHash}`, REVOKED, "PX", SESSION_LIFETIME_MS);
        const failed = (await commands.exec())?.find(([error]) => error !== null);
        if (failed !== undefined) throw failed[0] ?? new Error("the pipeline failed");
      });
      // Whoever raised the epoch meanwhile put the copies out of reach.
    } catch (error) {
      this.#note(error, "sessions could not be revoked in Redis; raising its epoch");
      await this.#fence.raise().catch((failure: unknown) => {
        this.#logger.error({ err: failure }, "the epoch of Redis could not be raised; Redis is not used until it is");
      });
    }
  }

  /** That Redis is away is said once, by its connection. */
  #note(error: unknown, what: string): void {
    if (!(error instanceof RedisUnavailableError)) this.#logger.warn({ err: error }, what);
  }
}

type Encoded = [
  companyId: string,
  userId: string,
  role: SharedSession["role"],
  platformAdmin: boolean,
  plan: string,
  expiresAt: string,
  checkedAt: number,
];

/** What lasts; that one request prolonged the session is of no concern to the next. */
function encode({ companyId, userId, role, platformAdmin, plan, expiresAt, checkedAt }: SharedSession): string {
  return JSON.stringify([companyId, userId, role, platformAdmin, plan, expiresAt, checkedAt] satisfies Encoded);
}

function decode(text: string): SharedSession {
  const [companyId, userId, role, platformAdmin, plan, expiresAt, checkedAt] = JSON.parse(text) as Encoded;
  return { companyId, userId, role, platformAdmin, plan, expiresAt, checkedAt };
}
