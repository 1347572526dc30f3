/** Kinds of documents that are taken, recognised by their content and not by what a client says. */
export const MEDIA_TYPES = ["application/pdf", "image/png", "image/jpeg", "image/webp", "image/gif", "text/plain"] as const;
export type MediaType = (typeof MEDIA_TYPES)[number];

/** Kinds whose text can be extracted; that of images is recognised. */
export const TEXT_TYPES: readonly MediaType[] = ["application/pdf", "image/png", "image/jpeg", "image/webp", "text/plain"];

export const isImage = (type: MediaType): boolean => type.startsWith("image/");

/** Bytes from the start that the kind is told by. */
export const SNIFF_BYTES = 4096;

const startsWith = (bytes: Buffer, text: string, offset = 0): boolean =>
  bytes.subarray(offset, offset + text.length).equals(Buffer.from(text, "latin1"));

/**
 * The kind of a document by its first bytes (at least {@link SNIFF_BYTES}, or all there are); `undefined` when it is none that is taken.
 * Text is what is valid UTF-8 without control characters other than white space.
 */
export function sniffMediaType(head: Buffer): MediaType | undefined {
  if (startsWith(head, "%PDF-")) return "application/pdf";
  if (startsWith(head, "\x89PNG\r\n\x1a\n")) return "image/png";
  if (startsWith(head, "\xff\xd8\xff")) return "image/jpeg";
  if (startsWith(head, "RIFF") && startsWith(head, "WEBP", 8)) return "image/webp";
  if (startsWith(head, "GIF87a") || startsWith(head, "GIF89a")) return "image/gif";
  return new TextCheck().accepts(head) ? "text/plain" : undefined;
}

// Everything below space but tab, line feed, form feed and carriage return, and DEL.
// eslint-disable-next-line no-control-regex -- which characters these are is the point
const CONTROLS = /[\x00-\x08\x0b\x0e-\x1f\x7f]/;

/** Checks piece by piece that content is text; a character may be cut in two by the end of a piece. */
export class TextCheck {
  private readonly decoder = new TextDecoder("utf-8", { fatal: true });

  accepts(piece: Buffer, last = false): boolean {
    try {
      return !CONTROLS.test(this.decoder.decode(piece, { stream: !last }));
    } catch {
      // Not UTF-8, which is the answer.
      return false;
    }
  }
}

/** Size of an image in pixels, by its first bytes; `undefined` when they do not say. */
export function imageSize(type: MediaType, head: Buffer): { readonly width: number; readonly height: number } | undefined {
  try {
    switch (type) {
      case "image/png":
        return { width: head.readUInt32BE(16), height: head.readUInt32BE(20) };
      case "image/gif":
        return { width: head.readUInt16LE(6), height: head.readUInt16LE(8) };
      case "image/webp":
        return webpSize(head);
      case "image/jpeg":
        return jpegSize(head);
      default:
        return undefined;
    }
  } catch (error) {
    // The content ends before its header does.
    if (error instanceof RangeError) return undefined;
    throw error;
  }
}

/** https://developers.google.com/speed/webp/docs/riff_container: lossy, lossless, or extended. */
function webpSize(head: Buffer): { width: number; height: number } | undefined {
  if (startsWith(head, "VP8 ", 12)) return { width: head.readUInt16LE(26) & 0x3fff, height: head.readUInt16LE(28) & 0x3fff };
  if (startsWith(head, "VP8X", 12)) return { width: head.readUIntLE(24, 3) + 1, height: head.readUIntLE(27, 3) + 1 };
  if (!startsWith(head, "VP8L", 12)) return undefined;
  const bits = head.readUInt32LE(21);
  return { width: (bits & 0x3fff) + 1, height: ((bits >>> 14) & 0x3fff) + 1 };
}

/** Walks the segments to the frame header (SOF0–SOF15 without the three that are none). */
function jpegSize(head: Buffer): { width: number; height: number } | undefined {
  for (let at = 2; at + 9 < head.length;) {
    if (head[at] !== 0xff) return undefined;
    const marker = head.readUInt8(at + 1);
    if (marker >= 0xc0 && marker <= 0xcf && ![0xc4, 0xc8, 0xcc].includes(marker)) {
      return { width: head.readUInt16BE(at + 7), height: head.readUInt16BE(at + 5) };
    }
    at += 2 + head.readUInt16BE(at + 2);
  }
  return undefined;
}
