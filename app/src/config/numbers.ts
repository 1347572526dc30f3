import { z } from "zod";

/** A whole number written in decimal digits. Its description is what an error message offers as allowed. */
export function integer(least: number, most: number, fallback: number): z.ZodType<number, string | undefined> {
  return z
    .string()
    .regex(/^(0|[1-9][0-9]{0,9})$/)
    .transform(Number)
    .pipe(z.number().min(least).max(most))
    .default(fallback)
    .describe(`a whole number from ${least} to ${most}`);
}

/** The same for a variable without a default. */
export function optionalInteger(least: number, most: number): z.ZodType<number | undefined, string | undefined> {
  return z
    .string()
    .regex(/^(0|[1-9][0-9]{0,9})$/)
    .transform(Number)
    .pipe(z.number().min(least).max(most))
    .optional()
    .describe(`a whole number from ${least} to ${most}`);
}
