import type { WriteMark } from "./database";

/** Beyond every position: no replica has seen it. What a write gets whose own position is not known. */
export const UNSEEN: WriteMark = "FFFFFFFF/FFFFFFFF";

/** As `pg_lsn` is written: https://www.postgresql.org/docs/17/datatype-pg-lsn.html */
const MARK = /^[0-9A-F]{1,8}\/[0-9A-F]{1,8}$/i;

/** Whether a text from outside is a mark, which {@link markNumber} can read. */
export function isMark(text: string): boolean {
  return MARK.test(text);
}

/** A write mark as a number: 32 bits before the slash and 32 after it, hexadecimal. */
export function markNumber(mark: WriteMark): bigint {
  const [high = "", low = ""] = mark.split("/");
  return (BigInt(`0x${high}`) << 32n) | BigInt(`0x${low}`);
}

/** The mark of whichever write came later. */
export function laterMark(one: WriteMark, other: WriteMark | undefined): WriteMark {
  return other !== undefined && markNumber(other) > markNumber(one) ? other : one;
}
