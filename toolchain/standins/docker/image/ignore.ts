import { readFile } from "node:fs/promises";
import path from "node:path";

/** Says whether a path of a build context is left out. Paths are relative to the context, with slashes. */
export type Ignore = (file: string) => boolean;

/** The patterns for a Dockerfile: `<Dockerfile>.dockerignore` beside it, else `.dockerignore` in the context. */
export async function ignorePatterns(context: string, dockerfile: string): Promise<string[]> {
  for (const file of [`${dockerfile}.dockerignore`, path.join(context, ".dockerignore")]) {
    try {
      return parseIgnore(await readFile(file, "utf8"));
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
    }
  }
  return [];
}

/** The patterns of an ignore file, cleaned as Docker does: no comments, no leading slash, no `.` and `..` segments. */
export function parseIgnore(text: string): string[] {
  return text
    .replace(/^\uFEFF/, "")
    .split("\n")
    .filter((line) => !line.startsWith("#"))
    .map((line) => line.trim())
    .filter((line) => line !== "")
    .map((line) => {
      const negated = line.startsWith("!");
      const pattern = path.posix.normalize(negated ? line.slice(1).trim() : line).replace(/\/$/, "");
      return `${negated ? "!" : ""}${pattern.length > 1 ? pattern.replace(/^\//, "") : pattern}`;
    });
}

/** A matcher for patterns in Docker's notation: the last pattern that matches the path or a folder above it decides. */
export function ignoreMatcher(patterns: readonly string[]): Ignore {
  const rules = patterns.map((pattern) => {
    const keep = pattern.startsWith("!");
    return { keep, expression: expressionOf(keep ? pattern.slice(1) : pattern) };
  });
  return (file) => {
    const segments = file.split("/");
    const candidates = segments.map((_segment, index) => segments.slice(0, index + 1).join("/"));
    let ignored = false;
    for (const { keep, expression } of rules) {
      if (candidates.some((candidate) => expression.test(candidate))) ignored = !keep;
    }
    return ignored;
  };
}

/** Whether something below an ignored folder may come back (`!` patterns), so that the folder still has to be walked. */
export function hasExceptions(patterns: readonly string[]): boolean {
  return patterns.some((pattern) => pattern.startsWith("!"));
}

/** Docker's pattern as a regular expression: `*` and `?` within a name, `**` over folders, `[...]` as in Go. */
function expressionOf(pattern: string): RegExp {
  let source = "^";
  for (let at = 0; at < pattern.length; at++) {
    const char = pattern[at] ?? "";
    if (char === "*" && pattern[at + 1] === "*") {
      at++;
      if (pattern[at + 1] === "/") at++;
      source += at + 1 >= pattern.length ? ".*" : "(.*/)?";
    } else if (char === "*") source += "[^/]*";
    else if (char === "?") source += "[^/]";
    else if (char === "[") {
      const end = pattern.indexOf("]", at + 1);
      source += end < 0 ? "\\[" : pattern.slice(at, end + 1);
      if (end >= 0) at = end;
    } else if (char === "\\") {
      at++;
      source += escaped(pattern[at] ?? "\\");
    } else source += escaped(char);
  }
  return new RegExp(`${source}$`);
}

const escaped = (char: string): string => char.replace(/[.+()|{}^$[\]\\*?]/, "\\$&");
