import { parseDocument } from "yaml";
import { UserError } from "../lib/errors";
import { stackDocument } from "../lib/stack-document";

/** Project of the stack's configuration keys. */
const PROJECT = "phased-stack";

/** What a preview without the stack's key can take over of its configuration. */
export interface PreviewConfig {
  /** The file's new text. */
  readonly text: string;
  /** Plain values by full key. */
  readonly values: Readonly<Record<string, string>>;
  /** Keys whose values are encrypted, and are therefore not there. */
  readonly leftOut: readonly string[];
}

/**
 * The stack's configuration for a preview that has neither its state nor its key: settings on top, encrypted values and the way to decrypt
 * them left out.
 * @param settings `key=value`; a key without a project belongs to this one
 * @throws UserError for a setting of another form
 */
export function previewConfig(tracked: string, settings: readonly string[]): PreviewConfig {
  const document = stackDocument(
    tracked,
    (why) => new UserError(`the stack's configuration is not valid YAML: ${why.split("\n")[0] ?? ""}`),
  );
  // A file with nothing in it, or comments only.
  if (document.contents === null) document.contents = parseDocument("{}").contents;
  for (const key of ["encryptionsalt", "encryptedkey", "secretsprovider"]) document.delete(key);
  const given = configOf(document.toJS());
  const leftOut = Object.keys(given).filter((key) => isEncrypted(given[key]));
  for (const key of leftOut) document.deleteIn(["config", key]);
  for (const setting of settings) {
    const [, key, value] = /^([\w:.-]+)=(.*)$/s.exec(setting) ?? [];
    if (key === undefined || value === undefined) {
      throw new UserError(`--config ${JSON.stringify(setting)} is not of the form key=value, for example users=10000`);
    }
    document.setIn(["config", key.includes(":") ? key : `${PROJECT}:${key}`], value);
  }
  const plain = Object.entries(configOf(document.toJS())).filter(([, value]) => ["string", "number", "boolean"].includes(typeof value));
  return {
    text: document.toString({ lineWidth: 0 }),
    values: Object.fromEntries(plain.map(([key, value]) => [key, String(value)])),
    leftOut,
  };
}

function configOf(file: unknown): Readonly<Record<string, unknown>> {
  return (file as { readonly config?: Readonly<Record<string, unknown>> | null }).config ?? {};
}

/** Pulumi writes `{ secure: … }`, also deep inside of a structured value. */
function isEncrypted(value: unknown): boolean {
  if (value === null || typeof value !== "object") return false;
  return Object.hasOwn(value, "secure") || Object.values(value).some(isEncrypted);
}
