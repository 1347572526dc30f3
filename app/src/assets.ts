import { existsSync } from "node:fs";
import path from "node:path";

/**
 * Finds a directory of files that belong to the program: `migrations/<dialect>` or `public`.
 *
 * In the image they lie beside the bundled `main.js`; in the source tree migrations lie in `db/` and the pages beside `src/`.
 * `__dirname` is the bundle's directory in the first case and this file's in the second, because esbuild leaves it to run time.
 * @throws when the directory is nowhere: the program was copied without its files.
 */
export function assetDirectory(name: `migrations/${"sqlite" | "postgres"}` | "public", base = __dirname): string {
  const candidates = [path.join(base, name), name === "public" ? path.join(base, "..", name) : path.join(base, "db", name)];
  const found = candidates.find((directory) => existsSync(directory));
  if (found === undefined) throw new Error(`Directory "${name}" is missing; expected it at ${candidates.join(" or ")}.`);
  return found;
}
