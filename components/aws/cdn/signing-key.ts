import { createECDH, createPrivateKey, createPublicKey, hkdfSync } from "node:crypto";

/** A key pair of ECDSA on P-256, which CloudFront takes for signed addresses (developer guide, "Specify signers"). PEM each. */
export interface SigningKey {
  /** PKCS #8. */
  readonly privateKey: string;
  /** SubjectPublicKeyInfo. */
  readonly publicKey: string;
}

/** Order of P-256's group (SP 800-186, 3.2.1.3). */
const ORDER = 0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551n;

/** 128 bits more than the order has, so that no key is likelier than another (FIPS 186-5, A.2.1). */
const SEED_BYTES = 48;

/**
 * The key pair that a secret text stands for: always the same, so nothing but the text has to be kept, and no provider has to make keys.
 * @param secret at least 256 bits of randomness.
 * @param generation tells keys of one secret apart; neither tells anything about another.
 */
export function signingKey(secret: string, generation: number): SigningKey {
  const seed = hkdfSync("sha256", secret, "", `signed addresses, generation ${generation}`, SEED_BYTES);
  const scalar = (BigInt(`0x${Buffer.from(seed).toString("hex")}`) % (ORDER - 1n)) + 1n;
  const pair = createECDH("prime256v1");
  const own = Buffer.from(scalar.toString(16).padStart(64, "0"), "hex");
  pair.setPrivateKey(own);
  // Uncompressed: 04, then both coordinates.
  const point = pair.getPublicKey().subarray(1);
  const part = (from: number): string => point.subarray(from, from + 32).toString("base64url");
  const key = createPrivateKey({
    format: "jwk",
    key: { kty: "EC", crv: "P-256", d: own.toString("base64url"), x: part(0), y: part(32) },
  });
  return {
    privateKey: key.export({ format: "pem", type: "pkcs8" }).toString(),
    publicKey: createPublicKey(key).export({ format: "pem", type: "spki" }).toString(),
  };
}
