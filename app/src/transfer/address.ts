import { readFileSync } from "node:fs";
import path from "node:path";
import { type Authorities, readAuthorities, tlsViolation } from "../db/tls";
import { TransferError } from "./failure";
import type { Reader, Writer } from "./store";

/** Servers whose certificates are signed by Amazon's own authorities. */
const RDS_HOST = /\.rds\.amazonaws\.com(?:\.cn)?$/;

/** A database as the command line names it. */
export type Address =
  | { readonly kind: "sqlite"; readonly file: string }
  | { readonly kind: "postgres"; readonly url: string; readonly authorities: Authorities | undefined };

/**
 * Reads an address: `sqlite:PATH` or a path, `postgres://…`, or `file:PATH` of a file that holds one of these, so that no password is on a
 * command line. An RDS server is asked for its certificate without being told (`sslmode=verify-full` by Amazon's authorities).
 * @param option what it was given as, for sentences. @param ca DATABASE_CA.
 * @throws TransferError
 */
export function parseAddress(option: string, text: string, ca: string | undefined = process.env["DATABASE_CA"]): Address {
  if (text.startsWith("file:")) return parseAddress(option, contentOf(option, text.slice("file:".length)), ca);
  if (/^postgres(?:ql)?:/.test(text)) return postgres(option, text, ca);
  const file = text.replace(/^sqlite:(?:\/\/(?=\/))?/, "");
  if (file === "" || /^[a-z][a-z0-9+.-]+:\/\//i.test(file)) {
    throw new TransferError(
      `${option} is "${withoutPassword(text)}"; allowed: sqlite:PATH, a path, postgres://user:password@host/database or file:PATH`,
    );
  }
  return { kind: "sqlite", file: path.resolve(file) };
}

function contentOf(option: string, file: string): string {
  try {
    return readFileSync(file, "utf8").trim();
  } catch (error) {
    throw new TransferError(`${option}: cannot read ${file} (${(error as NodeJS.ErrnoException).code ?? String(error)})`);
  }
}

function postgres(option: string, text: string, ca: string | undefined): Address {
  if (!URL.canParse(text) || new URL(text).hostname === "" || new URL(text).pathname.length < 2) {
    throw new TransferError(`${option} is no usable address; allowed: postgres://user:password@host:5432/database`);
  }
  const url = new URL(text);
  const isRds = RDS_HOST.test(url.hostname);
  if (isRds && !url.searchParams.has("sslmode")) url.searchParams.set("sslmode", "verify-full");
  const problem = tlsViolation(url.href, ca !== undefined || isRds);
  if (problem !== undefined) throw new TransferError(`${option}: ${problem.replace(/\.$/, "")}`);
  const violations: string[] = [];
  const authorities = ca === undefined ? (isRds ? "rds" : undefined) : readAuthorities(ca, violations);
  if (violations[0] !== undefined) throw new TransferError(violations[0].replace(/\.$/, ""));
  return { kind: "postgres", url: url.href, authorities };
}

function withoutPassword(text: string): string {
  return text.replace(/\/\/[^@/]*@/, "//…@");
}

/**
 * Makes SQLite sort, while it makes an index, in files beside the database that is filled, which is where room for them is: the directory for
 * temporary files may be in memory. To be called before the first file is opened; what the environment says comes first.
 */
export function sortBeside(target: Address): void {
  if (target.kind === "sqlite") process.env["SQLITE_TMPDIR"] ??= path.dirname(target.file);
}

/** Postgres' client is loaded where there is a Postgres only. */
export async function openSource(address: Address): Promise<Reader> {
  if (address.kind === "sqlite") return new (await import("./sqlite-store.js")).SqliteReader(address.file);
  return (await import("./postgres-store.js")).PostgresReader.open(address.url, address.authorities);
}

/** @param dryRun makes no file. */
export async function openTarget(address: Address, dryRun: boolean): Promise<Writer> {
  if (address.kind === "sqlite") return new (await import("./sqlite-store.js")).SqliteWriter(address.file, dryRun);
  return (await import("./postgres-store.js")).PostgresWriter.open(address.url, address.authorities);
}
