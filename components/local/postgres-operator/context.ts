import { readFileSync } from "node:fs";
import path from "node:path";
import { type ContextFile, readContext } from "../image/context-hash";
import { keptBundle } from "../image/kept-bundle";
import { pacedCheck } from "../image/paced-check";

/** Loaded by `pg` only when it is installed; it is not, and its absence is expected. */
const OPTIONAL_MODULES = ["pg-native"];

/**
 * The build context of the operator's image: one bundled program and the Dockerfile.
 *
 * @param keptIn directory where bundles of former runs are found and this one is kept. @default it is made anew
 * @throws Error with esbuild's messages when the source does not compile.
 */
export async function postgresOperatorContext(keptIn?: string): Promise<ContextFile[]> {
  const made = keptIn === undefined ? bundle() : keptBundle(keptIn, __dirname, bundledOf(), bundle);
  const dockerfile = readContext(__dirname, (name) => name === "Dockerfile");
  return [...(await made), ...dockerfile, pacedCheck()];
}

/** What decides how the bundle is made beside its sources: this module, and the one package that is in it. */
function bundledOf(): string {
  return readFileSync(__filename, "utf8") + readFileSync(require.resolve("pg/package.json"), "utf8");
}

async function bundle(): Promise<ContextFile[]> {
  const { build } = await import("esbuild");
  const { outputFiles } = await build({
    entryPoints: [path.join(__dirname, "src/main.ts")],
    // Paths inside the bundle are relative to this, so that every checkout gives the same bytes.
    absWorkingDir: __dirname,
    outfile: "main.js",
    bundle: true,
    platform: "node",
    target: "node24",
    format: "cjs",
    external: OPTIONAL_MODULES,
    charset: "ascii",
    legalComments: "none",
    write: false,
    logLevel: "silent",
  });
  return outputFiles.map(({ contents }) => ({ path: "main.js", content: contents, executable: false }));
}
