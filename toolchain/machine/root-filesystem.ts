import { createHash } from "node:crypto";
import { createReadStream, existsSync, mkdirSync, readFileSync, readdirSync, renameSync, rmSync, statSync, writeFileSync } from "node:fs";
import path from "node:path";
import { pipeline } from "node:stream/promises";
import { UserError } from "../lib/errors";
import { exec, which } from "../lib/exec";
import { cacheDir } from "../lib/paths";
import type { Progress } from "../lib/progress";
import { parseSources, type Mirrors } from "./apt-sources";
import { aptInstall, thisHost } from "./host";

const SUITE = "trixie";
/** After this the archive is made anew, so that stand-ins get Debian's point releases like the official images. */
const STALE_AFTER_MS = 30 * 24 * 60 * 60_000;
/** 25 s on 2 cores with a near mirror. */
const DEBOOTSTRAP_TIMEOUT_MS = 15 * 60_000;
const TAR_TIMEOUT_MS = 5 * 60_000;

/** What the official slim images leave out as well; copyright files stay. */
const LEFT_OUT = [
  "./dev/*",
  "./proc/*",
  "./sys/*",
  "./run/*",
  "./tmp/*",
  "./debootstrap",
  "./etc/resolv.conf",
  "./etc/hostname",
  "./usr/share/man/*",
  "./usr/share/info/*",
  "./usr/share/locale/*",
  "./usr/share/groff/*",
  "./usr/share/lintian/*",
  "./usr/share/linda/*",
  "./var/cache/apt/archives/*.deb",
  "./var/cache/apt/*.bin",
  "./var/cache/ldconfig/*",
  "./var/lib/apt/lists/*",
  "./var/log/*",
];

/**
 * A gzipped root file system of Debian trixie ("minbase", trimmed like the official slim image) from Debian's packages.
 * Kept in the user's cache directory with its checksum and made anew after 30 days.
 *
 * @returns path of the archive
 */
export async function rootFilesystem(progress: Progress): Promise<string> {
  const directory = cacheDir();
  mkdirSync(directory, { recursive: true });
  removeLeftovers(directory);
  const archive = path.join(directory, `rootfs-${SUITE}-${process.arch}.tar.gz`);
  if (await isUsable(archive)) {
    progress.detail(`using ${archive}`);
    return archive;
  }
  const work = path.join(directory, `rootfs-${SUITE}.${process.pid}.work`);
  const draft = `${archive}.${process.pid}.new`;
  try {
    await build(work, draft, progress);
    // The checksum first: an archive without a fitting one counts as absent.
    writeFileSync(`${archive}.sha256`, `${await sha256(draft)}\n`);
    renameSync(draft, archive);
    return archive;
  } finally {
    rmSync(draft, { force: true });
    await removeTree(work);
  }
}

/** True if the archive is there, whole and younger than 30 days. */
export async function isUsable(archive: string, now: number = Date.now()): Promise<boolean> {
  if (!existsSync(archive) || !existsSync(`${archive}.sha256`)) return false;
  if (now - statSync(archive).mtimeMs > STALE_AFTER_MS) return false;
  return (await sha256(archive)) === readFileSync(`${archive}.sha256`, "utf8").trim();
}

async function build(work: string, archive: string, progress: Progress): Promise<void> {
  const host = thisHost();
  if (!host.debian || !host.root) {
    throw new UserError(
      `a stand-in for debian:${SUITE}-slim can only be built as root on Debian or Ubuntu`,
      `run as root, or load the image from a machine that can pull it: docker save debian:${SUITE}-slim | ssh THIS_MACHINE docker load`,
    );
  }
  if (!which("debootstrap") || !existsSync("/usr/share/keyrings/debian-archive-keyring.gpg")) {
    await aptInstall(["debootstrap", "debian-archive-keyring"], progress);
  }
  const mirrors = await readMirrors();
  progress.detail("debootstrap");
  const keyring = ["--keyring=/usr/share/keyrings/debian-archive-keyring.gpg"];
  // Without an address debootstrap takes Debian's own default mirror.
  const mirror = mirrors.main === undefined ? [] : [mirrors.main];
  await exec("debootstrap", ["--variant=minbase", ...keyring, SUITE, work, ...mirror], {
    timeoutMs: DEBOOTSTRAP_TIMEOUT_MS,
    env: { ...process.env, LC_ALL: "C.UTF-8" },
    onLine: progress.detail,
    fix: `the log is ${work}/debootstrap/debootstrap.log; by hand: debootstrap --variant=minbase ${SUITE} DIR ${mirror.join("")} && tar -C DIR -c . | docker import - debian:${SUITE}-slim`,
  });
  writeConfiguration(work, mirrors);
  progress.detail("packing the root file system");
  const excludes = LEFT_OUT.map((pattern) => `--exclude=${pattern}`);
  const documents = ["--exclude=./usr/share/doc/*/changelog*", "--exclude=./usr/share/doc/*/NEWS*", "--exclude=./usr/share/doc/*/README*"];
  await exec(
    "tar",
    ["--numeric-owner", "--one-file-system", ...excludes, ...documents, "--use-compress-program=gzip -1", "-cf", archive, "-C", work, "."],
    {
      timeoutMs: TAR_TIMEOUT_MS,
      fix: `check the free space of ${path.dirname(archive)}`,
    },
  );
}

