import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, statSync, utimesSync } from "node:fs";
import path from "node:path";
import { type ContextFile, contextTag, readContext } from "./context-hash";
import { writeContext } from "./write-context";

/** How many bundles stay: enough to go back and forth between two branches, at about 12 MB each. */
const KEPT = 4;

/** What a bundle depends on beside the app's own files; npm writes the second, which tells what is really installed. */
const LOCKFILES = ["package-lock.json", "node_modules/.package-lock.json"];

/**
 * The bundle of these sources if it was made before, else what `make` makes of them, which is then kept: bundling is a third of an
 * update that changes nothing. A bundle is found again by the content of the app's directory, of the lockfiles in the directory around
 * it and of `options`; packages changed by hand in `node_modules` are not noticed.
 *
 * @param directory where bundles are kept; may be deleted at any time.
 * @param options whatever else `make` depends on.
 */
export async function keptBundle(
  directory: string,
  appDirectory: string,
  options: string,
  make: () => Promise<ContextFile[]>,
): Promise<ContextFile[]> {
  const place = path.join(directory, bundleKey(appDirectory, options));
  if (existsSync(place)) {
    const files = readContext(place);
    utimesSync(place, new Date(), new Date());
    return files;
  }
  const files = await make();
  // Complete under its name or not there at all, also when two programs make it at the same time.
  const draft = `${place}.${process.pid}.new`;
  try {
    mkdirSync(directory, { recursive: true });
    writeContext(draft, files);
    renameSync(draft, place);
  } catch (error) {
    // Another program kept the same bundle first.
    if (!existsSync(place)) throw error;
  } finally {
    rmSync(draft, { recursive: true, force: true });
  }
  removeOldest(directory);
  return files;
}

function bundleKey(appDirectory: string, options: string): string {
  const around = path.dirname(appDirectory);
  const lockfiles = LOCKFILES.filter((name) => existsSync(path.join(around, name)));
  return contextTag([
    ...readContext(appDirectory).map((file) => ({ ...file, path: `app/${file.path}` })),
    ...lockfiles.map((name) => ({ path: name, content: readFileSync(path.join(around, name)), executable: false })),
    { path: "options", content: Buffer.from(options), executable: false },
  ]);
}

/** Also removes drafts of programs that were killed, in their turn. */
function removeOldest(directory: string): void {
  const byUse = readdirSync(directory)
    .map((name) => ({ name, used: statSync(path.join(directory, name), { throwIfNoEntry: false })?.mtimeMs ?? 0 }))
    .sort((a, b) => b.used - a.used);
  for (const { name } of byUse.slice(KEPT)) rmSync(path.join(directory, name), { recursive: true, force: true });
}
