import { z } from "zod";

/** Fields several resources share, each with the words an error uses for what is allowed. */
export const name = z
  .string()
  .trim()
  .min(1)
  .max(200)
  .regex(/^\P{Cc}*$/u)
  .describe("1 to 200 characters without control characters");

export const email = z.string().trim().toLowerCase().max(254).pipe(z.email()).describe("an e-mail address of at most 254 characters");

/** Length is what counts (NIST SP 800-63B); the upper bound keeps a password from being a burden to hash. */
export const password = z.string().min(10).max(200).describe("10 to 200 characters");

/** For logging in: whatever was once accepted, only bounded. */
export const givenPassword = z.string().min(1).max(200).describe("the password of the account");

export const role = z.enum(["user", "admin"]).describe("user or admin");

/** Text of several lines. NUL is refused because Postgres cannot store it. */
export const notes = z
  .string()
  .max(2000)
  .regex(/^[^\0]*$/)
  .describe("at most 2000 characters");

/** Ten billion in a currency with cents; sums of a thousand such amounts are still exact in a double. */
const MOST_CENTS = 1_000_000_000_000;

export const cents = z.int().min(0).max(MOST_CENTS).describe(`a whole number from 0 to ${MOST_CENTS}`);

export const currency = z
  .string()
  .regex(/^[A-Z]{3}$/)
  .describe("three capital letters (ISO 4217), such as EUR");

/** A day of the calendar that exists: not the 30th of February. */
export const calendarDate = z.iso.date().describe("a date such as 2026-11-21");

/** A moment; kept as UTC with milliseconds, so that text order is time order. */
export const moment = z.iso
  .datetime({ offset: true })
  .transform((text) => new Date(text).toISOString())
  .describe("a time with its offset, such as 2026-11-21T09:30:00Z");

export const rowId = z.uuid().describe("an id");

export const phone = z
  .string()
  .regex(/^\+?[0-9 ()/-]{3,40}$/)
  .describe("3 to 40 digits, spaces, brackets, dashes or slashes, with + in front if international");
