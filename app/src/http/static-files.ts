import { createHash } from "node:crypto";
import { readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import type { LibraryFile } from "./page-libraries";

const ONE_YEAR_SECONDS = 31_536_000;

/** Of names with the content's hash in them (feature B6: static 1 year immutable). */
export const KEEP = `public, max-age=${ONE_YEAR_SECONDS}, immutable`;

/** A file of the pages, ready to be sent. */
export interface StaticFile {
  /** Its references to other files lead to their hashed names. */
  readonly content: Buffer;
  readonly contentType: string;
  /** Quoted, as in the `ETag` header. */
  readonly etag: string;
  /** `true` for the name that holds the content's hash: what it leads to never changes. */
  readonly immutable: boolean;
}

const CONTENT_TYPES: Readonly<Record<string, string>> = {
  ".html": "text/html; charset=utf-8",
  ".js": "text/javascript; charset=utf-8",
  ".css": "text/css; charset=utf-8",
  ".svg": "image/svg+xml",
  ".png": "image/png",
  ".ico": "image/x-icon",
  ".json": "application/json; charset=utf-8",
  ".woff2": "font/woff2",
};

/** Files in which names of other files are looked for. */
const REFERRING: ReadonlySet<string> = new Set([".html", ".js", ".css"]);

/** `"modules/cache.js"` or `url(icon.svg)`; whatever looks like a name but is none of our files is left alone. */
const REFERENCE = /(["'(])((?:\.{0,2}\/)?[\w-]+(?:\/[\w-]+)*\.(?:js|css|svg|png|woff2))(["')])/g;

/** Digits of the hash in a name: 2^48 contents make a mix-up impossible in practice. */
const HASH_DIGITS = 12;

/** `modules/cache.3f9a1c22ab01.js` in its parts. */
const HASHED = /^(.+)\.([0-9a-f]{12})(\.\w+)$/;

/**
 * The files of a directory by URL path, each under its own name and, except for pages, under one that holds the hash of its content,
 * which browsers may keep for ever (feature B6). Pages and modules refer to the hashed names, so a new version is seen at once.
 *
 * Read once at boot: the files are the app's own, few and small.
 * @throws Error when files refer to each other in a circle, for then no hash exists.
 */
export class StaticFiles {
  readonly #files = new Map<string, StaticFile>();
  readonly #hashed: { readonly source: string; readonly path: string; readonly file: StaticFile }[] = [];

  /** @param libraries files that lie elsewhere */
  constructor(directory: string, libraries: readonly LibraryFile[] = []) {
    const own = listFiles(directory).map((name) => ({ name, file: path.join(directory, name) }));
    const sources = new Map([...own, ...libraries].map(({ name, file }) => [name, readFileSync(file)]));
    const hashedNames = new Map<string, string>();
    const add = (name: string, chain: readonly string[]): string => {
      const known = hashedNames.get(name);
      if (known !== undefined) return known;
      if (chain.includes(name)) throw new Error(`Static files refer to each other in a circle: ${[...chain, name].join(" → ")}.`);
      const source = sources.get(name) ?? Buffer.alloc(0);
      const extension = path.extname(name);
      const content = REFERRING.has(extension)
        ? Buffer.from(rewrite(source.toString("utf8"), name, (target) => (sources.has(target) ? add(target, [...chain, name]) : undefined)))
        : source;
      const hash = createHash("sha256").update(content).digest("hex").slice(0, HASH_DIGITS);
      const file = { content, contentType: CONTENT_TYPES[extension] ?? "application/octet-stream", etag: `"${hash}"` };
      this.#files.set(`/${name}`, { ...file, immutable: false });
      const hashed = extension === ".html" ? name : `${name.slice(0, -extension.length)}.${hash}${extension}`;
      if (hashed !== name) {
        this.#hashed.push({ source: name, path: hashed, file: { ...file, immutable: true } });
        this.#files.set(`/${hashed}`, { ...file, immutable: true });
      }
      hashedNames.set(name, hashed);
      return hashed;
    };
    for (const name of sources.keys()) add(name, []);
  }

  /** Files that may be kept for ever: their names, and their paths, which hold the hash. */
  hashed(): readonly { readonly source: string; readonly path: string; readonly file: StaticFile }[] {
    return this.#hashed;
  }

  /**
   * The file behind a URL path; a directory is its `index.html`, and `/console` is `console.html`. While versions are exchanged one instance is asked for names of the
   * other: those lead to its own content, which then must not be kept.
   */
  find(urlPath: string): StaticFile | undefined {
    const name = urlPath.endsWith("/") ? `${urlPath}index.html` : urlPath;
    const found = this.#files.get(name) ?? this.#files.get(`${name}.html`);
    if (found !== undefined) return found;
    const [, stem, , extension] = HASHED.exec(name) ?? [];
    return stem === undefined ? undefined : this.#files.get(`${stem}${extension ?? ""}`);
  }
}

/** Paths below a directory with `/`, sorted so that every machine gives the same names. */
function listFiles(directory: string): string[] {
  return readdirSync(directory, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => path.relative(directory, path.join(entry.parentPath, entry.name)).split(path.sep).join("/"))
    .sort();
}

/** Replaces references; they keep their form, relative or from the root. */
function rewrite(text: string, from: string, hashedName: (name: string) => string | undefined): string {
  return text.replace(REFERENCE, (whole: string, open: string, reference: string, close: string) => {
    const target = reference.startsWith("/") ? reference.slice(1) : path.posix.join(path.posix.dirname(from), reference);
    const hashed = target === from ? undefined : hashedName(target);
    if (hashed === undefined) return whole;
    return `${open}${reference.slice(0, -path.posix.basename(reference).length)}${path.posix.basename(hashed)}${close}`;
  });
}
