import { createHash, createHmac, pbkdf2, randomBytes } from "node:crypto";
import { promisify } from "node:util";

const derive = promisify(pbkdf2);

/** Postgres' own default (`scram_iterations`); clients repeat the work at every login. */
const ITERATIONS = 4096;

const SALT_BYTES = 16;
const KEY_BYTES = 32;

/**
 * What Postgres keeps of a password (RFC 5803, as in `pg_authid`). Sent instead of the password, it keeps the password out of the server's
 * logs, and out of what reads its statements.
 * @param password in printable ASCII, which SASLprep (RFC 4013) leaves as it is.
 * @param salt for tests. @default 16 random bytes
 */
export async function scramVerifier(password: string, salt: Buffer = randomBytes(SALT_BYTES)): Promise<string> {
  const salted = await derive(password, salt, ITERATIONS, KEY_BYTES, "sha256");
  const hmac = (text: string): Buffer => createHmac("sha256", salted).update(text).digest();
  const storedKey = createHash("sha256").update(hmac("Client Key")).digest();
  const [saltText, stored, server] = [salt, storedKey, hmac("Server Key")].map((bytes) => bytes.toString("base64"));
  return `SCRAM-SHA-256$${ITERATIONS}:${saltText}$${stored}:${server}`;
}
