import { existsSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { UserError } from "../lib/errors";
import { ROOT } from "../lib/paths";
import { colours } from "../lib/table";
import { insertSection } from "./figures";

/** A number from the command line. @param least @default 1. @throws UserError when it is none, below `least` or above `most`. */
export function count(option: string, text: string, most: number, least = 1): number {
  const value = /^(0|[1-9]\d{0,3})$/.test(text) ? Number(text) : -1;
  if (value < least || value > most)
    throw new UserError(`${option} is ${JSON.stringify(text)}; allowed is a number from ${least} to ${most}`);
  return value;
}

/** Parts named with `--only`; all without. @throws UserError when one is unknown. */
export function chooseParts<Part extends string>(only: string | undefined, parts: readonly Part[]): ReadonlySet<Part> {
  if (only === undefined) return new Set(parts);
  const wanted = only.split(",").map((part) => part.trim());
  const unknown = wanted.filter((part) => !(parts as readonly string[]).includes(part));
  if (unknown.length > 0) throw new UserError(`--only: ${unknown.join(", ")} is no part; allowed: ${parts.join(", ")}`);
  return new Set(wanted as Part[]);
}

/** Puts a dated section into BENCHMARKS.md, see {@link insertSection}. */
export function writeSection(heading: string, section: string): void {
  const file = path.join(ROOT, "BENCHMARKS.md");
  const document = existsSync(file) ? readFileSync(file, "utf8") : "# Benchmarks\n";
  writeFileSync(file, insertSection(document, heading, section));
  console.log(colours.dim("written to BENCHMARKS.md"));
}

/** Says how far a measurement is, with the seconds since it began, on standard error. */
export function narrator(): (text: string) => void {
  const started = performance.now();
  return (text) => console.error(colours.dim(`[${((performance.now() - started) / 1000).toFixed(0).padStart(4)} s] ${text}`));
}
