/**
 * A TypeScript program and all it imports as one file that Node 24 runs, for containers that have nothing but Node.
 * @param entry absolute path of the program.
 * @throws Error with the compiler's messages when it does not compile.
 */
export async function bundleProgram(entry: string): Promise<Uint8Array> {
  const { build } = await import("esbuild");
  const { outputFiles } = await build({
    entryPoints: [entry],
    bundle: true,
    platform: "node",
    target: "node24",
    format: "cjs",
    external: ["pg-native"],
    write: false,
    logLevel: "silent",
  });
  const [program] = outputFiles;
  if (program === undefined) throw new Error(`${entry}: esbuild made nothing of it`);
  return program.contents;
}
