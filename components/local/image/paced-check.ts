import { readFileSync } from "node:fs";
import path from "node:path";
import type { ContextFile } from "./context-hash";

/** The program of the health checks, for an image's build context; see paced-check.sh. */
export function pacedCheck(): ContextFile {
  const name = "paced-check.sh";
  return { path: name, content: readFileSync(path.join(__dirname, name)), executable: true };
}
