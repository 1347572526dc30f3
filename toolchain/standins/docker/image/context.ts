import { createHash } from "node:crypto";
import { createReadStream, type Stats } from "node:fs";
import { lstat, readFile, readdir, readlink, realpath } from "node:fs/promises";
import path from "node:path";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { pack, type Pack } from "tar-stream";
import { hasExceptions, ignoreMatcher, ignorePatterns, type Ignore } from "./ignore";

/** A file, link or folder of a build context. */
interface Entry {
  /** Relative to the context, with slashes. */
  readonly name: string;
  readonly path: string;
  readonly stats: Stats;
}

/** What a build is made from. */
export interface BuildContext {
  /** Folder. */
  readonly context: string;
  /** Path of the Dockerfile, relative to the working directory. */
  readonly dockerfile: string;
}

/**
 * The digest of a build context: names, modes and contents of what `.dockerignore` leaves, and of the Dockerfile. It is the official plugin's
 * `contextDigest` to the letter, so that a state goes from one plugin to the other without a rebuild.
 */
export async function contextDigest({ context, dockerfile }: BuildContext): Promise<string> {
  const total = createHash("sha256");
  // The Dockerfile comes first under a fixed name and without a mode: only its content counts, wherever it lies.
  total
    .update("Dockerfile")
    .update("----------")
    .update(sha256(await readFile(dockerfile)))
    .update("\0");
  const patterns = await ignorePatterns(context, dockerfile);
  for await (const entry of walk(context, patterns)) {
    if (entry.stats.isDirectory()) continue;
    total
      .update(path.posix.normalize(entry.name))
      .update(modeText(entry.stats))
      .update(await contentHash(entry, context))
      .update("\0");
  }
  return total.digest("hex");
}

async function contentHash(entry: Entry, context: string): Promise<Buffer> {
  if (entry.stats.isSymbolicLink()) {
    const target = await realpath(entry.path);
    return sha256(path.isAbsolute(context) ? target : path.relative(process.cwd(), target));
  }
  const hash = createHash("sha256");
  if (entry.stats.isFile()) await pipeline(createReadStream(entry.path), hash);
  return hash.digest();
}

const sha256 = (content: Buffer | string): Buffer => createHash("sha256").update(content).digest();

/** A file mode as Go prints it, such as "-rw-r--r--". */
function modeText(stats: Stats): string {
  const kind = stats.isSymbolicLink() ? "L" : stats.isFIFO() ? "p" : stats.isSocket() ? "S" : "";
  const special = `${stats.mode & 0o4000 ? "u" : ""}${stats.mode & 0o2000 ? "g" : ""}${stats.mode & 0o1000 ? "t" : ""}`;
  const flags = "rwxrwxrwx"
    .split("")
    .map((letter, index) => (stats.mode & (1 << (8 - index)) ? letter : "-"))
    .join("");
  return `${`${kind}${special}` || "-"}${flags}`;
}

/** Everything that `.dockerignore` leaves, folders before their content, each folder in the order of names. */
async function* walk(context: string, patterns: readonly string[]): AsyncGenerator<Entry> {
  yield* walkFolder(context, "", ignoreMatcher(patterns), hasExceptions(patterns));
}

async function* walkFolder(folder: string, prefix: string, ignore: Ignore, exceptions: boolean): AsyncGenerator<Entry> {
  const names = await readdir(folder);
  // The order of bytes, as Go sorts names.
  names.sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)));
  for (const base of names) {
    const name = `${prefix}${base}`;
    const file = path.join(folder, base);
    const ignored = ignore(name);
    if (ignored && !exceptions) continue;
    const stats = await lstat(file);
    if (!ignored) yield { name, path: file, stats };
    if (stats.isDirectory()) yield* walkFolder(file, `${name}/`, ignore, exceptions);
  }
}

/** A build context on its way to Docker. */
export interface ContextArchive {
  readonly archive: Readable;
  /** The Dockerfile's name inside the archive. */
  readonly dockerfile: string;
  /** Settles when everything is written; rejects when a file cannot be read. */
  readonly written: Promise<void>;
}

/** Packs a build context without what `.dockerignore` names; the Dockerfile and the ignore file always go along, for Docker needs them. */
export async function packContext({ context, dockerfile }: BuildContext): Promise<ContextArchive> {
  const relative = path.relative(context, dockerfile).split(path.sep).join("/");
  const outside = relative.startsWith("../");
  // A Dockerfile from elsewhere gets a name that no file of the context has.
  const name = outside ? `.dockerfile.${sha256(dockerfile).toString("hex").slice(0, 20)}` : relative;
  const patterns = [...(await ignorePatterns(context, dockerfile)), ...(outside ? [] : [`!${relative}`]), "!.dockerignore"];
  const archive = pack();
  const written = writeArchive(archive, context, patterns, outside ? { name, path: dockerfile } : undefined);
  written.catch((error: unknown) => archive.destroy(error instanceof Error ? error : new Error(String(error))));
  return { archive: Readable.from(archive), dockerfile: name, written };
}

async function writeArchive(
  archive: Pack,
  context: string,
  patterns: readonly string[],
  extra: { name: string; path: string } | undefined,
): Promise<void> {
  for await (const entry of walk(context, patterns)) await addEntry(archive, entry);
  if (extra !== undefined) archive.entry({ name: extra.name, mode: 0o600, uid: 0, gid: 0 }, await readFile(extra.path));
  archive.finalize();
}

async function addEntry(archive: Pack, { name, path: file, stats }: Entry): Promise<void> {
  // Everything belongs to root in the image, whoever checked the project out.
  const header = { name, mode: stats.mode & 0o7777, mtime: stats.mtime, uid: 0, gid: 0 };
  if (stats.isDirectory()) archive.entry({ ...header, type: "directory" });
  else if (stats.isSymbolicLink()) archive.entry({ ...header, type: "symlink", linkname: await readlink(file) });
  else if (stats.isFile()) {
    const entry = archive.entry({ ...header, size: stats.size });
    await new Promise<void>((resolve, reject) => {
      entry.once("finish", resolve).once("error", reject);
      createReadStream(file).once("error", reject).pipe(entry);
    });
  }
}
