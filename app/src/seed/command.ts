import { parseArgs } from "node:util";
import pino from "pino";
import { openForTask } from "../db/open";
import { checkSchema } from "../db/schema";
import { configOrExit } from "../lifecycle/run";
import { createLogger } from "../observability/logger";
import { loadSecrets } from "../session/secrets";
import { TokenSigner } from "../session/token";
import { seedCompanies, seedSessions } from "./seed";
import type { SeedOptions } from "./shape";

/** Most companies of one seed: a number of six digits has room for all. */
const MOST_COMPANIES = 100_000;
const MOST_SEED = 1_000_000;

/** Between two lines about how far it is, in milliseconds. */
const REPORT_EVERY_MS = 2000;

/**
 * The command `seed`: makes companies for loads, and with `--sessions` logs the admin of each in and prints a line of JSON for each:
 * `{"token": …, "orders": [ids]}`. How far it is goes to standard error. It can be interrupted and run again.
 * @throws Error in one sentence for a mistake on the command line, and what the database says.
 */
export async function runSeed(words: readonly string[]): Promise<void> {
  const { options, sessions } = seedOptions(words);
  const config = configOrExit();
  // Standard output is for the sessions, and what goes well is said below.
  const logger = createLogger({ ...config, logLevel: "warn" }, { role: "seed" }, pino.destination(2));
  await checkSchema(config, logger);
  const database = await openForTask(config, logger);
  const ending = new AbortController();
  for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => ending.abort(new Error(`ended by ${signal}`)));
  try {
    let reported = 0;
    const made = await seedCompanies(
      database,
      options,
      (done) => {
        if (Date.now() - reported < REPORT_EVERY_MS) return;
        reported = Date.now();
        process.stderr.write(`${done} of ${options.companies} companies\n`);
      },
      ending.signal,
    );
    process.stderr.write(`${options.companies} companies are there, ${made} made now\n`);
    if (!sessions) return;
    const signer = new TokenSigner(loadSecrets(config).sessionSecrets);
    const write = (lines: readonly object[]): void => void process.stdout.write(lines.map((line) => `${JSON.stringify(line)}\n`).join(""));
    await seedSessions(database, signer, options, write, ending.signal);
  } finally {
    await database.close();
  }
}

/** @throws Error naming the option, its value and what is allowed. */
export function seedOptions(words: readonly string[]): { readonly options: SeedOptions; readonly sessions: boolean } {
  const { values } = parseArgs({
    args: [...words],
    options: { companies: { type: "string" }, seed: { type: "string", default: "1" }, sessions: { type: "boolean", default: false } },
  });
  const natural = (name: "companies" | "seed", most: number): number => {
    const text = values[name] ?? "";
    const value = /^\d{1,7}$/.test(text) ? Number(text) : 0;
    if (value < 1 || value > most) throw new Error(`--${name}: "${text}" is not allowed; use a whole number from 1 to ${most}`);
    return value;
  };
  return { options: { companies: natural("companies", MOST_COMPANIES), seed: natural("seed", MOST_SEED) }, sessions: values.sessions };
}
