import { existsSync, mkdirSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";
import { UserError } from "../lib/errors";
import { exec, which } from "../lib/exec";
import { cacheDir } from "../lib/paths";
import { aptInstall, canInstallPackages, thisHost } from "./host";
import type { State, Step } from "./types";

/** The version whose rules the skip list of tests/support/checkov.ts is about. */
export const CHECKOV_VERSION = "3.3.30";
/** What makes virtual environments, in Debian's packages; a Python from elsewhere has it. */
const PACKAGES = ["python3", "python3-venv"];
/** Two hundred packages from PyPI; minutes where the mirror is slow. */
const INSTALL_TIMEOUT_MS = 15 * 60_000;

const directory = (): string => path.join(cacheDir(), `checkov-${CHECKOV_VERSION}`);
const installed = (): string => path.join(directory(), "bin", "checkov");
/** Written last: an installation that was interrupted has none. */
const mark = (): string => path.join(directory(), "complete");

/** Checkov: the program that `CHECKOV` names, else the one in this project's cache; undefined when there is none. */
export function findCheckov(env: NodeJS.ProcessEnv = process.env): string | undefined {
  const named = env["CHECKOV"];
  if (named !== undefined && named !== "") return existsSync(named) ? named : undefined;
  return existsSync(mark()) && existsSync(installed()) ? installed() : undefined;
}

/** The step that installs Checkov from PyPI into a virtual environment; only the tests that hold plans against its rules need it. */
export function checkovStep(): Step {
  // eslint-disable-next-line @typescript-eslint/require-await -- the interface is asynchronous, this check is not
  const check = async (): Promise<State> => {
    const file = findCheckov();
    if (file !== undefined) return { kind: "ok", detail: file };
    return {
      kind: "missing",
      detail: `checkov ${CHECKOV_VERSION} is not in ${directory()}`,
      fix: "npm test -- --only checkov installs it",
    };
  };
  return {
    id: "checkov",
    title: `Checkov ${CHECKOV_VERSION}`,
    check,
    ensure: async ({ progress }) => {
      if ((await check()).kind === "ok") return;
      const fix = "install Python 3.9 or newer with venv, or set CHECKOV to the path of a checkov";
      const options = { timeoutMs: INSTALL_TIMEOUT_MS, fix, onLine: (line: string) => progress.line(line) };
      await pythonWithVenv(fix, (packages) => aptInstall(packages, progress));
      rmSync(directory(), { recursive: true, force: true });
      mkdirSync(path.dirname(directory()), { recursive: true });
      await exec("python3", ["-m", "venv", directory()], options);
      const pip = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", `checkov==${CHECKOV_VERSION}`];
      await exec(path.join(directory(), "bin", "python"), pip, options);
      writeFileSync(mark(), "");
    },
  };
}

/** Makes sure that there is a Python which makes virtual environments. @throws UserError saying what to install */
async function pythonWithVenv(fix: string, install: (packages: readonly string[]) => Promise<void>): Promise<void> {
  const works = async (): Promise<boolean> =>
    which("python3") !== undefined &&
    (await exec("python3", ["-c", "import ensurepip, venv"], { timeoutMs: 30_000, check: false })).code === 0;
  if (await works()) return;
  if (canInstallPackages(thisHost())) await install(PACKAGES);
  if (!(await works())) throw new UserError("there is no Python 3 that makes virtual environments", fix);
}
