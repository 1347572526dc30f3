import { readFile } from "node:fs/promises";
import { type ConnectionOptions, createSecureContext } from "node:tls";
import { readCertificates } from "../config/certificates";

/**
 * How connections to Postgres are encrypted, by the parameters of an address as libpq documents them (libpq, "SSL Support").
 *
 * - `disable`: not at all.
 * - `require`: encrypted, and whoever answers is believed; with authorities of one's own, as `verify-ca`.
 * - `verify-ca`: the certificate has to be signed by an authority of DATABASE_CA or `sslrootcert`, for whatever name.
 * - `verify-full`: by one of these, or else of Node's, and for the name that was asked for.
 *
 * `allow` and `prefer` are refused: pg cannot try one way and then the other, and both are a guard against nobody. pg itself takes `require`
 * and `verify-ca` for `verify-full`, and will change that; so the parameters are taken out of the address before pg sees it.
 */
const SSL_MODES = ["disable", "require", "verify-ca", "verify-full"] as const;
type SslMode = (typeof SSL_MODES)[number];

/** Files named in an address: authorities, and the client's own certificate with its key. */
const FILES = { sslrootcert: "ca", sslcert: "cert", sslkey: "key" } as const;

/** `rds`: those of Amazon RDS and RDS Proxy; else PEM. */
export type Authorities = "rds" | { readonly pem: string };

/** What pg is given for one server. */
export interface PostgresAddress {
  readonly url: string;
  /** `undefined`: as pg does without being told, which is not encrypted. */
  readonly ssl?: ConnectionOptions | false | undefined;
}

/** Whether connections to this address are encrypted. */
export function wantsTls(url: string): boolean {
  const mode = new URL(url).searchParams.get("sslmode");
  return mode !== null && mode !== "disable";
}

/** What is wrong with the parameters of an address, as the rest of a sentence. @param hasAuthorities DATABASE_CA is set. */
export function tlsViolation(url: string, hasAuthorities: boolean): string | undefined {
  const { searchParams } = new URL(url);
  const mode = searchParams.get("sslmode");
  if (mode === null) {
    const file = Object.keys(FILES).find((name) => searchParams.has(name));
    return file === undefined ? undefined : `${file} is given without sslmode; add sslmode=verify-full, or remove it.`;
  }
  if (!isMode(mode)) return `sslmode "${mode}" is not allowed; use ${SSL_MODES.join(", ")}.`;
  if (mode !== "verify-ca" || hasAuthorities || searchParams.has("sslrootcert")) return undefined;
  return "sslmode verify-ca needs authorities of your own, because anybody gets a certificate of a public one; set DATABASE_CA, or use verify-full.";
}

function isMode(text: string): text is SslMode {
  return (SSL_MODES as readonly string[]).includes(text);
}

/** Reads DATABASE_CA; what does not work is added to `violations`. */
export function readAuthorities(text: string, violations: string[]): Authorities | undefined {
  if (text === "rds") return text;
  const pem = readCertificates("DATABASE_CA", text, violations, ", or rds");
  return pem === undefined ? undefined : { pem };
}

/**
 * Puts an address and authorities together for pg.
 * @throws the error of the file system for a file the address names and that cannot be read; OpenSSL's for one that is not what it should be.
 */
export async function postgresAddress(url: string, authorities?: Authorities): Promise<PostgresAddress> {
  const parsed = new URL(url);
  const mode = parsed.searchParams.get("sslmode");
  if (mode === null || !isMode(mode)) return { url };
  const files: { ca?: string; cert?: string; key?: string } = {};
  for (const [parameter, option] of Object.entries(FILES)) {
    const file = parsed.searchParams.get(parameter);
    // `system` is libpq's word for the authorities that everybody believes.
    if (file !== null && mode !== "disable" && file !== "system") files[option] = await readFile(file, "utf8");
    parsed.searchParams.delete(parameter);
  }
  parsed.searchParams.delete("sslmode");
  if (mode === "disable") return { url: parsed.href, ssl: false };
  const ca = files.ca ?? (await certificates(authorities));
  // Once for all connections: reading the certificates of RDS takes 8 ms of CPU and 1 MB of memory each time.
  const secureContext = createSecureContext({ ...files, ...(ca !== undefined && { ca }) });
  return { url: parsed.href, ssl: { secureContext, ...verification(mode, ca !== undefined) } };
}

function verification(mode: Exclude<SslMode, "disable">, hasAuthorities: boolean): ConnectionOptions {
  if (mode === "verify-full") return { rejectUnauthorized: true };
  if (mode === "require" && !hasAuthorities) return { rejectUnauthorized: false };
  // Signed by one of them is enough, for whatever name.
  return { rejectUnauthorized: true, checkServerIdentity: () => undefined };
}

/** As Node takes them. Those of RDS are loaded where they are asked for only. */
async function certificates(authorities: Authorities | undefined): Promise<string | string[] | undefined> {
  if (authorities === undefined) return undefined;
  if (authorities !== "rds") return authorities.pem;
  return [...(await import("../aws/rds-authorities.js")).authorities];
}
