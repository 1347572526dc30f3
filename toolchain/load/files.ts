import { closeSync, mkdirSync, openSync, rmSync, statSync, writeFileSync } from "node:fs";
import path from "node:path";
import { messageOf, UserError } from "../lib/errors";
import { BUILD_DIR } from "../lib/paths";
import { renderHtml } from "./html";
import { type Profile, PROFILES } from "./profiles";
import type { LoadResult } from "./result";

/** Where the report of a run goes when nobody says otherwise; the next run of the same kind writes over it. */
export function reportFile({ stack, profile }: Pick<LoadResult, "stack" | "profile">): string {
  return path.join(BUILD_DIR, "load", `${stack}-${profile}.html`);
}

/** Where the report of `npm run verify` goes when several loads are sent. */
export function loadsFile(stack: string, profiles: readonly Profile[]): string {
  const names = profiles.map(({ name }) => name);
  return reportFile({ stack, profile: names.length === PROFILES.length ? "all" : names.join("+") });
}

/** Where the report of `npm run verify` goes when nobody says otherwise and no load is sent; the next one writes over it. */
export function verifyFile(stack: string): string {
  return path.join(BUILD_DIR, "verify", `${stack}.html`);
}

/** Writes the page of a run. @throws UserError when it cannot be written. */
export function writeHtml(file: string, result: LoadResult): void {
  writePage(file, renderHtml(result));
}

/** Writes a report. @throws UserError when it cannot be written. */
export function writePage(file: string, html: string): void {
  write("--report", file, html);
}

/** Writes the figures of a run. @throws UserError when they cannot be written. */
export function writeJson(file: string, result: unknown): void {
  write("--json", file, `${JSON.stringify(result, undefined, 2)}\n`);
}

/**
 * Whether results will find their places, asked before minutes are spent on them. Nothing is left there, nor changed; directories are made.
 * @param places `--json -`, standard output, is none
 * @throws UserError when one cannot be written.
 */
export function assertWritable(places: { readonly report: string; readonly json: string | undefined }): void {
  tryToWrite("--report", places.report);
  if (places.json !== undefined && places.json !== "-") tryToWrite("--json", places.json);
}

function tryToWrite(option: string, file: string): void {
  const place = path.resolve(file);
  orCannot(option, file, () => {
    mkdirSync(path.dirname(place), { recursive: true });
    const there = statSync(place, { throwIfNoEntry: false });
    // Who reads a pipe takes the end of a trial for the end of what comes.
    if (there !== undefined && !there.isFile() && !there.isDirectory()) return;
    closeSync(openSync(place, "a"));
    if (there === undefined) rmSync(place);
  });
}

function write(option: string, file: string, text: string): void {
  orCannot(option, file, () => {
    mkdirSync(path.dirname(path.resolve(file)), { recursive: true });
    writeFileSync(path.resolve(file), text);
  });
}

function orCannot(option: string, file: string, attempt: () => void): void {
  try {
    attempt();
  } catch (error) {
    throw new UserError(`${option} ${file}: cannot be written (${messageOf(error)})`);
  }
}
