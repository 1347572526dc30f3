/** The `runtime.options` of Pulumi.yaml that the Node language host knows. */
export interface NodeOptions {
  /** Run TypeScript through ts-node inside Pulumi's own loader. @default true, as the official host has it */
  readonly typescript: boolean;
  /** Path of the tsconfig.json for ts-node. */
  readonly tsconfig: string | undefined;
  /** Arguments of the `node` process, as one shell-like string. @default "" */
  readonly nodeargs: string;
  /** What installs dependencies. @default "auto" (by lockfile, else npm) */
  readonly packagemanager: PackageManager;
  /** Leave out development dependencies when installing. @default false */
  readonly production: boolean;
}

const packageManagers = ["auto", "npm", "yarn", "pnpm", "bun"] as const;
/** A package manager that the option `packagemanager` may name. */
export type PackageManager = (typeof packageManagers)[number];

/** Validates the runtime options of Pulumi.yaml; the messages are those of the official host. */
export function parseNodeOptions(options: Readonly<Record<string, unknown>>): NodeOptions {
  const typed = <T>(key: string, kind: "string" | "boolean", fallback: T): T => {
    const value = options[key];
    if (value === undefined) return fallback;
    if (typeof value !== kind) throw new Error(`${key} option must be a ${kind}`);
    return value as T;
  };
  const packagemanager = typed<string>("packagemanager", "string", "auto");
  if (!isPackageManager(packagemanager)) {
    throw new Error(`packagemanager option must be one of auto, npm, yarn, pnpm or bun, got "${packagemanager}"`);
  }
  return {
    typescript: typed("typescript", "boolean", true),
    tsconfig: typed<string | undefined>("tsconfig", "string", undefined),
    nodeargs: typed("nodeargs", "string", ""),
    packagemanager,
    production: typed("production", "boolean", false),
  };
}

function isPackageManager(name: string): name is PackageManager {
  return (packageManagers as readonly string[]).includes(name);
}

/**
 * Splits a command line into words as a POSIX shell would: blanks separate, single quotes keep everything, double quotes and backslashes
 * escape, `#` at the start of a word begins a comment. Nothing is expanded.
 */
export function splitWords(line: string): string[] {
  const words: string[] = [];
  let word: string | undefined;
  let quote: '"' | "'" | undefined;
  for (let at = 0; at < line.length; at++) {
    const char = line.charAt(at);
    if (quote === "'") {
      if (char === "'") quote = undefined;
      else word = (word ?? "") + char;
    } else if (char === "\\") {
      at++;
      if (at === line.length) throw new Error(`nodeargs option "${line}" ends in a lone backslash`);
      word = (word ?? "") + line.charAt(at);
    } else if (quote === '"') {
      if (char === '"') quote = undefined;
      else word = (word ?? "") + char;
    } else if (char === '"' || char === "'") {
      quote = char;
      word ??= "";
    } else if (/\s/.test(char)) {
      if (word !== undefined) words.push(word);
      word = undefined;
    } else if (char === "#" && word === undefined) {
      const end = line.indexOf("\n", at);
      at = end === -1 ? line.length : end;
    } else {
      word = (word ?? "") + char;
    }
  }
  if (quote !== undefined) throw new Error(`nodeargs option "${line}" has an opening ${quote} without a closing one`);
  if (word !== undefined) words.push(word);
  return words;
}
