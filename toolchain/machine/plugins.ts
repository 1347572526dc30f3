import { existsSync, readdirSync, renameSync, rmSync } from "node:fs";
import path from "node:path";
import { ExecError, exec, which } from "../lib/exec";
import { stopIfInterrupted } from "../lib/interrupt";
import { executable, pulumiHome } from "../lib/paths";
import { choosePulumi, packageVersion } from "../lib/pulumi-cli";
import type { Installed } from "./launcher";
import { inspectExecutable, installLauncher } from "./launcher";
import { pluginSourceReachable } from "./official";
import type { Phase, State, Step } from "./types";

/** The AWS plugin has several hundred MB, the others 30 to 60. */
const INSTALL_TIMEOUT_MS = 20 * 60_000;

/** Plugins a phase uses. A local phase never needs the AWS plugin. */
export const PLUGINS: Readonly<Record<Phase, readonly string[]>> = {
  cluster: ["docker", "random"],
  database: ["docker", "random"],
  cloud: ["aws", "random", "docker", "kubernetes"],
};

/** One step for each plugin of a phase, in the versions of the npm packages. */
export function pluginSteps(phase: Phase): Step[] {
  return PLUGINS[phase].map((name) => pluginStep(name, packageVersion(`@pulumi/${name}`)));
}

/** What is known of a plugin on this machine. */
export interface PluginFacts {
  /** Executable of that name on PATH: the engine prefers it, whatever its version. */
  readonly onPath: string | undefined;
  /** Versions in the plugin directory, with what lies there. */
  readonly installed: readonly { readonly version: string; readonly found: Installed }[];
}

/** Judges a plugin as the engine would choose it: PATH, the exact version, a newer one of the same major version. */
export function judgePlugin(name: string, version: string, facts: PluginFacts): State {
  if (facts.onPath !== undefined) return { kind: "ok", detail: `on PATH: ${facts.onPath}` };
  const exact = facts.installed.find((entry) => entry.version === version);
  if (exact?.found === "official") return { kind: "ok", detail: `v${version}` };
  const newer = facts.installed.find((entry) => entry.found === "official" && isNewerWithinMajor(entry.version, version));
  if (newer && exact === undefined) return { kind: "ok", detail: `v${newer.version} (this project was tested with v${version})` };
  if (exact?.found === "stand-in") {
    return { kind: "stand-in", detail: `stand-in for the official plugin v${version}`, fix: "npm run prepare-machine -- --official" };
  }
  const fix = `npm run prepare-machine, or by hand: pulumi plugin install resource ${name} ${version}`;
  const detail = exact?.found === "outdated stand-in" ? "stand-in of another clone or version" : `v${version} is not installed`;
  return { kind: "missing", detail, fix };
}

function pluginStep(name: string, version: string): Step {
  const directory = path.join(pulumiHome(), "plugins", `resource-${name}-v${version}`);
  // eslint-disable-next-line @typescript-eslint/require-await -- the interface is asynchronous, this check is not
  const check = async (): Promise<State> => judgePlugin(name, version, lookAt(name));
  return {
    id: `plugin-${name}`,
    title: `Plugin ${name} v${version}`,
    check,
    ensure: async ({ progress, official }) => {
      const before = await check();
      if (before.kind === "ok" || (before.kind === "stand-in" && !official)) return;
      // A stand-in of another clone is pointed here without asking the network again.
      const outdated = lookAt(name).installed.some((entry) => entry.version === version && entry.found === "outdated stand-in");
      if (official || !outdated) {
        progress.detail("downloading the official plugin");
        const problem = await installOfficial(name, version, directory);
        if (problem === undefined) return;
        progress.line(`the official plugin cannot be downloaded (${problem})`);
        if (before.kind === "stand-in") return;
      }
      await installLauncher(name, path.join(directory, executable(`pulumi-resource-${name}`)));
      // The engine takes a directory with such a mark beside it for half installed.
      rmSync(`${directory}.partial`, { force: true });
      progress.line(`stand-in for the official plugin ${name} v${version}: ${directory}`);
    },
  };
}

/** @returns why it was not possible, or undefined when it is installed */
async function installOfficial(name: string, version: string, directory: string): Promise<string | undefined> {
  const cli = choosePulumi();
  if (!cli) return "there is no Pulumi CLI yet";
  if (!(await pluginSourceReachable())) return "no connection to its download sites";
  // The CLI takes an existing directory for the installed plugin: a stand-in is put aside, and back if nothing comes.
  const aside = `${directory}.standin`;
  if (existsSync(directory)) renameSync(directory, aside);
  try {
    await exec(cli.file, ["plugin", "install", "resource", name, version], {
      env: { ...process.env, PULUMI_SKIP_UPDATE_CHECK: "true" },
      timeoutMs: INSTALL_TIMEOUT_MS,
    });
    rmSync(aside, { recursive: true, force: true });
    return undefined;
  } catch (error) {
    stopIfInterrupted();
    if (!(error instanceof ExecError)) throw error;
    return error.tail.split("\n").at(-1) || error.message.split("\n")[0];
  } finally {
    if (existsSync(aside)) {
      rmSync(directory, { recursive: true, force: true });
      renameSync(aside, directory);
    }
  }
}

function lookAt(name: string): PluginFacts {
  const file = executable(`pulumi-resource-${name}`);
  const plugins = path.join(pulumiHome(), "plugins");
  const installed = (existsSync(plugins) ? readdirSync(plugins) : []).flatMap((entry) => {
    const version = new RegExp(`^resource-${name}-v(\\d+\\.\\d+\\.\\d+)$`).exec(entry)?.[1];
    // A ".partial" beside it is how the CLI marks an installation that did not finish.
    if (version === undefined || existsSync(path.join(plugins, `${entry}.partial`))) return [];
    const found = inspectExecutable(path.join(plugins, entry, file), name);
    return found === "absent" ? [] : [{ version, found }];
  });
  return { onPath: which(file), installed };
}

function isNewerWithinMajor(version: string, than: string): boolean {
  const [a, b] = [version, than].map((text) => text.split(".").map(Number));
  if (!a || !b || a[0] !== b[0]) return false;
  return (a[1] ?? 0) > (b[1] ?? 0) || (a[1] === b[1] && (a[2] ?? 0) > (b[2] ?? 0));
}
