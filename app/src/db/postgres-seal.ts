import { lockNumber } from "./postgres-transaction";

/**
 * Whether this Postgres is written: `held` while its rows are copied to SQLite, `sealed` once they were (`transfer/held-postgres.ts` does both).
 * What is held may be open again later, when the copy failed; so may what is sealed, when the move is given up.
 */
export type Standing = "open" | "held" | "sealed";

/** Name of the triggers that refuse writes for good. */
export const SEAL_TRIGGER = "rows_moved";

/** Whether a table has them: `WHERE` of pg_trigger. After a move that was given up they are there, and are switched off. */
export const IS_SEALED = `tgname = '${SEAL_TRIGGER}' AND tgenabled <> 'D'`;

/** Advisory lock that whoever copies the rows has, for as long as its connection lives. */
export const MOVE_LOCK = lockNumber("rows move to SQLite");

/**
 * Time between two looks, ms. An instance is to be out of the load balancer 2 s after Postgres was sealed: the two checks it has to fail take 0.75 s.
 */
export const LOOK_MS = 500;

/** After so long every process that is on this Postgres has seen {@link MOVE_LOCK}, ms: two looks. */
export const NOTICE_MS = 2 * LOOK_MS;

/**
 * One round trip, and nothing that others would wait for: the lock is tried only, and given back with the statement. All tables get and lose their
 * triggers in one transaction, so one of them tells of all.
 */
export const LOOK = `SELECT pg_try_advisory_xact_lock_shared(${MOVE_LOCK}) AS free,
  EXISTS (SELECT FROM pg_trigger WHERE tgrelid = to_regclass('companies') AND ${IS_SEALED}) AS sealed`;

/** What {@link LOOK} answers; 0 and 1. */
export interface Looked {
  readonly free: number;
  readonly sealed: number;
}

export interface PostgresSealOptions {
  /** Between two looks, ms. @default 500 */
  readonly everyMs?: number;
  readonly onChange?: (standing: Standing) => void;
  /** A look got no answer; the next one is taken as usual, and until it is answered all counts as it was. */
  readonly onError?: (error: unknown) => void;
}

/** Knows, without asking for each request, whether a Postgres is written: a cheap look every half second, and after a write that was refused. */
export class PostgresSeal {
  readonly #ask: () => Promise<Looked>;
  readonly #options: PostgresSealOptions;
  #standing: Standing = "open";
  #looking: Promise<void> | undefined;
  #timer: NodeJS.Timeout | undefined;

  /** @param ask sends {@link LOOK} to the primary */
  constructor(ask: () => Promise<Looked>, options: PostgresSealOptions = {}) {
    this.#ask = ask;
    this.#options = options;
  }

  get standing(): Standing {
    return this.#standing;
  }

  /** Resolves after the first look, whatever became of it. */
  async start(): Promise<void> {
    this.#timer = setInterval(() => void this.look(), this.#options.everyMs ?? LOOK_MS).unref();
    await this.look();
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  /** Looks now; who comes while somebody looks gets the same answer. Never rejects. */
  look(): Promise<void> {
    return (this.#looking ??= this.#look().finally(() => (this.#looking = undefined)));
  }

  async #look(): Promise<void> {
    try {
      const standing = standingOf(await this.#ask());
      if (standing === this.#standing) return;
      this.#standing = standing;
      this.#options.onChange?.(standing);
    } catch (error) {
      this.#options.onError?.(error);
    }
  }
}

/** Whoever copied has its lock still in the moment in which it seals. */
function standingOf({ free, sealed }: Looked): Standing {
  if (sealed === 1) return "sealed";
  return free === 1 ? "open" : "held";
}
