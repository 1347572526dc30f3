import path from "node:path";
import { bundleApp } from "../../components/local/image/bundle";
import type { ContextFile } from "../../components/local/image/context-hash";
import { promisesWithoutTraces } from "./promise-traces";

/** Directory of the app that is bundled unless the stack names an image; Pulumi runs the program in the project's directory. */
function appDirectory(): string {
  return path.resolve("app");
}

/** What the program makes from the sources, below the project's directory; ignored by git and made again when it is gone. */
export const BUILD_DIRECTORY = ".build";

/** Bundles of the Postgres operator from former runs, found again by what they were made from. */
export const OPERATOR_BUNDLES = path.join(BUILD_DIRECTORY, "operator-bundles");

/** The bundled app, made once for each state of its sources. */
export function bundledApp(): Promise<ContextFile[]> {
  return bundleApp(appDirectory(), path.join(BUILD_DIRECTORY, "bundles"));
}

// Loaded before everything else: esbuild bundles in a process of its own while this one loads Pulumi's SDK. A failure is reported by
// the phase that needs the bundle.
bundledApp().catch(() => undefined);

promisesWithoutTraces();
