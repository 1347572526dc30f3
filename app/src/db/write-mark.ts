import type { WriteMark } from "./database";

/** Beyond every position: no replica has seen it. What a write gets whose own position is not known. */
export const UNSEEN: WriteMark = "FFFFFFFF/FFFFFFFF";

/** As `pg_lsn` is written: https://www.postgresql.org/docs/17/datatype-pg-lsn.html; of another database than the first, its name comes before. */
const MARK = /^(?:[a-z][a-z0-9-]{0,30}:)?[0-9A-F]{1,8}\/[0-9A-F]{1,8}$/i;

/** Whether a text from outside is a mark, which {@link markNumber} can read. */
export function isMark(text: string): boolean {
  return MARK.test(text);
}

/** The mark of a write to one of several databases, other than the first. */
export function onShard(name: string, mark: WriteMark): WriteMark {
  return `${name}:${mark}`;
}

/**
 * The mark as its own database has it. Logs of two databases cannot be compared: that of another one is {@link UNSEEN}.
 * @param name of the database; `undefined` of the first, and where there is one.
 */
export function markOnShard(name: string | undefined, mark: WriteMark): WriteMark {
  const [shard, position] = parts(mark);
  return shard === name || mark === UNSEEN ? position : UNSEEN;
}

function parts(mark: WriteMark): [shard: string | undefined, position: WriteMark] {
  const at = mark.indexOf(":");
  return at === -1 ? [undefined, mark] : [mark.slice(0, at), mark.slice(at + 1)];
}

/** A write mark as a number: 32 bits before the slash and 32 after it, hexadecimal. */
export function markNumber(mark: WriteMark): bigint {
  const [high = "", low = ""] = parts(mark)[1].split("/");
  return (BigInt(`0x${high}`) << 32n) | BigInt(`0x${low}`);
}

/** The mark of whichever write came later; {@link UNSEEN} for writes to two databases. */
export function laterMark(one: WriteMark, other: WriteMark | undefined): WriteMark {
  if (other !== undefined && parts(one)[0] !== parts(other)[0]) return UNSEEN;
  return other !== undefined && markNumber(other) > markNumber(one) ? other : one;
}
