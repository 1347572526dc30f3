import { createHash } from "node:crypto";
import { createReadStream, existsSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync } from "node:fs";
import { connect } from "node:net";
import path from "node:path";
import { pipeline } from "node:stream/promises";
import { UserError } from "../lib/errors";
import { ExecError, exec } from "../lib/exec";
import { stopIfInterrupted } from "../lib/interrupt";
import { cacheDir } from "../lib/paths";
import type { Progress } from "../lib/progress";

const RELEASES = "https://get.pulumi.com/releases/sdk";
/** 60 MB at a slow 100 kB/s. */
const DOWNLOAD_TIMEOUT_MS = 10 * 60_000;
const UNPACK_TIMEOUT_MS = 2 * 60_000;
const PROBE_TIMEOUT_MS = 3_000;
/** Where `pulumi plugin install` looks, in its order. */
const PLUGIN_SOURCES = ["api.github.com", "get.pulumi.com"];

const ARCHITECTURES: Partial<Record<NodeJS.Architecture, string>> = { x64: "x64", arm64: "arm64" };
const SYSTEMS: Partial<Record<NodeJS.Platform, string>> = { linux: "linux", darwin: "darwin", win32: "windows" };

/** Names of a release of the Pulumi CLI on its download site. */
export interface Release {
  readonly archive: string;
  readonly url: string;
  readonly checksums: string;
}

/**
 * The release archive for a platform, or undefined where Pulumi publishes none.
 * @param version without the leading `v`
 */
export function releaseFor(
  version: string,
  platform: NodeJS.Platform = process.platform,
  arch: NodeJS.Architecture = process.arch,
): Release | undefined {
  const system = SYSTEMS[platform];
  const cpu = ARCHITECTURES[arch];
  if (system === undefined || cpu === undefined) return undefined;
  const archive = `pulumi-v${version}-${system}-${cpu}.${platform === "win32" ? "zip" : "tar.gz"}`;
  return { archive, url: `${RELEASES}/${archive}`, checksums: `${RELEASES}/pulumi-${version}-checksums.txt` };
}

/** The SHA-256 of a file in a checksums file (`HASH  NAME` a line), in lower case. */
export function checksumOf(checksums: string, name: string): string | undefined {
  for (const line of checksums.split("\n")) {
    const [hash = "", file = ""] = line.trim().split(/\s+\*?/);
    if (file === name && /^[0-9a-f]{64}$/i.test(hash)) return hash.toLowerCase();
  }
  return undefined;
}

/** Why an official download was not possible; the caller goes on with the next way. */
export class Unavailable extends Error {
  override readonly name = "Unavailable";
}

const unpacked = new Map<string, Promise<string>>();

/**
 * Downloads the official CLI release with its language hosts, verified by its published checksum. One attempt a run: the CLI
 * and the language host both come from it.
 *
 * @returns directory holding `pulumi`, `pulumi-language-nodejs` and others; removed by {@link removeDownloads}
 * @throws Unavailable when the site cannot be reached or has no such release; UserError when what came is not what was published
 */
export function officialRelease(version: string, progress: Progress): Promise<string> {
  let attempt = unpacked.get(version);
  if (!attempt) {
    attempt = downloadRelease(releaseFor(version), progress);
    unpacked.set(version, attempt);
  }
  return attempt;
}

/** Removes the unpacked releases of this run. */
export async function removeDownloads(): Promise<void> {
  for (const attempt of unpacked.values()) {
    const directory = await attempt.catch(() => undefined);
    if (directory !== undefined) rmSync(path.dirname(directory), { recursive: true, force: true });
  }
  unpacked.clear();
}

