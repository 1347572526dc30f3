import { createHash } from "node:crypto";

/** The entity tag of a text: the same text has the same one, on every worker and instance. */
export function contentTag(text: string): string {
  return `"${createHash("sha256").update(text).digest("base64url").slice(0, 22)}"`;
}
