import { readdirSync } from "node:fs";
import path from "node:path";
import type { Express } from "express";
import { assetDirectory } from "../assets";
import { missingPageLibraries } from "./page-libraries";

/** The parts of Express's router that are looked into. Its own matching is used, so that both always agree about what a path is. */
interface Layer {
  /** The part of the path that matched. */
  match(path: string): { readonly path: string } | false;
  readonly route?: { readonly methods: Readonly<Record<string, boolean | undefined>> };
  readonly handle?: { readonly stack?: readonly Layer[] };
}

/** Answered before Express, see `server.ts`. */
const PROBES = ["/health", "/ready"];

/**
 * Finds out with which methods a path could be asked for; only for requests that nothing answered, so it costs nobody else anything.
 * @returns the methods in alphabetical order; none when there is no such path.
 */
export function allowedMethods(app: Express): (path: string) => string[] {
  const readable = new Set([...PROBES, ...publicFiles()]);
  return (asked) => {
    const methods = new Set<string>(readable.has(asked) ? ["GET"] : []);
    collect((app as unknown as { readonly router: { readonly stack: readonly Layer[] } }).router.stack, asked, methods);
    if (methods.has("GET")) methods.add("HEAD");
    return [...methods].sort();
  };
}

function collect(stack: readonly Layer[], asked: string, methods: Set<string>): void {
  for (const layer of stack) {
    const match = layer.match(asked);
    if (match === false) continue;
    if (layer.route !== undefined) {
      for (const [method, has] of Object.entries(layer.route.methods)) {
        if (has === true && !method.startsWith("_")) methods.add(method.toUpperCase());
      }
    } else if (layer.handle?.stack !== undefined) {
      const rest = asked.slice(match.path.length);
      collect(layer.handle.stack, rest.startsWith("/") ? rest : `/${rest}`, methods);
    }
  }
}

function publicFiles(): string[] {
  const directory = assetDirectory("public");
  const files = readdirSync(directory, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
  const names = files.map((file) => path.relative(directory, path.join(file.parentPath, file.name)).split(path.sep).join("/"));
  const libraries = missingPageLibraries(directory).map(({ name }) => name);
  return ["/", ...[...names, ...libraries].flatMap((name) => [`/${name}`, ...(name.endsWith(".html") ? [`/${name.slice(0, -5)}`] : [])])];
}
