import { randomBytes, scrypt, timingSafeEqual } from "node:crypto";

/** Cost of scrypt (RFC 7914). Memory of one hash is 128 · N · r bytes. */
export interface PasswordCost {
  /** Base-2 logarithm of N. */
  readonly logN: number;
  readonly r: number;
  readonly p: number;
}

/**
 * N = 2^14, r = 8, p = 5: one of the settings the OWASP Password Storage Cheat Sheet gives as equivalent. It is the one with the least
 * memory at an adequate N (16 MiB a hash), because several hashes run at a time in each of several workers.
 */
export const DEFAULT_COST: PasswordCost = { logN: 14, r: 8, p: 5 };

const SALT_BYTES = 16;
const HASH_BYTES = 32;

/** Hashes a password with a fresh salt, off the main thread: `scrypt$logN$r$p$salt$hash`. */
export async function hashPassword(password: string, cost: PasswordCost = DEFAULT_COST): Promise<string> {
  const salt = randomBytes(SALT_BYTES);
  const hash = await derive(password, salt, cost);
  return ["scrypt", cost.logN, cost.r, cost.p, salt.toString("base64url"), hash.toString("base64url")].join("$");
}

/** A well-formed hash that fits no password, because nobody knows one for random bytes. */
export function decoyHash({ logN, r, p }: PasswordCost): string {
  return ["scrypt", logN, r, p, randomBytes(SALT_BYTES).toString("base64url"), randomBytes(HASH_BYTES).toString("base64url")].join("$");
}

/** Whether the password belongs to the hash, compared in constant time. */
export async function verifyPassword(password: string, stored: string): Promise<boolean> {
  const { cost, salt, hash } = parse(stored);
  return timingSafeEqual(await derive(password, salt, cost), hash);
}

/** Whether a hash was made with another cost than today's, so that it should be made again while the password is at hand. */
export function needsRehash(stored: string, cost: PasswordCost = DEFAULT_COST): boolean {
  const used = parse(stored).cost;
  return used.logN !== cost.logN || used.r !== cost.r || used.p !== cost.p;
}

function parse(stored: string): { cost: PasswordCost; salt: Buffer; hash: Buffer } {
  const [scheme, logN, r, p, salt, hash] = stored.split("$");
  if (scheme !== "scrypt" || salt === undefined || hash === undefined) throw new Error("The stored password hash has an unknown format.");
  const bytes = Buffer.from(hash, "base64url");
  if (bytes.length !== HASH_BYTES) throw new Error("The stored password hash is damaged.");
  return { cost: { logN: Number(logN), r: Number(r), p: Number(p) }, salt: Buffer.from(salt, "base64url"), hash: bytes };
}

function derive(password: string, salt: Buffer, { logN, r, p }: PasswordCost): Promise<Buffer> {
  const N = 2 ** logN;
  return new Promise((resolve, reject) => {
    // One password, typed on different keyboards, can be different code points: NFKC makes them one (RFC 8265).
    scrypt(password.normalize("NFKC"), salt, HASH_BYTES, { N, r, p, maxmem: 256 * N * r }, (error, key) => {
      if (error === null) resolve(key);
      else reject(error);
    });
  });
}
