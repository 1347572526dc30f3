import { type Document, parseDocument } from "yaml";

/**
 * A stack's configuration file (`Pulumi.<stack>.yaml`), to be changed without losing comments and order. An empty `config:` is left out: nothing
 * could be set below it.
 * @param invalid makes the error for text that is not YAML, of the parser's words
 */
export function stackDocument(text: string, invalid: (why: string) => Error): Document.Parsed {
  const document = parseDocument(text);
  const [problem] = document.errors;
  if (problem !== undefined) throw invalid(problem.message);
  // "config:" with nothing below it.
  if (document.has("config") && document.get("config") === undefined) document.delete("config");
  return document;
}
