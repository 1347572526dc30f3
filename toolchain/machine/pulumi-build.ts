import { existsSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, renameSync, rmSync, statSync, writeFileSync } from "node:fs";
import path from "node:path";
import { UserError } from "../lib/errors";
import { exec, formatDuration } from "../lib/exec";
import { cacheDir, executable } from "../lib/paths";
import type { Progress } from "../lib/progress";
import { pulumiVersion } from "../lib/pulumi-cli";
import { goCommand, goToolchain } from "./go";
import { INSTALL_PAGE } from "./official";

const MODULE = "github.com/pulumi/pulumi/pkg/v3";
const VERSION_VARIABLE = "github.com/pulumi/pulumi/sdk/v3/go/common/version.Version";
const DOWNLOAD_TIMEOUT_MS = 10 * 60_000;
/** 3 minutes on 2 cores. */
const BUILD_TIMEOUT_MS = 45 * 60_000;
/** A work directory older than this belongs to a run that was killed. */
const LEFTOVER_MS = 2 * 60 * 60_000;

/** What has to be taken over from the go.mod of the CLI's module. */
export interface GoModule {
  /** Go version it asks for. */
  readonly go: string;
  /** `replace` lines that a module using it must repeat: Go obeys those of the main module alone. */
  readonly replaces: readonly string[];
}

/**
 * Reads what is needed from a go.mod. Replacements by a local directory are left out: those exist in the module's own
 * repository only, where the published module stands in elsewhere.
 */
export function readGoMod(text: string): GoModule {
  const go = /^go\s+(\S+)/m.exec(text)?.[1];
  if (go === undefined) throw new UserError(`the go.mod of ${MODULE} names no Go version`, `install the CLI by hand: ${INSTALL_PAGE}`);
  const blocks = [...text.matchAll(/^replace\s*\(([^)]*)\)/gm)].flatMap((match) => (match[1] ?? "").split("\n"));
  const single = [...text.matchAll(/^replace\s+([^(\s].*)$/gm)].map((match) => match[1] ?? "");
  const replaces = [...blocks, ...single]
    .map((line) => line.replace(/\/\/.*$/, "").trim())
    .filter((line) => line.includes("=>") && !/=>\s*\.{0,2}\//.test(line));
  return { go: go.trim(), replaces };
}

/**
 * A Pulumi CLI built from the Go module proxy, for networks where the download site cannot be reached. Kept in the user's
 * cache directory, so that it is built once for every PULUMI_HOME.
 *
 * @param version without the leading `v`
 * @returns path of the executable in the cache
 */
export async function buildPulumi(version: string, progress: Progress): Promise<string> {
  const target = path.join(cacheDir(), `pulumi-v${version}-${process.platform}-${process.arch}`, executable("pulumi"));
  if (existsSync(target) && pulumiVersion(target) === version) {
    progress.line(`using the one built before, ${target}`);
    return target;
  }
  mkdirSync(path.dirname(target), { recursive: true });
  removeLeftovers();
  const work = mkdtempSync(path.join(cacheDir(), "pulumi-build-"));
  try {
    const draft = path.join(work, executable("pulumi"));
    await build(version, work, draft, progress);
    const built = pulumiVersion(draft);
    if (built !== version)
      throw new UserError(
        `the built CLI says it is ${built ?? "nothing that runs"}, not ${version}`,
        `install the CLI by hand: ${INSTALL_PAGE}`,
      );
    renameSync(draft, target);
    return target;
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}

async function build(version: string, work: string, target: string, progress: Progress): Promise<void> {
  const fix = `see the output; where the Go module proxy cannot be reached, set GOPROXY to one that can, or install the CLI by hand: ${INSTALL_PAGE}`;
  const command = await goCommand(progress);
  writeFileSync(path.join(work, "go.mod"), "module phased-stack/pulumi\n");
  progress.detail("reading the module");
  const { stdout } = await exec(command, ["mod", "download", "-json", `${MODULE}@v${version}`], {
    cwd: work,
    env: { ...process.env, GOFLAGS: goFlags(), GOTOOLCHAIN: "local", GOWORK: "off" },
    timeoutMs: DOWNLOAD_TIMEOUT_MS,
    fix,
  });
  const { GoMod: file } = JSON.parse(stdout) as { GoMod: string };
  const module = readGoMod(readFileSync(file, "utf8"));
  const go = await goToolchain(command, module.go, work, progress);
  const lines = [
    "module phased-stack/pulumi",
    `go ${module.go}`,
    `require ${MODULE} v${version}`,
    ...module.replaces.map((line) => `replace ${line}`),
  ];
  writeFileSync(path.join(work, "go.mod"), `${lines.join("\n")}\n`);
  progress.line(`building it from the Go module proxy, once: about 3 minutes on 2 cores`);
  let packages = 0;
  const flags = `-s -w -X ${VERSION_VARIABLE}=v${version}`;
  const { durationMs } = await exec(go.command, ["build", "-v", "-trimpath", "-ldflags", flags, "-o", target, `${MODULE}/cmd/pulumi`], {
    cwd: work,
    // Without cgo it needs no C compiler; the official binaries are built without it as well.
    env: { ...process.env, ...go.env, CGO_ENABLED: "0", GOFLAGS: goFlags(), GOWORK: "off" },
    timeoutMs: BUILD_TIMEOUT_MS,
    onLine: (line) => {
      if (line.startsWith("go: ")) progress.detail(line);
      else progress.detail(`${++packages} packages compiled, ${line}`);
    },
    fix,
  });
  progress.line(`built in ${formatDuration(durationMs)}`);
}

function removeLeftovers(): void {
  for (const name of readdirSync(cacheDir())) {
    const place = path.join(cacheDir(), name);
    if (!/^(?:pulumi-build|download)-/.test(name) || Date.now() - statSync(place).mtimeMs < LEFTOVER_MS) continue;
    rmSync(place, { recursive: true, force: true });
  }
}

/** The user's own flags stay; go.mod may be completed, because ours names the CLI's module alone. */
function goFlags(): string {
  return [process.env["GOFLAGS"], "-mod=mod"].filter((flag) => flag !== undefined && flag !== "").join(" ");
}
