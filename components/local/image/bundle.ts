import { existsSync } from "node:fs";
import path from "node:path";
import { build } from "esbuild";
import { type ContextFile, readContext } from "./context-hash";

/** Modules that others load only when they are installed; they are not, and their absence is expected. */
const OPTIONAL_MODULES = ["pg-native", "pino-pretty"];

/** Where the parts of the app lie, below its directory, and where they go in the image's build context. */
const PARTS = { migrations: ["src/db/migrations", "migrations"], public: ["public", "public"] } as const;

/**
 * The build context of the app's image: `main.js` with everything it imports, migrations, static files and the Dockerfile.
 * The bundle is made here and not in the image build, which would need an npm registry; see ARCHITECTURE.md.
 *
 * @param appDirectory directory with `src/main.ts` and `Dockerfile`.
 * @throws Error with esbuild's messages when the source does not compile.
 */
export async function bundleApp(appDirectory: string): Promise<ContextFile[]> {
  const result = await build({
    entryPoints: [path.join(appDirectory, "src/main.ts")],
    // Paths inside the bundle are relative to this, so that every checkout gives the same bytes.
    absWorkingDir: appDirectory,
    outfile: "main.js",
    bundle: true,
    write: false,
    platform: "node",
    target: "node24",
    format: "cjs",
    external: OPTIONAL_MODULES,
    // Without minification names survive but for a number where two modules share one. `keepNames` would restore those by a call for
    // every function made while a request is answered (the router makes several): 3 % of the time of a request.
    keepNames: false,
    legalComments: "none",
    logLevel: "silent",
  });
  const bundled = result.outputFiles.map((file) => ({
    path: path.basename(file.path),
    content: file.contents,
    executable: false,
  }));
  const dockerfile = readContext(appDirectory, (name) => name === "Dockerfile");
  const parts = Object.values(PARTS).flatMap(([from, to]) => {
    const directory = path.join(appDirectory, from);
    const files = existsSync(directory) ? readContext(directory) : [];
    return files.map((file) => ({ ...file, path: `${to}/${file.path}` }));
  });
  return [...bundled, ...dockerfile, ...parts];
}
