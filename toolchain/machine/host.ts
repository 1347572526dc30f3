import { existsSync, readFileSync } from "node:fs";
import { UserError } from "../lib/errors";
import { exec } from "../lib/exec";
import type { Progress } from "../lib/progress";

/** Package lists take seconds; a mirror that answers slowly still gets two minutes. */
const APT_UPDATE_TIMEOUT_MS = 3 * 60_000;
const APT_INSTALL_TIMEOUT_MS = 15 * 60_000;
/** dpkg is given time to finish the package it works on. */
const DPKG_GRACE_MS = 60_000;
/** Another apt may hold the lock (unattended upgrades): apt itself waits this long. */
const APT_LOCK_WAIT_S = 120;

/** What the steps need to know of the machine they run on. */
export interface Host {
  readonly platform: NodeJS.Platform;
  /** Debian, Ubuntu or a derivative of them: apt is there. */
  readonly debian: boolean;
  readonly root: boolean;
  /** systemd is the running init. */
  readonly systemd: boolean;
}

/** The machine this process runs on. */
export function thisHost(): Host {
  return {
    platform: process.platform,
    debian: process.platform === "linux" && isDebian(readIfThere("/etc/os-release")),
    root: process.getuid?.() === 0,
    systemd: existsSync("/run/systemd/system"),
  };
}

/** @param osRelease content of /etc/os-release */
export function isDebian(osRelease: string): boolean {
  const field = (name: string): string =>
    new RegExp(`^${name}=(.*)$`, "m")
      .exec(osRelease)?.[1]
      ?.replace(/^["']|["']$/g, "")
      .toLowerCase() ?? "";
  return `${field("ID")} ${field("ID_LIKE")}`.split(/\s+/).some((id) => id === "debian" || id === "ubuntu");
}

/** True if this process can install Debian packages. */
export function canInstallPackages(host: Host): boolean {
  return host.debian && host.root;
}

let listsAreFresh = false;
let apt: Promise<void> = Promise.resolve();

/**
 * Installs Debian packages without questions and without recommended extras. The package lists are fetched once a run.
 * Calls wait for each other: apt takes a lock.
 */
export function aptInstall(packages: readonly string[], progress: Progress): Promise<void> {
  const mine = apt.then(() => install(packages, progress));
  // The next caller waits for the end, not for the success, of this one.
  apt = mine.catch(() => undefined);
  return mine;
}

async function install(packages: readonly string[], progress: Progress): Promise<void> {
  if (!canInstallPackages(thisHost())) {
    throw new UserError(
      `Debian packages are needed: ${packages.join(", ")}`,
      `as root: apt-get install --no-install-recommends ${packages.join(" ")}`,
    );
  }
  const env = { ...process.env, DEBIAN_FRONTEND: "noninteractive", LC_ALL: "C.UTF-8" };
  const lock = ["-o", `DPkg::Lock::Timeout=${APT_LOCK_WAIT_S}`];
  if (!listsAreFresh) {
    progress.detail("apt-get update");
    // A single unreachable third-party source makes apt-get update fail although Debian's own lists are there.
    const update = await exec("apt-get", [...lock, "update"], {
      env,
      timeoutMs: APT_UPDATE_TIMEOUT_MS,
      check: false,
      onLine: progress.detail,
    });
    if (update.code !== 0) progress.line(`apt-get update reported a problem, going on: ${update.tail.split("\n").at(-1) ?? ""}`);
    listsAreFresh = true;
  }
  // After an installation that was cut off (Ctrl-C, power), apt-get refuses to work until this has run; else it does nothing.
  await exec("dpkg", ["--configure", "-a"], { env, timeoutMs: APT_INSTALL_TIMEOUT_MS, graceMs: DPKG_GRACE_MS, onLine: progress.detail });
  progress.detail(`apt-get install ${packages.join(" ")}`);
  await exec("apt-get", [...lock, "install", "--yes", "--no-install-recommends", ...packages], {
    env,
    timeoutMs: APT_INSTALL_TIMEOUT_MS,
    graceMs: DPKG_GRACE_MS,
    onLine: progress.detail,
    fix: `by hand, as root: apt-get update && apt-get install --no-install-recommends ${packages.join(" ")}`,
  });
}

function readIfThere(file: string): string {
  return existsSync(file) ? readFileSync(file, "utf8") : "";
}
