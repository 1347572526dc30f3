import { createHash, createHmac, randomBytes, timingSafeEqual } from "node:crypto";
import { latest } from "../bounded";

const ID_BYTES = 32;

/**
 * A session id and its signature, `id.signature` in base64url; 32 bytes each are 43 characters. Between them may be the company, which is
 * signed as well: where there are several databases, it leads to the one with the session.
 */
const TOKEN = /^([\w-]{43})(?:\.([\w-]{1,64}))?\.([\w-]{43})$/;

/** Tokens whose signature was checked and found good, kept so that a busy session is not hashed twice a request; about 300 bytes each. */
const MOST_VERIFIED = 10_000;

/**
 * Makes and checks session tokens. The signature (HMAC-SHA-256 by the session secret) lets a forged token be refused without asking
 * the database; the random id behind it makes each session revocable.
 *
 * Secrets rotate without logging anyone out: the first one signs, all of them verify. Put the new secret in front, and take the old
 * one away once the sessions it signed have ended.
 */
export class TokenSigner {
  readonly #keys: readonly Buffer[];
  readonly #signingKey: Buffer;
  readonly #verified = latest<string, string>(MOST_VERIFIED);

  /** @throws RangeError without any secret. */
  constructor(secrets: string | readonly string[]) {
    // A key of its own: the secret may sign other things later, and no signature of one may pass for the other.
    this.#keys = [secrets].flat().map((secret) => createHmac("sha256", secret).update("session token").digest());
    const [first] = this.#keys;
    if (first === undefined) throw new RangeError("Signing tokens needs a secret.");
    this.#signingKey = first;
  }

  /** @param companyId becomes part of the token, which is longer by it. @default none */
  create(companyId?: string): { readonly token: string; readonly idHash: string } {
    const id = randomBytes(ID_BYTES).toString("base64url");
    const signed = companyId === undefined ? id : `${id}.${companyId}`;
    return { token: `${signed}.${sign(this.#signingKey, signed).toString("base64url")}`, idHash: hashId(id) };
  }

  /** The company in a token that {@link verify} found good; `undefined` when it has none. */
  companyOf(token: string): string | undefined {
    return TOKEN.exec(token)?.[2];
  }

  /** The hash under which the session is stored, or `undefined` for anything that none of the secrets signed. */
  verify(token: string): string | undefined {
    const known = this.#verified.get(token);
    if (known !== undefined) return known;
    const [, id, companyId, signature] = TOKEN.exec(token) ?? [];
    if (id === undefined || signature === undefined) return undefined;
    const given = Buffer.from(signature, "base64url");
    const signed = companyId === undefined ? id : `${id}.${companyId}`;
    // Every key is tried, so that the time does not tell which one fitted.
    const fits = this.#keys.map((key) => matches(given, sign(key, signed)));
    if (!fits.includes(true)) return undefined;
    const idHash = hashId(id);
    this.#verified.set(token, idHash);
    return idHash;
  }
}

function matches(given: Buffer, expected: Buffer): boolean {
  return given.length === expected.length && timingSafeEqual(given, expected);
}

function sign(key: Buffer, id: string): Buffer {
  return createHmac("sha256", key).update(id).digest();
}

function hashId(id: string): string {
  return createHash("sha256").update(id).digest("base64url");
}

/** Compares two secrets in a time that tells nothing about where, or whether in length, they differ. */
export function secretsEqual(given: string, expected: string): boolean {
  const digest = (text: string): Buffer => createHash("sha256").update(text).digest();
  return timingSafeEqual(digest(given), digest(expected));
}
