import { existsSync, readFileSync, readlinkSync } from "node:fs";
import { setTimeout as delay } from "node:timers/promises";
import type { Target } from "../targets";
import { UserError } from "../../lib/errors";
import { StepList } from "../../lib/progress";
import { startDaemon } from "../../machine/docker-engine";
import type { ChaosEvent } from "./types";

/** As an engine that is asked to end stops its containers and starts them again after a reboot: all at the same time, in no order. */
const hostRebooted: ChaosEvent = {
  id: "host-rebooted",
  title: "host reboot: all containers stopped, then started",
  target: {},
  async inject({ targets, say }) {
    await each(targets.all, (target) => targets.stop(target));
    say("all containers are stopped");
    await each(targets.all, (target) => targets.start(target));
  },
};

const powerLost: ChaosEvent = {
  id: "power-lost",
  title: "all containers killed at once, then started",
  target: {},
  async inject({ targets, say }) {
    await each(targets.all, (target) => targets.kill(target));
    say("all containers are dead");
    await each(targets.all, (target) => targets.start(target));
  },
};

async function each(targets: readonly Target[], work: (target: Target) => Promise<void>): Promise<void> {
  await Promise.all(targets.map(work));
}

/** Where dockerd writes its process id, and where the toolchain has it write its log. */
const PID_FILE = "/var/run/docker.pid";
const LOG_FILE = "/var/log/dockerd.log";
/** dockerd stops its containers first, each with its own grace time. */
const DAEMON_STOPS_MS = 120_000;
const POLL_MS = 100;

const daemonRestarted: ChaosEvent = {
  id: "daemon-restarted",
  title: "Docker daemon restarted",
  target: {},
  isDaemon: true,
  async inject({ repairs, say }) {
    const pid = toolchainDaemon();
    repairs.add("start dockerd", async () => {
      if (!existsSync(PID_FILE)) await start();
    });
    process.kill(pid, "SIGTERM");
    const deadline = performance.now() + DAEMON_STOPS_MS;
    while (isAlive(pid)) {
      if (performance.now() > deadline) throw new Error(`dockerd (process ${pid}) did not end within ${DAEMON_STOPS_MS / 1000} s`);
      await delay(POLL_MS);
    }
    say("dockerd has ended");
    await start();
  },
};

async function start(): Promise<void> {
  await new StepList().run("Docker Engine", (progress) => startDaemon(progress));
}

/**
 * Process id of the Docker daemon, if this project's toolchain started it: without arguments, and with its output in the toolchain's log.
 * @throws UserError for any other: a daemon that an init system or somebody else looks after is theirs.
 */
export function toolchainDaemon(): number {
  const pid = existsSync(PID_FILE) ? Number(readFileSync(PID_FILE, "utf8").trim()) : 0;
  const command = pid > 0 && isAlive(pid) ? readFileSync(`/proc/${pid}/cmdline`, "utf8").split("\0").filter(Boolean) : [];
  const isOurs = command.length === 1 && /(^|\/)dockerd$/.test(command[0] ?? "") && readlinkSync(`/proc/${pid}/fd/1`) === LOG_FILE;
  if (!isOurs) throw new UserError("--daemon restarts only a Docker daemon that this project has started, and the one that runs is not");
  return pid;
}

function isAlive(pid: number): boolean {
  return existsSync(`/proc/${pid}`);
}

export const MACHINE_EVENTS: readonly ChaosEvent[] = [daemonRestarted, hostRebooted, powerLost];
