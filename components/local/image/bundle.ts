import { existsSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import path from "node:path";
import type { BuildOptions, Plugin } from "esbuild";
import { installedPageLibraries } from "../../../app/src/http/page-libraries";
import { installedOcrFiles, OCR_DIRECTORY } from "../../../app/src/ocr/files";
import { type ContextFile, readContext } from "./context-hash";
import { keptBundle } from "./kept-bundle";
import { pacedCheck } from "./paced-check";

/** Modules that others load only when they are installed; they are not, and their absence is expected. */
const OPTIONAL_MODULES = ["pg-native", "pino-pretty", "@napi-rs/nice"];

/**
 * Programs beside `main.js`, by file name. Two run in threads: the thread pool of piscina looks for its own half under this name in the
 * directory of the bundle, and `job-thread` is the work of background jobs. `transfer` carries rows from one database to another, and is
 * started by itself; an app of the user's own has none.
 */
const OTHER_PROGRAMS = (appDirectory: string): Record<string, string> => {
  const transfer = path.join(appDirectory, "src/transfer/main.ts");
  return {
    "job-thread": path.join(appDirectory, "src/jobs/thread.ts"),
    worker: path.join(path.dirname(require.resolve("piscina")), "worker.js"),
    ...(existsSync(transfer) && { transfer }),
  };
};

/**
 * Modules of the app that hold packages only some deployments need. Each becomes a file of its own beside `main.js`, `NAME.js` by the name of
 * the module, which is read when it is first asked for: V8 keeps the source of a program in the memory of every process.
 */
const SEPARATE_MODULES = ["src/aws/aws-sdk.ts", "src/aws/rds-authorities.ts"];

/** The same of whole packages, by the name of their file: phase `cluster` needs none of them, and they are a third of the app's code. */
const SEPARATE_PACKAGES: Readonly<Record<string, string>> = { bullmq: "bullmq", kafka: "@platformatic/kafka" };

/** Where the parts of the app lie, below its directory, and where they go in the image's build context. */
const PARTS = { migrations: ["src/db/migrations", "migrations"], public: ["public", "public"] } as const;

/**
 * The build context of the app's image: `main.js` with everything it imports but what few need, which lies beside it, the programs of its
 * threads, migrations, static files with the libraries they load, the recogniser of text in images with its languages, and the Dockerfile. Asked again for the same
 * directory it gives the same answer. The bundle is made here and not in the image build, which would need an npm registry; see
 * ARCHITECTURE.md.
 *
 * @param appDirectory directory with `src/main.ts` and `Dockerfile`.
 * @param keptIn directory where bundles of former runs are found and this one is kept. @default it is made anew
 * @throws Error with esbuild's messages when the source does not compile.
 */
export function bundleApp(appDirectory: string, keptIn?: string): Promise<ContextFile[]> {
  return (bundles[appDirectory] ??= buildContext(appDirectory, keptIn));
}

/** Bundles of this process, which lives for one update. */
const bundles: Record<string, Promise<ContextFile[]> | undefined> = {};

function wasmUtils(): string {
  const kafka = require.resolve("@platformatic/kafka");
  return path.join(path.dirname(createRequire(kafka).resolve("@platformatic/wasm-utils")), "bundled.js");
}

/** What makes one file of the app that runs wherever it lies; also for what tests bundle. */
export function bundleOptions() {
  return {
    bundle: true,
    platform: "node",
    target: "node24",
    format: "cjs",
    external: OPTIONAL_MODULES,
    // The Kafka client's WebAssembly, embedded: as it is published it reads a file beside itself.
    alias: { "@platformatic/wasm-utils": wasmUtils() },
    // Dependencies that are ES modules ask where they lie; a bundle in CommonJS lies where the bundle does.
    define: { "import.meta.url": "bundleUrl" },
    banner: { js: 'const bundleUrl = require("node:url").pathToFileURL(__filename).href;' },
    // Without minification names survive but for a number where two modules share one. `keepNames` would restore those by a call for
    // every function made while a request is answered (the router makes several): 3 % of the time of a request.
    keepNames: false,
    legalComments: "none",
    // V8 keeps the source of a program in memory, with two bytes a character as soon as one is beyond Latin-1: without comments and with
    // escapes it is 5.5 MB instead of 15 in every process. Lines stay short enough for a stack trace to point somewhere.
    charset: "ascii",
    minifyWhitespace: true,
    lineLimit: 160,
  } satisfies BuildOptions;
}

async function buildContext(appDirectory: string, keptIn: string | undefined): Promise<ContextFile[]> {
  const make = (): Promise<ContextFile[]> => bundlePrograms(appDirectory);
  // This module's text stands for all that decides how a bundle is made.
  const programs = keptIn === undefined ? await make() : await keptBundle(keptIn, appDirectory, readFileSync(__filename, "utf8"), make);
  const dockerfile = readContext(appDirectory, (name) => name === "Dockerfile");
  const parts = Object.values(PARTS).flatMap(([from, to]) => {
    const directory = path.join(appDirectory, from);
    const files = existsSync(directory) ? readContext(directory) : [];
    return files.map((file) => ({ ...file, path: `${to}/${file.path}` }));
  });
  const recogniser = installedOcrFiles().map(({ name, file }) => ({
    path: `${OCR_DIRECTORY}/${name}`,
    content: readFileSync(file),
    executable: false,
  }));
  const libraries = installedPageLibraries().map(({ name, file }) => ({
    path: `${PARTS.public[1]}/${name}`,
    content: readFileSync(file),
    executable: false,
  }));
  return [...programs, ...dockerfile, pacedCheck(), ...parts, ...libraries, ...recogniser];
}

async function bundlePrograms(appDirectory: string): Promise<ContextFile[]> {
  const programs = { main: path.join(appDirectory, "src/main.ts"), ...OTHER_PROGRAMS(appDirectory) };
  const modules = Object.fromEntries(SEPARATE_MODULES.map((file) => [nameOf(file), path.join(appDirectory, file)]));
  return [
    ...(await bundled(appDirectory, programs, { plugins: [besideMain] })),
    // Some packages are there as ES modules, too, of which esbuild leaves out what nobody uses: a quarter of AWS'.
    ...(await bundled(appDirectory, { ...modules, ...SEPARATE_PACKAGES }, { mainFields: ["module", "main"] })),
  ];
}

/** Finds the separate modules and packages beside the bundle. */
const besideMain: Plugin = {
  name: "beside-main",
  setup(build) {
    for (const [file, name] of Object.entries(SEPARATE_PACKAGES)) {
      build.onResolve({ filter: new RegExp(`^${name}$`) }, () => ({ path: `./${file}.js`, external: true }));
    }
    const filter = new RegExp(`/(?:${SEPARATE_MODULES.map(nameOf).join("|")})(?:\\.js)?$`);
    build.onResolve({ filter }, ({ path: module }) => ({ path: `./${nameOf(module)}.js`, external: true }));
  },
};

function nameOf(module: string): string {
  return path.parse(module).name;
}

async function bundled(appDirectory: string, entryPoints: Readonly<Record<string, string>>, more: BuildOptions): Promise<ContextFile[]> {
  const { build } = await import("esbuild");
  const result = await build({
    entryPoints,
    // Paths inside the bundle are relative to this, so that every checkout gives the same bytes.
    absWorkingDir: appDirectory,
    outdir: appDirectory,
    logLevel: "silent",
    ...bundleOptions(),
    ...more,
    write: false,
  });
  return result.outputFiles.map((file) => ({ path: path.basename(file.path), content: file.contents, executable: false }));
}
