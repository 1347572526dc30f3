/** Tag of the orientation in Exif, https://www.cipa.jp/std/documents/download_e.html?CIPA_DC-008-2023-E. */
const ORIENTATION_TAG = 0x0112;

const UPRIGHT = 1;

/**
 * How a picture has to be turned to be upright, 1–8 as in Exif: telephones store what the sensor saw and note how they were held.
 * @returns 1, upright, for everything that does not say so, is no JPEG, or ends before it could.
 */
export function orientationOf(content: Uint8Array): number {
  const bytes = Buffer.from(content.buffer, content.byteOffset, content.byteLength);
  try {
    if (bytes.readUInt16BE(0) !== 0xffd8) return UPRIGHT;
    for (let at = 2; bytes.readUInt8(at) === 0xff && bytes.readUInt8(at + 1) !== 0xda;) {
      const end = at + 2 + bytes.readUInt16BE(at + 2);
      if (bytes.readUInt8(at + 1) === 0xe1 && bytes.toString("latin1", at + 4, at + 10) === "Exif\0\0") {
        return inTiff(bytes.subarray(at + 10, end));
      }
      at = end;
    }
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
  }
  return UPRIGHT;
}

function inTiff(tiff: Buffer): number {
  const little = tiff.toString("latin1", 0, 2) === "II";
  const short = (at: number): number => (little ? tiff.readUInt16LE(at) : tiff.readUInt16BE(at));
  const directory = little ? tiff.readUInt32LE(4) : tiff.readUInt32BE(4);
  for (let entry = 0; entry < short(directory); entry++) {
    const at = directory + 2 + entry * 12;
    if (short(at) !== ORIENTATION_TAG) continue;
    const value = short(at + 8);
    return value >= 1 && value <= 8 ? value : UPRIGHT;
  }
  return UPRIGHT;
}
