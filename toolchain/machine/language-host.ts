import { realpathSync } from "node:fs";
import path from "node:path";
import { UserError } from "../lib/errors";
import { which } from "../lib/exec";
import { executable, pulumiHome } from "../lib/paths";
import { choosePulumi, packageVersion } from "../lib/pulumi-cli";
import { installFile } from "./files";
import { inspectExecutable, installLauncher } from "./launcher";
import { Unavailable, officialRelease } from "./official";
import type { State, Step } from "./types";

const NAME = "language-nodejs";
const FILE = executable(`pulumi-${NAME}`);

/** The step for the program through which the engine runs Node programs. It comes with the official CLI. */
export function languageHostStep(): Step {
  // eslint-disable-next-line @typescript-eslint/require-await -- the interface is asynchronous, this check is not
  const check = async (): Promise<State> => {
    const file = locate();
    if (file === undefined)
      return { kind: "missing", detail: `${FILE} is neither beside the CLI nor on PATH`, fix: "npm run prepare-machine" };
    const installed = inspectExecutable(file, NAME);
    if (installed === "official") return { kind: "ok", detail: file };
    if (installed === "stand-in") return { kind: "stand-in", detail: `stand-in, ${file}`, fix: "npm run prepare-machine -- --official" };
    return { kind: "missing", detail: `${file} is a stand-in of another clone or version`, fix: "npm run prepare-machine" };
  };
  return {
    id: NAME,
    title: "Node language host",
    check,
    ensure: async ({ progress, official }) => {
      const before = await check();
      if (before.kind === "ok" || (before.kind === "stand-in" && !official)) return;
      const version = choosePulumi()?.version ?? packageVersion("@pulumi/pulumi");
      const target = path.join(pulumiHome(), "bin", FILE);
      try {
        installFile(path.join(await officialRelease(version, progress), FILE), target);
        return;
      } catch (error) {
        if (!(error instanceof Unavailable)) throw error;
        progress.line(`the official one cannot be downloaded (${error.message})`);
      }
      if (before.kind === "stand-in") return;
      const existing = locate();
      if (existing !== undefined && existing !== target) {
        throw new UserError(`${existing} comes first on PATH and is a stand-in of another clone`, `remove ${existing}`);
      }
      await installLauncher(NAME, target);
      progress.line(`stand-in for the official plugin ${NAME} v${version}: ${target}`);
    },
  };
}

/** The one the engine takes: PATH (which has `$PULUMI_HOME/bin` in this project), else beside the CLI. */
function locate(): string | undefined {
  const cli = choosePulumi();
  const places = [process.env["PATH"] ?? "", path.join(pulumiHome(), "bin"), ...(cli ? [path.dirname(realpathSync(cli.file))] : [])];
  return which(FILE, places.join(path.delimiter));
}
