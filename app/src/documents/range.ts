import type { ByteRange } from "./storage";

const RANGE = /^bytes=(\d{0,15})-(\d{0,15})$/;

/**
 * Reads a `Range` header (RFC 9110) for one part of the content.
 * @returns `undefined` for the whole: without the header, and for what is not understood or asks for several parts, as the RFC allows.
 */
export function parseRange(header: string | undefined, size: number): ByteRange | "unsatisfiable" | undefined {
  const match = header === undefined ? null : RANGE.exec(header);
  if (match === null) return undefined;
  const [, from = "", to = ""] = match;
  if (from === "" && to === "") return undefined;
  if (from === "") {
    // The last so many bytes.
    const length = Math.min(Number(to), size);
    return length === 0 ? "unsatisfiable" : { start: size - length, end: size - 1 };
  }
  const start = Number(from);
  const end = to === "" ? size - 1 : Math.min(Number(to), size - 1);
  if (to !== "" && Number(to) < start) return undefined;
  return start >= size ? "unsatisfiable" : { start, end };
}

/** Whether an `If-None-Match` header has this entity tag. */
export const ETAG_MATCHES = (header: string | undefined, etag: string): boolean =>
  header !== undefined && header.split(",").some((part) => part.trim() === "*" || part.trim().replace(/^W\//, "") === etag);

/**
 * A `Content-Disposition` that makes browsers save the content instead of showing it, under its name (RFC 6266): in ASCII for old ones, and
 * encoded.
 */
export function contentDisposition(name: string): string {
  const ascii = name.replace(/[^\x20-\x7e]|["\\%]/g, "_");
  // Through bytes, because half a character cannot be encoded.
  const encoded = encodeURIComponent(Buffer.from(name, "utf8").toString("utf8")).replace(
    /['()*]/g,
    (char) => `%${char.charCodeAt(0).toString(16).toUpperCase()}`,
  );
  return `attachment; filename="${ascii}"; filename*=UTF-8''${encoded}`;
}
