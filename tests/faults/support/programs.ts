import { cpSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { buildSync } from "esbuild";
import { installedPageLibraries } from "../../../app/src/http/page-libraries";
import { bundleOptions } from "../../../components/local/image/bundle";

const ROOT = path.resolve(__dirname, "../../..");

/** The programs under test, bundled into one file each as the image carries them. */
export interface Programs {
  readonly directory: string;
  /** The real app. */
  readonly app: string;
  /** {@link file://./fixture-app.ts} */
  readonly fixture: string;
  /** The example of an existing Express app, wrapped by the library. */
  readonly example: string;
  /** {@link file://./laborious-app.ts} */
  readonly laborious: string;
}

let built: Programs | undefined;

/** Bundles once a mocha process; removed when it exits. */
export function programs(): Programs {
  if (built !== undefined) return built;
  const directory = mkdtempSync(path.join(tmpdir(), "phased-faults-"));
  process.on("exit", () => rmSync(directory, { recursive: true, force: true }));
  // Ended from outside, as a suite that takes too long, it cleans up as well.
  process.once("SIGTERM", () => process.exit(143));
  const bundle = (entry: string, name: string, file = "main.js"): string => {
    const outfile = path.join(directory, name, file);
    buildSync({
      entryPoints: [path.join(ROOT, entry)],
      outfile,
      logLevel: "warning",
      ...bundleOptions(),
    });
    return outfile;
  };
  /** A program that brings the app's files along; bundled when it is first asked for. */
  const scaled = (entry: string, name: string): (() => string) => {
    let bundled: string | undefined;
    return () => {
      if (bundled === undefined) {
        bundled = bundle(entry, name);
        cpSync(path.join(ROOT, "app/src/db/migrations"), path.join(directory, name, "migrations"), { recursive: true });
        copyPages(path.join(directory, name, "public"));
      }
      return bundled;
    };
  };
  const example = scaled("app/examples/existing-app/main.ts", "example");
  const laborious = scaled("tests/faults/support/laborious-app.ts", "laborious");
  built = {
    directory,
    app: bundle("app/src/main.ts", "app"),
    fixture: bundle("tests/faults/support/fixture-app.ts", "fixture"),
    get example() {
      return example();
    },
    get laborious() {
      return laborious();
    },
  };
  // The programs of threads lie beside main.js.
  bundle("app/src/jobs/thread.ts", "app", "job-thread.js");
  bundle("node_modules/piscina/dist/worker.js", "app", "worker.js");
  cpSync(path.join(ROOT, "app/src/db/migrations"), path.join(directory, "app/migrations"), { recursive: true });
  copyPages(path.join(directory, "app/public"));
  return built;
}

/** The pages with the libraries they load, as the image has them. */
function copyPages(directory: string): void {
  cpSync(path.join(ROOT, "app/public"), directory, { recursive: true });
  for (const { name, file } of installedPageLibraries()) cpSync(file, path.join(directory, name));
}
