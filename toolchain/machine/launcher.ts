import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, readdirSync, renameSync, rmSync, statSync } from "node:fs";
import path from "node:path";
import { UserError } from "../lib/errors";
import { BUILD_DIR, ROOT, executable } from "../lib/paths";
import { quoteForShell } from "../lib/shell";
import { writeInOneStep } from "./files";

const SOURCES = path.join(ROOT, "toolchain", "standins");
const BUNDLES = path.join(BUILD_DIR, "standins");
/** Second line of every launcher: how a stand-in is told from an official executable. */
const MARKER = "# phased-stack stand-in";
/** The marker lies in the first lines; official executables have 20 MB and more. */
const LAUNCHER_MAX_BYTES = 8_192;

const KEEP_BUNDLES_MS = 30 * 24 * 60 * 60_000;

/** What lies where an executable of a plugin or language host is expected. */
export type Installed = "absent" | "official" | "stand-in" | "outdated stand-in";

/** Looks at an executable. "outdated" is a stand-in of another clone or of other sources than now. */
export function inspectExecutable(file: string, name: string): Installed {
  if (!existsSync(file)) return "absent";
  if (statSync(file).size > LAUNCHER_MAX_BYTES) return "official";
  const text = readFileSync(file, "utf8");
  if (!text.split("\n").some((line) => line.startsWith(MARKER))) return "official";
  const bundle = bundlePath(name);
  return text === launcherText(name, bundle) && existsSync(bundle) ? "stand-in" : "outdated stand-in";
}

/**
 * Installs the stand-in `name` (a directory of toolchain/standins) as the executable `target`. Its sources are bundled into
 * one file first: it then starts in a fraction of the time that compiling them on every start takes.
 */
export async function installLauncher(name: string, target: string): Promise<void> {
  if (process.platform === "win32") {
    throw new UserError(
      `there is no stand-in for ${name} on Windows`,
      "use WSL, or a network from which the official one can be downloaded",
    );
  }
  const bundle = bundlePath(name);
  if (!existsSync(bundle)) await writeBundle(name, bundle);
  writeInOneStep(target, launcherText(name, bundle), 0o755);
}

/** The launcher: a shell script, because the engine starts plugins by a fixed name and passes only its own arguments. */
export function launcherText(name: string, bundle: string, root: string = ROOT): string {
  const node = path.join(root, "node_modules", "node", "bin", executable("node"));
  const [quotedNode, quotedBundle] = [quoteForShell(node), quoteForShell(bundle)];
  return [
    "#!/bin/sh",
    `${MARKER} for ${name}; "npm run prepare-machine -- --official" replaces it by the official one where that can be downloaded`,
    `if [ ! -x ${quotedNode} ] || [ ! -f ${quotedBundle} ]; then`,
    `  echo "the stand-in for ${name} belongs to a clone that is gone or not prepared; run there or in another clone: npm run prepare-machine" >&2`,
    "  exit 1",
    "fi",
    // V8 keeps its compiled form there: half the start-up time of a plugin is compiling the SDK.
    `export NODE_COMPILE_CACHE=${quoteForShell(path.join(path.dirname(bundle), "compile-cache"))}`,
    `exec ${quotedNode} ${quotedBundle} "$@"`,
    "",
  ].join("\n");
}

/** The bundle for the sources as they are now; its name changes with them. */
export function bundlePath(name: string): string {
  return path.join(BUNDLES, `${name}-${sourceHash()}.js`);
}

let hash: string | undefined;

/** Hash of all that goes into a bundle: the stand-ins' sources and the lockfile. */
function sourceHash(): string {
  if (hash !== undefined) return hash;
  const digest = createHash("sha256");
  const files = readdirSync(SOURCES, { recursive: true, encoding: "utf8" }).sort();
  for (const file of [...files.map((name) => path.join(SOURCES, name)), path.join(ROOT, "package-lock.json")]) {
    if (!statSync(file).isFile()) continue;
    digest.update(path.relative(ROOT, file)).update("\0").update(readFileSync(file)).update("\0");
  }
  hash = digest.digest("hex").slice(0, 16);
  return hash;
}

async function writeBundle(name: string, target: string): Promise<void> {
  const { build } = await import("esbuild");
  mkdirSync(path.dirname(target), { recursive: true });
  const draft = `${target}.${process.pid}.new`;
  try {
    await build({
      entryPoints: [path.join(SOURCES, name, "main.ts")],
      outfile: draft,
      bundle: true,
      platform: "node",
      target: "node24",
      format: "cjs",
      // Packages are taken from node_modules when it runs: the SDK loads parts of itself by computed names.
      packages: "external",
      logLevel: "silent",
    });
    renameSync(draft, target);
  } finally {
    rmSync(draft, { force: true });
  }
  removeOldBundles(name, target);
}

/** Bundles of former sources stay for a while: launchers of another PULUMI_HOME may still name them. */
function removeOldBundles(name: string, current: string): void {
  const pattern = new RegExp(`^${name}-[0-9a-f]{16}\\.js$`);
  for (const file of readdirSync(BUNDLES).filter((entry) => pattern.test(entry))) {
    const place = path.join(BUNDLES, file);
    if (place !== current && Date.now() - statSync(place).mtimeMs > KEEP_BUNDLES_MS) rmSync(place, { force: true });
  }
}
