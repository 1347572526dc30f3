import { existsSync } from "node:fs";
import path from "node:path";

/** Libraries that the pages load, by their path below `public`, as module specifiers. */
const SOURCES: Readonly<Record<string, string>> = {
  "vendor/uplot.css": "uplot/dist/uPlot.min.css",
  "vendor/uplot.js": "uplot/dist/uPlot.iife.min.js",
};

/** A file of a library: where it is served, and where it lies. */
export interface LibraryFile {
  readonly name: string;
  readonly file: string;
}

/** The libraries with where they are installed: for what assembles the image. */
export function installedPageLibraries(): LibraryFile[] {
  return Object.entries(SOURCES).map(([name, source]) => ({ name, file: require.resolve(source) }));
}

/** Those that do not lie among the pages already: in the image they do, in the source tree they are among the installed packages. */
export function missingPageLibraries(pages: string): LibraryFile[] {
  const missing = Object.keys(SOURCES).some((name) => !existsSync(path.join(pages, name)));
  return missing ? installedPageLibraries() : [];
}
