import { isIP } from "node:net";
import { z } from "zod";

/** One key of the stack configuration: how its text is read, and what a message offers instead of a bad value. */
export interface Field<Value> {
  readonly schema: z.ZodType<Value>;
  /** Completes the sentence "allowed: …". */
  readonly allowed: string;
  /** A value that works, for the command that repairs a bad one. */
  readonly example: string;
}

interface Range {
  readonly least: number;
  readonly most: number;
  readonly unit: string;
  readonly example: number;
}

const integerText = z.string().regex(/^(0|[1-9][0-9]{0,8})$/);

/** A whole number in decimal digits. */
export function integer({ least, most, unit, example }: Range): Field<number> {
  const schema = integerText.transform(Number).pipe(z.number().min(least).max(most));
  return { schema, allowed: `an integer from ${least} to ${most} (${unit})`, example: String(example) };
}

/** A number with at most two decimals. */
export function decimal({ least, most, unit, example }: Range): Field<number> {
  const text = z.string().regex(/^(0|[1-9][0-9]{0,5})(\.[0-9]{1,2})?$/);
  const schema = text.transform(Number).pipe(z.number().min(least).max(most));
  return { schema, allowed: `a number from ${least} to ${most} with at most two decimals (${unit})`, example: String(example) };
}

/** One of a few words. */
export function oneOf<const Word extends string>(words: readonly [Word, ...Word[]]): Field<Word> {
  return { schema: z.enum(words), allowed: words.join(", "), example: words[0] };
}

/** `true` or `false`. */
export const boolean: Field<boolean> = {
  schema: z.enum(["true", "false"]).transform((text) => text === "true"),
  allowed: "true, false",
  example: "true",
};

/** Workers of an instance: a number or `auto`. */
export const workers: Field<number | "auto"> = {
  schema: z.union([z.literal("auto"), integerText.transform(Number).pipe(z.number().min(1).max(64))]),
  allowed: "auto, or an integer from 1 to 64 (worker processes per instance)",
  example: "auto",
};

/** An address of the Docker host. */
export const ipAddress: Field<string> = {
  schema: z.string().refine((text) => isIP(text) !== 0),
  allowed: "an IP address of the Docker host (127.0.0.1 for this machine only, 0.0.0.0 for everybody)",
  example: "127.0.0.1",
};

/** Path of a file on the machine that runs the program. */
export const filePath: Field<string> = {
  schema: z.string().min(1).max(4096),
  allowed: "a path on the machine that runs pulumi, relative to the project's directory or absolute",
  example: "/etc/letsencrypt/live/shop.example.com/fullchain.pem",
};

/** Reference of an image with a tag or digest, in Docker's grammar. */
export const imageReference: Field<string> = {
  schema: z
    .string()
    .max(255)
    .regex(
      /^([a-zA-Z0-9.-]+(:[0-9]{1,5})?\/)?[a-z0-9]+([._-]+[a-z0-9]+)*(\/[a-z0-9]+([._-]+[a-z0-9]+)*)*(:[\w][\w.-]{0,127}|@sha256:[a-f0-9]{64}|:[\w][\w.-]{0,127}@sha256:[a-f0-9]{64})$/,
    ),
  allowed: "an image reference with a tag or a sha256 digest",
  example: "registry.example.com/team/app:1.4.2",
};

/** Names that suggest a secret, which must not become a plain variable. */
const SECRET_NAME = /(SECRET|PASSWORD|PASSWD|TOKEN|CREDENTIAL|PRIVATE|API_?KEY|ACCESS_?KEY|(^|_)(KEY|PWD|PASS|AUTH|DSN)$)/;

/** The app's limits, one of which is on authentication. */
const LIMIT_NAME = /^RATE_LIMIT_[A-Z_]+$/;

/** Whether a variable's name, or a URL with a password as its value, suggests a secret. */
export function looksSecret(name: string, value: string): boolean {
  return (SECRET_NAME.test(name) && !LIMIT_NAME.test(name)) || /:\/\/[^/\s:@]*:[^/\s@]+@/.test(value);
}

/** An object of plain variables, as JSON (`pulumi config set --path appEnvironment.NAME value` writes it). */
export const variables: Field<Readonly<Record<string, string>>> = {
  schema: z
    .string()
    .transform((text, context) => {
      try {
        return JSON.parse(text) as unknown;
      } catch {
        context.addIssue({ code: "custom", message: "not JSON" });
        return z.NEVER;
      }
    })
    .pipe(z.record(z.string().regex(/^[A-Z][A-Z0-9_]{0,63}$/), z.union([z.string(), z.number(), z.boolean()]).transform(String))),
  allowed: "an object of variables: names in capitals, values as text, numbers or booleans",
  example: "--path appEnvironment.FEATURE_X on",
};

/** Text of one form. */
export function text(form: RegExp, allowed: string, example: string): Field<string> {
  return { schema: z.string().max(255).regex(form), allowed, example };
}

/** Several texts of one form, separated by commas, each once. */
export function list(form: RegExp, allowed: string, example: string): Field<readonly string[]> {
  const unique = (items: readonly string[]): boolean => new Set(items).size === items.length;
  const schema = z
    .string()
    .max(1024)
    .transform((words) => words.split(","))
    .pipe(z.array(z.string().regex(form)).refine(unique));
  return { schema, allowed, example };
}