/** Downloads, verifies and unpacks one release; what {@link officialRelease} does once a run. */
export async function downloadRelease(release: Release | undefined, progress: Progress): Promise<string> {
  if (!release) throw new Unavailable(`there is no official release for ${process.platform} ${process.arch}`);
  mkdirSync(cacheDir(), { recursive: true });
  const work = mkdtempSync(path.join(cacheDir(), "download-"));
  try {
    const archive = path.join(work, release.archive);
    progress.detail(`downloading ${release.url}`);
    await fetchFile(release.url, archive, progress);
    await verify(release, archive, work, progress);
    // bsdtar of Windows unpacks zip files as well.
    await exec("tar", ["-xf", archive, "-C", work], { timeoutMs: UNPACK_TIMEOUT_MS, fix: `check the free space of ${work}` });
    rmSync(archive);
    const directory = [path.join(work, "pulumi", "bin"), path.join(work, "pulumi")].find(
      (place) => existsSync(place) && readdirSync(place).some((name) => /^pulumi(\.exe)?$/.test(name)),
    );
    if (directory === undefined)
      throw new UserError(`${release.url} holds no pulumi executable`, `install the CLI by hand: ${INSTALL_PAGE}`);
    return directory;
  } catch (error) {
    rmSync(work, { recursive: true, force: true });
    throw error;
  }
}

/** Where the CLI's own instructions are, for messages. */
export const INSTALL_PAGE = "https://www.pulumi.com/docs/install/";

async function verify(release: Release, archive: string, work: string, progress: Progress): Promise<void> {
  const list = path.join(work, "checksums.txt");
  try {
    await fetchFile(release.checksums, list, progress);
  } catch (error) {
    if (!(error instanceof Unavailable)) throw error;
    progress.line(`its checksums cannot be fetched (${error.message}); going by the transport's own protection (https)`);
    return;
  }
  const expected = checksumOf(readFileSync(list, "utf8"), release.archive);
  if (expected === undefined) {
    progress.line(`${release.checksums} does not list ${release.archive}; going by the transport's own protection (https)`);
    return;
  }
  const hash = createHash("sha256");
  await pipeline(createReadStream(archive), hash);
  const actual = hash.digest("hex");
  if (actual !== expected) {
    throw new UserError(
      `${release.url} is damaged or was tampered with: its SHA-256 is ${actual}, published is ${expected}`,
      `try again on another network, or install the CLI by hand: ${INSTALL_PAGE}`,
    );
  }
}

async function fetchFile(url: string, target: string, progress: Progress): Promise<void> {
  try {
    await exec(process.execPath, ["--use-env-proxy", path.join(__dirname, "fetch.mjs"), url, target], {
      timeoutMs: DOWNLOAD_TIMEOUT_MS,
      onLine: (line) => progress.detail(`downloading, ${line}`),
    });
  } catch (error) {
    stopIfInterrupted();
    if (error instanceof ExecError) throw new Unavailable(error.tail.split("\n").at(-1) || error.message.split("\n")[0]);
    throw error;
  }
}

let reachable: Promise<boolean> | undefined;

/**
 * True if the places official plugins come from can be connected to, so that a restricted network costs at most 3 s and not
 * the retries of `pulumi plugin install`. Behind a proxy nothing can be told from here: then true. Asked once a run.
 */
export function pluginSourceReachable(env: NodeJS.ProcessEnv = process.env): Promise<boolean> {
  reachable ??= env["HTTPS_PROXY"] || env["https_proxy"] ? Promise.resolve(true) : anyConnects(PLUGIN_SOURCES);
  return reachable;
}

async function anyConnects(hosts: readonly string[]): Promise<boolean> {
  const attempts = hosts.map((host) => connects(host, 443, PROBE_TIMEOUT_MS));
  return (await Promise.all(attempts)).some(Boolean);
}

/** True if a TCP connection can be opened within the time limit. */
export function connects(host: string, port: number, timeoutMs: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host, port });
    const finish = (result: boolean): void => {
      clearTimeout(limit);
      socket.destroy();
      resolve(result);
    };
    const limit = setTimeout(() => finish(false), timeoutMs);
    socket.once("connect", () => finish(true)).once("error", () => finish(false));
  });
}
