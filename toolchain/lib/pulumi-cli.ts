import { spawnSync } from "node:child_process";
import { mkdirSync, readFileSync, realpathSync, renameSync, statSync, writeFileSync } from "node:fs";
import path from "node:path";
import { BUILD_DIR, ROOT, executable, pulumiHome } from "./paths";
import { isExecutable, whichAll } from "./which";

/** `pulumi version` takes 0.2 s. */
const VERSION_TIMEOUT_MS = 20_000;
const MEMO = path.join(BUILD_DIR, "pulumi-versions.json");

/** A Pulumi CLI on this machine. */
export interface PulumiCli {
  readonly file: string;
  /** Without the leading `v`. */
  readonly version: string;
}

/** Version of an npm package of this project as installed, e.g. `packageVersion("@pulumi/pulumi")`. */
export function packageVersion(name: string, root: string = ROOT): string {
  const file = path.join(root, "node_modules", ...name.split("/"), "package.json");
  return (JSON.parse(readFileSync(file, "utf8")) as { version: string }).version;
}

/**
 * True if a CLI of that version runs this project: the same major version and at least the minor version of the pinned
 * @pulumi/pulumi. An older engine may lack what the SDK asks of it; newer ones keep to the protocol within a major version.
 */
export function isCompatible(version: string, pinned: string): boolean {
  const found = /^v?(\d+)\.(\d+)\.(\d+)/.exec(version);
  const wanted = /^v?(\d+)\.(\d+)\.(\d+)/.exec(pinned);
  if (!found || !wanted) return false;
  return found[1] === wanted[1] && Number(found[2]) >= Number(wanted[2]);
}

/** Candidates in the order in which they are considered: every `pulumi` on PATH, then `$PULUMI_HOME/bin`. */
export function pulumiCandidates(env: Readonly<Record<string, string | undefined>> = process.env): string[] {
  const own = path.join(pulumiHome(env), "bin", executable("pulumi"));
  const first = whichAll("pulumi", env["PATH"] ?? "")[0];
  return [...new Set([first, own].filter((file) => file !== undefined && isExecutable(file)))] as string[];
}

/** The first compatible Pulumi CLI of this machine, or undefined. */
export function choosePulumi(env: Readonly<Record<string, string | undefined>> = process.env): PulumiCli | undefined {
  const pinned = packageVersion("@pulumi/pulumi");
  for (const file of pulumiCandidates(env)) {
    const version = pulumiVersion(file);
    if (version !== undefined && isCompatible(version, pinned)) return { file, version };
  }
  return undefined;
}

/**
 * Version of a `pulumi` executable, or undefined when it does not run. The answer is remembered for as long as the very same
 * file (inode, size, time of change) is there, because asking takes 0.2 s of every command.
 */
export function pulumiVersion(file: string): string | undefined {
  const real = realpathSync(file);
  const { ino, size, mtimeMs, ctimeMs } = statSync(real);
  const key = [real, ino, size, mtimeMs, ctimeMs].join(" ");
  const memo = readMemo();
  const known = memo[key];
  if (known !== undefined) return known;
  const result = spawnSync(real, ["version"], {
    encoding: "utf8",
    timeout: VERSION_TIMEOUT_MS,
    env: { ...process.env, PULUMI_SKIP_UPDATE_CHECK: "true" },
  });
  const version = result.status === 0 ? /^v?(\d+\.\d+\.\d+\S*)/.exec(result.stdout.trim())?.[1] : undefined;
  if (version !== undefined) writeMemo({ ...memo, [key]: version });
  return version;
}

function readMemo(): Partial<Record<string, string>> {
  try {
    return JSON.parse(readFileSync(MEMO, "utf8")) as Partial<Record<string, string>>;
  } catch {
    // Missing or damaged: it is only a memo, the program itself is asked again.
    return {};
  }
}

function writeMemo(memo: Partial<Record<string, string>>): void {
  mkdirSync(path.dirname(MEMO), { recursive: true });
  const draft = `${MEMO}.${process.pid}`;
  // The last few are enough; files of former versions need no entry.
  writeFileSync(draft, JSON.stringify(Object.fromEntries(Object.entries(memo).slice(-8))));
  renameSync(draft, MEMO);
}
