import { createHash, createHmac, randomBytes, timingSafeEqual } from "node:crypto";

const ID_BYTES = 32;

/** A session id and its signature, `id.signature` in base64url; 32 bytes each are 43 characters. */
const TOKEN = /^([\w-]{43})\.([\w-]{43})$/;

/**
 * Makes and checks session tokens. The signature (HMAC-SHA-256 by the session secret) lets a forged token be refused without asking
 * the database; the random id behind it makes each session revocable.
 */
export class TokenSigner {
  readonly #key: Buffer;

  constructor(secret: string) {
    // A key of its own: the secret may sign other things later, and no signature of one may pass for the other.
    this.#key = createHmac("sha256", secret).update("session token").digest();
  }

  create(): { readonly token: string; readonly idHash: string } {
    const id = randomBytes(ID_BYTES).toString("base64url");
    return { token: `${id}.${this.#sign(id).toString("base64url")}`, idHash: hashId(id) };
  }

  /** The hash under which the session is stored, or `undefined` for anything that this secret did not sign. */
  verify(token: string): string | undefined {
    const [, id, signature] = TOKEN.exec(token) ?? [];
    if (id === undefined || signature === undefined) return undefined;
    const given = Buffer.from(signature, "base64url");
    const expected = this.#sign(id);
    return given.length === expected.length && timingSafeEqual(given, expected) ? hashId(id) : undefined;
  }

  #sign(id: string): Buffer {
    return createHmac("sha256", this.#key).update(id).digest();
  }
}

function hashId(id: string): string {
  return createHash("sha256").update(id).digest("base64url");
}

/** Compares two secrets in a time that tells nothing about where, or whether in length, they differ. */
export function secretsEqual(given: string, expected: string): boolean {
  const digest = (text: string): Buffer => createHash("sha256").update(text).digest();
  return timingSafeEqual(digest(given), digest(expected));
}
