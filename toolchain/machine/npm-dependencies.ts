import { existsSync } from "node:fs";
import path from "node:path";
import { ROOT, executable } from "../lib/paths";
import type { Step } from "./types";

/** The npm dependencies are installed by run.mjs, before anything of this could be loaded; here they are only looked at. */
export function npmDependenciesStep(): Step {
  return {
    id: "npm",
    title: "npm dependencies",
    // eslint-disable-next-line @typescript-eslint/require-await -- the interface is asynchronous, this check is not
    check: async () => {
      const node = path.join(ROOT, "node_modules", "node", "bin", executable("node"));
      if (existsSync(node)) return { kind: "ok", detail: `Node ${process.versions.node} in node_modules` };
      return { kind: "missing", detail: "node_modules has no Node of its own", fix: "npm ci" };
    },
    ensure: () => Promise.resolve(),
  };
}
