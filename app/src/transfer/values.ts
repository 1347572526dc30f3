import { hash } from "node:crypto";
import { TransferError } from "./failure";

/**
 * What a column holds, whichever database holds it. SQLite has no type for most of them (a boolean is 0 or 1, a time is text), so what a
 * column is follows from both sides, see {@link columnKind}.
 */
export type ValueKind = "text" | "integer" | "number" | "boolean" | "timestamp" | "json" | "bytes";

/** A value in the one form both databases are compared and filled by; `null` for NULL. */
export type Value = string | null;

const KINDS: readonly (readonly [type: RegExp, kind: ValueKind])[] = [
  [/^(?:text|character varying|varchar|character|uuid|date)\b/i, "text"],
  [/^(?:integer|int|bigint|smallint)\b/i, "integer"],
  [/^(?:real|double precision|numeric)\b/i, "number"],
  [/^boolean\b/i, "boolean"],
  [/^timestamp\b/i, "timestamp"],
  [/^jsonb?\b/i, "json"],
  [/^(?:blob|bytea)\b/i, "bytes"],
];

/** @param type as the database declares it. @throws TransferError for one that the app has not used so far. */
export function kindOfType(type: string): ValueKind {
  const kind = KINDS.find(([pattern]) => pattern.test(type))?.[1];
  if (kind === undefined) throw new TransferError(`a column has the type "${type}", which a transfer does not know; add it to values.ts`);
  return kind;
}

/** What SQLite keeps as something simpler. */
const STORED_AS: Partial<Record<ValueKind, ValueKind>> = { boolean: "integer", timestamp: "text", json: "text" };

/** What a column is whose two sides are declared like this. @throws TransferError when they have nothing in common. */
export function columnKind(column: string, one: ValueKind, other: ValueKind): ValueKind {
  if (one === other || STORED_AS[one] === other) return one;
  if (STORED_AS[other] === one) return other;
  throw new TransferError(`${column} is ${one} on one side and ${other} on the other; both need the same migrations`);
}

/**
 * The one form of a value. Two databases hold the same value if and only if these are equal: a boolean is 0 or 1, a whole number has no
 * leading zeros, another number is what JavaScript prints, a time is ISO 8601 in UTC with milliseconds, JSON has its keys in order, bytes are
 * hexadecimal, text is what it is.
 */
export function canonical(kind: ValueKind, raw: string): string {
  switch (kind) {
    case "text":
      return raw;
    case "integer":
      return /^-?(?:0|[1-9]\d*)$/.test(raw) ? raw : BigInt(raw).toString();
    case "number":
      return String(Number(raw));
    case "boolean":
      return /^(?:1|t|true)$/i.test(raw) ? "1" : "0";
    case "timestamp":
      return time(raw);
    case "json":
      return JSON.stringify(ordered(JSON.parse(raw)));
    case "bytes":
      return raw.replace(/^\\x/, "").toLowerCase();
  }
}

/** Postgres writes `2026-01-02 03:04:05.678+00`; without an offset it is UTC here, as everywhere in the app. */
function time(raw: string): string {
  const iso = raw.replace(" ", "T").replace(/([+-]\d{2})$/, "$1:00");
  const ms = Date.parse(/(?:Z|[+-]\d{2}:\d{2})$/.test(iso) ? iso : `${iso}Z`);
  if (Number.isNaN(ms)) throw new TransferError(`"${raw.slice(0, 40)}" is no time that a transfer can read`);
  return new Date(ms).toISOString();
}

function ordered(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(ordered);
  if (typeof value !== "object" || value === null) return value;
  const entries = Object.entries(value).map(([key, inner]): [string, unknown] => [key, ordered(inner)]);
  return Object.fromEntries(entries.sort(([a], [b]) => (a < b ? -1 : 1)));
}

const LANES = 4;

/**
 * A checksum of a set of rows: the sum of the SHA-256 of each, so that neither the order of the rows nor the size of batches matters, and that
 * it can go on from where it was. It finds what gets lost, doubled or changed by accident; it is no protection against a forger.
 */
export class RowsChecksum {
  #rows = 0;
  readonly #lanes: number[];

  /** @param from {@link toString} of a checksum that is to go on, and the number of its rows. */
  constructor(from?: { readonly text: string; readonly rows: number }) {
    this.#rows = from?.rows ?? 0;
    this.#lanes = Array.from({ length: LANES }, (_, lane) => parseInt(from?.text.slice(lane * 8, lane * 8 + 8) ?? "0", 16));
  }

  get rows(): number {
    return this.#rows;
  }

  /** @param row canonical values, in the order of the columns' names. */
  add(row: readonly Value[]): void {
    let text = "";
    // With its length in front, no value can be taken for a part of its neighbour.
    for (const value of row) text += value === null ? "-;" : `${value.length}:${value};`;
    const digest = hash("sha256", text, "buffer");
    for (let lane = 0; lane < LANES; lane += 1) this.#lanes[lane] = ((this.#lanes[lane] ?? 0) + digest.readUInt32BE(lane * 4)) >>> 0;
    this.#rows += 1;
  }

  /** 32 hexadecimal digits. */
  toString(): string {
    return this.#lanes.map((lane) => lane.toString(16).padStart(8, "0")).join("");
  }
}
