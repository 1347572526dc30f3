import { existsSync } from "node:fs";
import { UserError } from "../lib/errors";
import { which } from "../lib/exec";
import { aptInstall, canInstallPackages, thisHost } from "./host";
import type { State, Step } from "./types";

/** Names under which distributions install it. */
const PROGRAMS = ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable"];

/** Debian's package. Ubuntu's is a launcher of a snap, which headless tests on servers cannot use. */
const PACKAGES = ["chromium"];

/**
 * The browser of the tests: `CHROMIUM` when it is set, else the first of the known names on PATH.
 * @returns its path, or undefined when there is none
 */
export function findChromium(env: NodeJS.ProcessEnv = process.env): string | undefined {
  const named = env["CHROMIUM"];
  if (named !== undefined && named !== "") return existsSync(named) ? named : undefined;
  return PROGRAMS.map((name) => which(name)).find((file) => file !== undefined);
}

/** The step that makes a Chromium available; only the browser tests need it. */
export function chromiumStep(): Step {
  // eslint-disable-next-line @typescript-eslint/require-await -- the interface is asynchronous, this check is not
  const check = async (): Promise<State> => {
    const file = findChromium();
    if (file !== undefined) return { kind: "ok", detail: file };
    const fix = canInstallPackages(thisHost()) ? "npm test installs it" : "install Chromium, or set CHROMIUM to the path of one";
    return { kind: "missing", detail: `none of ${PROGRAMS.join(", ")} is on PATH`, fix };
  };
  return {
    id: "chromium",
    title: "Chromium (browser tests)",
    check,
    ensure: async ({ progress }) => {
      if ((await check()).kind === "ok") return;
      if (!canInstallPackages(thisHost())) {
        throw new UserError("the browser tests need Chromium", "install it, or set CHROMIUM to the path of one");
      }
      await aptInstall(PACKAGES, progress);
    },
  };
}