/** The small settings by which the official image differs from a plain minbase system. */
function writeConfiguration(work: string, mirrors: Mirrors): void {
  const write = (file: string, text: string, mode = 0o644): void => {
    mkdirSync(path.join(work, path.dirname(file)), { recursive: true });
    writeFileSync(path.join(work, file), text, { mode });
  };
  const keyring = "Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg";
  const stanza = (uri: string, suites: string): string => `Types: deb\nURIs: ${uri}\nSuites: ${suites}\nComponents: main\n${keyring}\n`;
  const main = mirrors.main ?? debootstrapMirror(work);
  rmSync(path.join(work, "etc/apt/sources.list"), { force: true });
  const stanzas = [
    stanza(main, `${SUITE} ${SUITE}-updates`),
    ...(mirrors.security === undefined ? [] : [stanza(mirrors.security, `${SUITE}-security`)]),
  ];
  write("etc/apt/sources.list.d/debian.sources", stanzas.join("\n"));
  // Services are never started by package scripts inside an image build.
  write("usr/sbin/policy-rc.d", "#!/bin/sh\nexit 101\n", 0o755);
  const excluded = ["man", "info", "locale", "groff", "lintian", "linda"].map((name) => `path-exclude /usr/share/${name}/*`);
  write(
    "etc/dpkg/dpkg.cfg.d/docker",
    ["force-unsafe-io", "path-exclude /usr/share/doc/*", "path-include /usr/share/doc/*/copyright", ...excluded, ""].join("\n"),
  );
  const clean = "rm -f /var/cache/apt/archives/*.deb /var/cache/apt/archives/partial/*.deb /var/cache/apt/*.bin || true";
  write("etc/apt/apt.conf.d/docker-clean", `DPkg::Post-Invoke { "${clean}"; };\nAPT::Update::Post-Invoke { "${clean}"; };\n`);
  write("etc/apt/apt.conf.d/docker-no-languages", 'Acquire::Languages "none";\n');
  write("etc/machine-id", "");
}

function debootstrapMirror(work: string): string {
  const line = /^deb (?:\[[^\]]*\] )?(\S+)/m.exec(readFileSync(path.join(work, "etc/apt/sources.list"), "utf8"));
  if (!line?.[1]) throw new Error("debootstrap wrote no package source");
  return line[1];
}

/** The Debian mirrors this host uses: on a restricted network perhaps the only ones that can be reached. */
async function readMirrors(): Promise<Mirrors> {
  const format = "$(REPO_URI)|$(RELEASE)|$(ORIGIN)";
  const { stdout } = await exec("apt-get", ["indextargets", "--format", format, "Created-By: Packages"], {
    timeoutMs: 30_000,
    check: false,
  });
  return parseSources(stdout);
}

async function sha256(file: string): Promise<string> {
  const hash = createHash("sha256");
  await pipeline(createReadStream(file), hash);
  return hash.digest("hex");
}

/** Work directories of runs that were killed; those of a run that still lives are left alone. */
function removeLeftovers(directory: string): void {
  for (const name of readdirSync(directory)) {
    const pid = /^rootfs-.*\.(\d+)\.(?:work|new)$/.exec(name)?.[1];
    if (pid === undefined || isAlive(Number(pid))) continue;
    const leftover = path.join(directory, name);
    if (mountsBelow(leftover).length === 0) rmSync(leftover, { recursive: true, force: true });
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EPERM";
  }
}

/** Removes a tree made by debootstrap; what it may have left mounted in there is unmounted first, never deleted through. */
async function removeTree(tree: string): Promise<void> {
  if (!existsSync(tree)) return;
  for (const mount of mountsBelow(tree)) await unmount(mount);
  if (mountsBelow(tree).length > 0)
    throw new UserError(`${tree} cannot be removed: something is mounted in it`, `umount ${mountsBelow(tree).join(" ")} && rm -r ${tree}`);
  rmSync(tree, { recursive: true, force: true });
}

async function unmount(mount: string): Promise<void> {
  const { spawnSync } = await import("node:child_process");
  // Not through exec(): this runs after Ctrl-C as well.
  spawnSync("umount", [mount], { timeout: 10_000 });
}

function mountsBelow(tree: string): string[] {
  return readFileSync("/proc/mounts", "utf8")
    .split("\n")
    .map((line) => line.split(" ")[1] ?? "")
    .filter((mount) => mount.startsWith(`${tree}/`))
    .sort((a, b) => b.length - a.length);
}
