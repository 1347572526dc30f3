import path from "node:path";
import { bundleApp } from "../components/local/image/bundle";

/** Directory of the app that is bundled unless the stack names an image. */
export const APP_DIRECTORY = path.resolve("app");

// Loaded before everything else: esbuild bundles in a process of its own while this one loads Pulumi's SDK. A failure is reported by
// the phase that needs the bundle.
bundleApp(APP_DIRECTORY).catch(() => undefined);
