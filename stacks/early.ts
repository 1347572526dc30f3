import path from "node:path";
import { bundleApp } from "../components/local/image/bundle";

/** Directory of the app that is bundled unless the stack names an image; Pulumi runs the program in the project's directory. */
export function appDirectory(): string {
  return path.resolve("app");
}

// Loaded before everything else: esbuild bundles in a process of its own while this one loads Pulumi's SDK. A failure is reported by
// the phase that needs the bundle.
bundleApp(appDirectory()).catch(() => undefined);
