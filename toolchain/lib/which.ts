import { accessSync, constants, statSync } from "node:fs";
import path from "node:path";

/** Full path of a program on PATH, or undefined. @param searchPath default: PATH of this process */
export function which(name: string, searchPath: string = process.env["PATH"] ?? ""): string | undefined {
  return whichAll(name, searchPath)[0];
}

/** Every executable of that name on PATH, in the order of PATH. */
export function whichAll(name: string, searchPath: string = process.env["PATH"] ?? ""): string[] {
  const extensions = process.platform === "win32" ? (process.env["PATHEXT"] ?? ".EXE;.CMD").split(";") : [""];
  return searchPath
    .split(path.delimiter)
    .filter((directory) => directory !== "")
    .flatMap((directory) => extensions.map((extension) => path.join(directory, name + extension)))
    .filter(isExecutable);
}

/** True if the file exists and this user may run it. */
export function isExecutable(file: string): boolean {
  try {
    accessSync(file, constants.X_OK);
    return statSync(file).isFile();
  } catch {
    return false;
  }
}
