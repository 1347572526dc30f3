import { mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, statSync, writeFileSync } from "node:fs";
import path from "node:path";
import { UserError } from "../lib/errors";
import { exec, formatDuration } from "../lib/exec";
import { cacheDir } from "../lib/paths";
import type { Progress } from "../lib/progress";
import { type Go, goCommand, goToolchain } from "./go";

const DOWNLOAD_TIMEOUT_MS = 10 * 60_000;
/** The longest of them takes 5 minutes on 2 cores. */
const BUILD_TIMEOUT_MS = 45 * 60_000;
/** A work directory older than this belongs to a run that was killed. */
const LEFTOVER_MS = 2 * 60 * 60_000;

/** What of a module's go.mod a module that uses it has to say itself. */
export interface GoModule {
  /** Go version it asks for. */
  readonly go: string;
  /** `replace` lines that a module using it must repeat: Go obeys those of the main module alone. */
  readonly replaces: readonly string[];
  /** Modules that are a directory of its repository there; elsewhere a published version has to stand in. */
  readonly directories: readonly string[];
}

/** Programs to be built from one module of the Go module proxy. */
export interface GoPrograms {
  /** Name in messages, e.g. `the Pulumi CLI`. */
  readonly what: string;
  readonly module: string;
  /** With the leading `v`. */
  readonly version: string;
  /** Packages with a `main`. */
  readonly packages: readonly string[];
  /** More `replace` lines than the module's own that lead to other modules. @default none */
  readonly replaces?: (module: GoModule) => readonly string[];
  /** More files of the module that is built, by their path in it, for packages of its own. @default none */
  readonly sources?: Readonly<Record<string, string>>;
  /** @default without symbols */
  readonly ldflags?: string;
  /** How long it takes, e.g. `about 3 minutes on 2 cores`. */
  readonly takes: string;
  /** What to do by hand when it fails, after what is said of the proxy. */
  readonly fix: string;
}

/** @param module its name, for errors @throws UserError when it names no version of Go */
export function readGoMod(text: string, module: string, fix: string): GoModule {
  const go = /^go\s+(\S+)/m.exec(text)?.[1];
  if (go === undefined) throw new UserError(`the go.mod of ${module} names no Go version`, fix);
  const blocks = [...text.matchAll(/^replace\s*\(([^)]*)\)/gm)].flatMap((match) => (match[1] ?? "").split("\n"));
  const single = [...text.matchAll(/^replace\s+([^(\s].*)$/gm)].map((match) => match[1] ?? "");
  const lines = [...blocks, ...single].map((line) => line.replace(/\/\/.*$/, "").trim()).filter((line) => line.includes("=>"));
  const isDirectory = (line: string): boolean => /=>\s*\.{0,2}\//.test(line);
  return {
    go: go.trim(),
    replaces: lines.filter((line) => !isDirectory(line)),
    directories: lines.filter(isDirectory).map((line) => line.split(/\s/)[0] ?? line),
  };
}

/**
 * Runs `work` in a directory of its own inside of the cache, from where what it makes can be renamed to its place. The directory is gone
 * afterwards, also after a failure or Ctrl-C; those of runs that were killed go with the next one.
 */
export async function inWorkDirectory<T>(name: string, work: (directory: string) => Promise<T>): Promise<T> {
  mkdirSync(cacheDir(), { recursive: true });
  removeLeftovers();
  const directory = mkdtempSync(path.join(cacheDir(), `${name}-build-`));
  try {
    return await work(directory);
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

/** Where the Go module proxy's copy of a module is on this machine. @param module e.g. `sigs.k8s.io/karpenter@v1.8.0` */
export async function goDownload(
  go: Go,
  module: string,
  options: { readonly work: string; readonly fix: string },
): Promise<{ readonly GoMod: string; readonly Dir: string }> {
  const { stdout } = await exec(go.command, ["mod", "download", "-json", module], {
    cwd: options.work,
    env: { ...process.env, ...go.env, GOFLAGS: goFlags(), GOWORK: "off" },
    timeoutMs: DOWNLOAD_TIMEOUT_MS,
    fix: proxyFix(options.fix),
  });
  return JSON.parse(stdout) as { GoMod: string; Dir: string };
}

/**
 * Builds programs of a module.
 * @param output the executable, or with several programs an existing directory for them
 * @param work an empty directory, see {@link inWorkDirectory}
 * @returns the Go that built them
 */
export async function goBuild(programs: GoPrograms, output: string, work: string, progress: Progress): Promise<Go> {
  const { what, module: name, version } = programs;
  const command = await goCommand(what, progress);
  writeFileSync(path.join(work, "go.mod"), "module phased-stack/build\n");
  progress.detail("reading the module");
  const found: Go = { command, env: { GOTOOLCHAIN: "local" } };
  const { GoMod } = await goDownload(found, `${name}@${version}`, { work, fix: programs.fix });
  const module = readGoMod(readFileSync(GoMod, "utf8"), name, programs.fix);
  const go = await goToolchain(command, module.go, work, progress);
  const replaces = [...module.replaces, ...(programs.replaces?.(module) ?? [])].map((line) => `replace ${line}`);
  const lines = ["module phased-stack/build", `go ${module.go}`, `require ${name} ${version}`, ...replaces];
  writeFileSync(path.join(work, "go.mod"), `${lines.join("\n")}\n`);
  for (const [file, text] of Object.entries(programs.sources ?? {})) {
    mkdirSync(path.dirname(path.join(work, file)), { recursive: true });
    writeFileSync(path.join(work, file), text);
  }
  progress.line(`building from the Go module proxy, once: ${programs.takes}`);
  let compiled = 0;
  const ldflags = programs.ldflags ?? "-s -w";
  const { durationMs } = await exec(go.command, ["build", "-v", "-trimpath", "-ldflags", ldflags, "-o", output, ...programs.packages], {
    cwd: work,
    // Without cgo they need no C compiler; official binaries are built without it as well.
    env: { ...process.env, ...go.env, CGO_ENABLED: "0", GOFLAGS: goFlags(), GOWORK: "off" },
    timeoutMs: BUILD_TIMEOUT_MS,
    onLine: (line) => {
      if (line.startsWith("go: ")) progress.detail(line);
      else progress.detail(`${++compiled} packages compiled, ${line}`);
    },
    fix: proxyFix(programs.fix),
  });
  progress.line(`built in ${formatDuration(durationMs)}`);
  return go;
}

const proxyFix = (fix: string): string =>
  `see the output; where the Go module proxy cannot be reached, set GOPROXY to one that can, or ${fix}`;

function removeLeftovers(): void {
  for (const name of readdirSync(cacheDir())) {
    const place = path.join(cacheDir(), name);
    if (!/^(?:[a-z-]+-build|download)-/.test(name) || Date.now() - statSync(place).mtimeMs < LEFTOVER_MS) continue;
    rmSync(place, { recursive: true, force: true });
  }
}

/** The user's own flags stay; go.mod may be completed, because ours names one module alone. */
function goFlags(): string {
  return [process.env["GOFLAGS"], "-mod=mod"].filter((flag) => flag !== undefined && flag !== "").join(" ");
}
