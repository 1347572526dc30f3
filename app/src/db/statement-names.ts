import { createHash } from "node:crypto";

/** A statement that the server keeps prepared. */
export interface NamedStatement {
  /** At most 63 characters, as the server's names. */
  readonly name: string;
  /** What is sent; another one than `sql` once the server's plan for that was of no use. */
  readonly text: string;
  /** The statement as the app has it. */
  readonly sql: string;
  /** How often its name was changed. */
  readonly generation: number;
}

export interface StatementNamesOptions {
  /** @default {@link MOST_NAMES} */
  readonly most?: number;
  /** A statement gets its name with this use. @default 5 */
  readonly uses?: number;
  /** Told once, in a sentence, when no further statement gets a name. */
  readonly onLimit?: (why: string) => void;
}

/**
 * Names one process gives at most. Every connection of the server that has seen them all keeps as many statements: 20 KB each, 35 KB with a
 * generic plan (measured with 218 texts of the app's lists, Postgres 17), so up to 1.75 MB beside the 2 MB that a connection takes without. The
 * sizing of phase `database` counts them as what it leaves all connections to sort in (`work_mem`), which these do not use at the same time.
 * PgBouncer's `max_prepared_statements` is as many: of more, as when processes of two versions or roles come together, it drops those that were
 * not used for longest, and prepares them anew when they are.
 */
export const MOST_NAMES = 50;

/** Texts whose uses are counted; the bound is against SQL that is built anew each time. */
const MOST_CANDIDATES = 2048;

/** After so many statements that the server did not have (or had from somebody else), whatever is in between does not keep them apart. */
const MOST_LOST = 10;

const defaults = { most: MOST_NAMES, uses: 5 } as const;

/** Statements that are planned, so that preparing them saves something: no BEGIN, SET, COPY, nor what changes the schema, as SELECT INTO does. */
const PLANNED = /^\s*(?:SELECT\b(?![^]*\bINTO\b)|(?:INSERT|UPDATE|DELETE|MERGE|VALUES|WITH)\b)/i;

/** Whether a text may be prepared: one statement that is planned. A semicolon in a string is reason enough to say no. */
export function isPreparable(sql: string): boolean {
  return !sql.includes(";") && PLANNED.test(sql);
}

/**
 * The name of a text: the same in every process, so that a name means one statement wherever it came from, and another one for every other
 * text (128 bits of its SHA-256).
 */
export function statementName(text: string): string {
  return `s_${createHash("sha256").update(text).digest("base64url").slice(0, 22)}`;
}

/**
 * Which statements the server keeps prepared, and under which names. Those that are used again and again get one, in the order in which they
 * come to it, so that texts with lists of every length (`IN (?, ?, …)`) do not use them up; names are never taken back, because nothing
 * tells all the connections that have seen one.
 */
export class StatementNames {
  readonly #most: number;
  readonly #uses: number;
  readonly #onLimit: (why: string) => void;
  readonly #named = new Map<string, NamedStatement>();
  readonly #candidates = new Map<string, number>();
  #given = 0;
  #lost = 0;

  constructor({ most = defaults.most, uses = defaults.uses, onLimit = () => undefined }: StatementNamesOptions = {}) {
    this.#most = most;
    this.#uses = uses;
    this.#onLimit = onLimit;
  }

  /** Names given so far. */
  get given(): number {
    return this.#given;
  }

  /** How this use of a statement is sent by name; `undefined`: it is sent without one. */
  of(sql: string): NamedStatement | undefined {
    if (this.#lost >= MOST_LOST) return undefined;
    const named = this.#named.get(sql);
    if (named !== undefined || this.#given >= this.#most || !isPreparable(sql)) return named;
    const uses = (this.#candidates.get(sql) ?? 0) + 1;
    if (uses >= this.#uses) return this.#give(sql, 0);
    if (uses === 1 && this.#candidates.size >= MOST_CANDIDATES) this.#candidates.clear();
    this.#candidates.set(sql, uses);
    return undefined;
  }

  /**
   * A migration changed what the statement returns, for which the server refuses it under its name until the connection ends. PgBouncer knows
   * statements by their text, so another name alone would be the same statement to it: the text changes as well.
   */
  renew({ sql, name, generation }: NamedStatement): void {
    // Many connections may come with the same news.
    if (this.#named.get(sql)?.name !== name) return;
    this.#named.delete(sql);
    if (this.#given < this.#most) this.#give(sql, generation + 1);
  }

  /** The server did not know a name it had been told, or knew it already: some pooler takes connections from one another. */
  lost(): void {
    this.#lost += 1;
    if (this.#lost !== MOST_LOST) return;
    this.#onLimit(
      `prepared statements were lost ${MOST_LOST} times and are not used any more; give PgBouncer max_prepared_statements of ${MOST_NAMES} or more, or set DB_PREPARED_STATEMENTS to false`,
    );
  }

  #give(sql: string, generation: number): NamedStatement {
    const text = generation === 0 ? sql : `${sql}\n-- ${generation}`;
    const named = { name: statementName(text), text, sql, generation };
    this.#named.set(sql, named);
    this.#candidates.delete(sql);
    this.#given += 1;
    if (this.#given === this.#most) {
      this.#candidates.clear();
      this.#onLimit(`${this.#most} statements are prepared, further ones are not: too many different texts`);
    }
    return named;
  }
}
