/* global crypto, fetch, FormData */
// Uploads a file: to the storage itself where the server says so, else to the server. One announcement decides which.

/** What is larger is not read into memory for its checksum, in bytes; without one the server takes the file itself. */
const MOST_HASHED_BYTES = 128 * 1024 ** 2;

/** The SHA-256 as hex; `undefined` on pages that came over plain HTTP, where browsers have no `crypto.subtle`, and for large files. */
async function checksumOf(file) {
  if (globalThis.crypto?.subtle === undefined || file.size > MOST_HASHED_BYTES) return undefined;
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", await file.arrayBuffer()));
  return Array.from(digest, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

/**
 * @param {File} file
 * @param {object} options
 * @param {(method: string, path: string, body?: unknown) => Promise<any>} options.call asks the API and gives its answer; what it throws is thrown.
 * @param {(path: string, file: File) => Promise<any>} options.send posts the file to the API as the body, and gives its answer.
 * @returns {Promise<{ document: object, jobs: string[] }>}
 */
export async function uploadDocument(file, { call, send }) {
  const sha256 = await checksumOf(file);
  const announced = { name: file.name, sizeBytes: file.size, ...(sha256 !== undefined && { sha256 }) };
  const answer = await call("POST", "/api/documents/uploads", announced);
  if (answer.way === "body") return send(answer.url, file);
  const form = new FormData();
  for (const [name, value] of Object.entries(answer.fields)) form.set(name, value);
  // The last field: the storage ignores what comes after it. Without its type, which is signed among the fields.
  form.set("file", file);
  const stored = await fetch(answer.url, { method: "POST", body: form, credentials: "omit" });
  if (!stored.ok) throw new Error(`The storage did not take the file (HTTP ${stored.status}).`);
  return call("POST", answer.complete);
}
