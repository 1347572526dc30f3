import type { ContextFile } from "./context-hash";

/** A continued line, a comment, and the beginning of a here-document, in a Dockerfile. */
const CONTINUED = /\\[ \t]*$/;
const COMMENT = /^[ \t]*#/;
const HERE_DOCUMENT = /<<-?[ \t]*["']?(\w+)["']?/g;

/**
 * The build context of an image that is to be built anew. Docker keeps what a `RUN` gave for as long as its text is the same, packages of
 * last year included, and a context that is the same is not built at all. With a word, each stage of the Dockerfile declares it as a build
 * argument behind its `FROM`: every `RUN` after it sees the argument in its environment, so another word is another result, for BuildKit as
 * for the classic builder (of which a `LABEL` would do for the second alone), and another tag. What is downloaded to begin with, the base
 * image, is not asked for again; see "Security updates of images" in README.md.
 *
 * @param word letters, digits, dots and dashes, e.g. `2026-11`; without one the files stay as they are, and so does their tag.
 */
export function builtAnew(files: readonly ContextFile[], word: string | undefined): readonly ContextFile[] {
  if (word === undefined) return files;
  return files.map((file) =>
    file.path === "Dockerfile" ? { ...file, content: Buffer.from(withArgument(Buffer.from(file.content).toString(), word)) } : file,
  );
}

function withArgument(dockerfile: string, word: string): string {
  const lines: string[] = [];
  let instruction = "";
  let ends: string[] = [];
  for (const line of dockerfile.split("\n")) {
    lines.push(line);
    // Text of a here-document, in which FROM may be a word of SQL.
    if (ends.length > 0) {
      if (line.trim() === ends[0]) ends = ends.slice(1);
      continue;
    }
    if (COMMENT.test(line)) continue;
    instruction += `${line}\n`;
    if (CONTINUED.test(line)) continue;
    if (/^\s*FROM\s/i.test(instruction)) lines.push(`ARG IMAGES_OF=${word}`);
    else if (/^\s*(?:RUN|COPY|ADD)\s/i.test(instruction)) ends = [...instruction.matchAll(HERE_DOCUMENT)].map(([, end = ""]) => end);
    instruction = "";
  }
  return lines.join("\n");
}
