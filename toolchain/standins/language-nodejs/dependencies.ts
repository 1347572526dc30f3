import { spawn } from "node:child_process";
import fs from "node:fs/promises";
import path from "node:path";

import type { NodeOptions, PackageManager } from "./options";

/** A package that a program depends on. */
export interface Dependency {
  readonly name: string;
  readonly version: string;
}

/** Lockfile → the package manager that wrote it, looked for in this order. */
const lockfiles: readonly (readonly [string, Exclude<PackageManager, "auto">])[] = [
  ["package-lock.json", "npm"],
  ["yarn.lock", "yarn"],
  ["pnpm-lock.yaml", "pnpm"],
  ["bun.lock", "bun"],
];

/** The package manager for a directory: the one named by the options, else the one whose lockfile is there, else npm. */
export async function resolvePackageManager(options: NodeOptions, directory: string): Promise<Exclude<PackageManager, "auto">> {
  if (options.packagemanager !== "auto") return options.packagemanager;
  const present = new Set(await fs.readdir(directory));
  return lockfiles.find(([file]) => present.has(file))?.[1] ?? "npm";
}

interface Manifest {
  readonly dependencies?: Readonly<Record<string, string>>;
  readonly devDependencies?: Readonly<Record<string, string>>;
}

interface Lockfile {
  readonly packages?: Readonly<Record<string, { readonly version?: string; readonly link?: boolean }>>;
}

/**
 * The packages of a program, from its package-lock.json: the direct ones, or all of them.
 * A program without that lockfile is an error: other package managers' lockfiles are read by the official host only.
 */
export async function listDependencies(directory: string, transitive: boolean): Promise<Dependency[]> {
  const lockPath = path.join(directory, "package-lock.json");
  const packages = (await readJson<Lockfile>(lockPath)).packages;
  if (packages === undefined) throw new Error(`${lockPath} has no "packages": run npm install with npm 7 or newer to rewrite it.`);
  const prefix = "node_modules/";
  const installed = Object.entries(packages).filter(([location]) => location.includes(prefix));
  if (transitive) {
    return installed.map(([location, { version }]) => ({
      name: location.slice(location.lastIndexOf(prefix) + prefix.length),
      version: version ?? "",
    }));
  }
  const manifest = await readJson<Manifest>(path.join(directory, "package.json"));
  return Object.keys({ ...manifest.dependencies, ...manifest.devDependencies }).map((name) => ({
    name,
    version: packages[`${prefix}${name}`]?.version ?? "",
  }));
}

async function readJson<T>(file: string): Promise<T> {
  return JSON.parse(await fs.readFile(file, "utf8")) as T;
}

/** Installs a directory's packages, handing on what the package manager prints; rejects when it fails. */
export async function installDependencies(
  directory: string,
  options: NodeOptions,
  output: { stdout: (chunk: Buffer) => void; stderr: (chunk: Buffer) => void },
): Promise<void> {
  const manager = await resolvePackageManager(options, directory);
  const args = ["install", ...(options.production ? ["--production"] : []), ...(manager === "npm" ? ["--loglevel=error"] : [])];
  const child = spawn(manager, args, { cwd: directory, stdio: ["ignore", "pipe", "pipe"] });
  child.stdout.on("data", output.stdout);
  child.stderr.on("data", output.stderr);
  const code = await new Promise<number | null>((resolve, reject) => {
    child.once("error", (error: NodeJS.ErrnoException) => {
      reject(
        error.code === "ENOENT"
          ? new Error(`could not find ${manager} on the $PATH: install it, or set packagemanager in Pulumi.yaml`)
          : error,
      );
    });
    child.once("close", resolve);
  });
  if (code !== 0) throw new Error(`${manager} ${args.join(" ")} in ${directory} failed with exit code ${String(code)}`);
}
