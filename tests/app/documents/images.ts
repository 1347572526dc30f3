import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import path from "node:path";
import { crc32, deflateSync } from "node:zlib";

/**
 * A page of an invoice in letters of 15 to 44 pixels, the last line white on blue; painted by Chromium. The JPEG is of the same page
 * turned a quarter to the left, as a telephone stores it that was held sideways.
 */
export type InvoiceImage = "invoice.png" | "invoice.webp" | "invoice-held-sideways.jpg";

export const invoiceImage = (name: InvoiceImage): Buffer => readFileSync(path.join(__dirname, "images", name));

/** All that is written on it has to be read. */
export function assertInvoice(text: string): void {
  for (const line of [
    "Invoice 4711",
    "Total amount due: 1,234.56 USD",
    "Payable within thirty days of receipt by bank transfer.",
    "Customer number 90210, thank you",
  ]) {
    assert.ok(text.includes(line), `"${line}" is not in ${JSON.stringify(text)}`);
  }
}

/** Puts a note of the orientation (Exif, 1–8) into a JPEG, in either order of bytes. */
export function withOrientation(jpeg: Buffer, orientation: number, order: "II" | "MM"): Buffer {
  const tiff = Buffer.alloc(26);
  const [short, long] = order === "II" ? (["writeUInt16LE", "writeUInt32LE"] as const) : (["writeUInt16BE", "writeUInt32BE"] as const);
  tiff.write(order, 0, "latin1");
  tiff[short](42, 2);
  tiff[long](8, 4);
  // A directory of one entry: a short, one of it, and its value.
  tiff[short](1, 8);
  tiff[short](0x0112, 10);
  tiff[short](3, 12);
  tiff[long](1, 14);
  tiff[short](orientation, 18);
  const segment = Buffer.concat([Buffer.from("\xff\xe1\0\0Exif\0\0", "latin1"), tiff]);
  segment.writeUInt16BE(segment.length - 2, 2);
  return Buffer.concat([jpeg.subarray(0, 2), segment, jpeg.subarray(2)]);
}

/** A whole PNG in shades of grey: a white one of any size is a small file. @default white */
export function greyPng(width: number, height: number, pixels = Buffer.alloc(width * height, 255)): Buffer {
  const header = Buffer.from([0, 0, 0, 0, 0, 0, 0, 0, 8, 0, 0, 0, 0]);
  header.writeUInt32BE(width, 0);
  header.writeUInt32BE(height, 4);
  const rows = Array.from({ length: height }, (_, row) => [Buffer.alloc(1), pixels.subarray(row * width, (row + 1) * width)]);
  const chunks = [chunk("IHDR", header), chunk("IDAT", deflateSync(Buffer.concat(rows.flat()))), chunk("IEND", Buffer.alloc(0))];
  return Buffer.concat([Buffer.from("\x89PNG\r\n\x1a\n", "latin1"), ...chunks]);
}

function chunk(kind: string, content: Buffer): Buffer {
  const body = Buffer.concat([Buffer.from(kind, "latin1"), content]);
  const [length, checksum] = [Buffer.alloc(4), Buffer.alloc(4)];
  length.writeUInt32BE(content.length);
  checksum.writeUInt32BE(crc32(body));
  return Buffer.concat([length, body, checksum]);
}
