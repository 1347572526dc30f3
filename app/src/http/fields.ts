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
