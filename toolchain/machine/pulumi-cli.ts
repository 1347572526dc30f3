import { existsSync, readdirSync, renameSync } from "node:fs";
import path from "node:path";
import { executable, pulumiHome } from "../lib/paths";
import type { Progress } from "../lib/progress";
import { choosePulumi, packageVersion, pulumiCandidates, pulumiVersion } from "../lib/pulumi-cli";
import { installFile } from "./files";
import { INSTALL_PAGE, Unavailable, officialRelease } from "./official";
import { buildPulumi } from "./pulumi-build";
import type { Step } from "./types";

/** Ways to a CLI, injectable so that the order of the decisions can be tested. */
export interface PulumiSources {
  /** A compatible CLI of this machine. */
  readonly installed: () => { readonly file: string; readonly version: string } | undefined;
  /** Directory of an unpacked official release. */
  readonly official: (version: string, progress: Progress) => Promise<string>;
  /** A built executable. */
  readonly built: (version: string, progress: Progress) => Promise<string>;
}

/** The step that brings a compatible Pulumi CLI: PATH, `$PULUMI_HOME/bin`, official download, build from the Go module proxy. */
export function pulumiCliStep(
  sources: PulumiSources = { installed: () => choosePulumi(), official: officialRelease, built: buildPulumi },
): Step {
  const wanted = packageVersion("@pulumi/pulumi");
  return {
    id: "pulumi",
    title: "Pulumi CLI",
    // eslint-disable-next-line @typescript-eslint/require-await -- the interface is asynchronous, this check is not
    check: async () => {
      const found = sources.installed();
      if (found) return { kind: "ok", detail: `v${found.version}, ${found.file}` };
      const other = pulumiCandidates().map((file) => `${file} is v${pulumiVersion(file) ?? "?"}`);
      const detail =
        other.length > 0 ? `too old: ${other.join(", ")}; needed is v${minor(wanted)} or newer within v${major(wanted)}` : "not found";
      return { kind: "missing", detail, fix: `npm run prepare-machine, or install it by hand: ${INSTALL_PAGE}` };
    },
    ensure: async ({ progress }) => {
      if (sources.installed()) return;
      const bin = path.join(pulumiHome(), "bin");
      let directory: string | undefined;
      try {
        directory = await sources.official(wanted, progress);
      } catch (error) {
        if (!(error instanceof Unavailable)) throw error;
        progress.line(`the official v${wanted} cannot be downloaded (${error.message})`);
      }
      if (directory !== undefined) {
        // The CLI last: where it is, everything beside it is.
        const names = readdirSync(directory).filter((name) => name !== executable("pulumi"));
        for (const name of names) installFile(path.join(directory, name), path.join(bin, name));
        place(path.join(directory, executable("pulumi")), bin, progress);
        progress.line(`official v${wanted} installed in ${bin}`);
        return;
      }
      place(await sources.built(wanted, progress), bin, progress);
      progress.line(`v${wanted} built from source, installed in ${bin}`);
    },
  };
}

/** An older CLI in the same place is kept under its version: other projects may still ask for it. */
function place(source: string, bin: string, progress: Progress): void {
  const target = path.join(bin, executable("pulumi"));
  if (existsSync(target)) {
    const kept = path.join(bin, executable(`pulumi-v${pulumiVersion(target) ?? "old"}`));
    renameSync(target, kept);
    progress.line(`the CLI that was there is too old for this project and is now ${kept}`);
  }
  installFile(source, target);
}

function major(version: string): string {
  return version.split(".")[0] ?? "";
}

function minor(version: string): string {
  return version.split(".").slice(0, 2).join(".");
}
