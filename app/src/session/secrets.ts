import { randomBytes } from "node:crypto";
import { linkSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";

/** The app's secrets, wherever they came from. */
export interface Secrets {
  /** The first signs, all of them verify; at least one. */
  readonly sessionSecrets: readonly string[];
  readonly adminToken: string;
}

/** What {@link loadSecrets} needs of the configuration. */
export interface SecretsConfig {
  readonly sqlitePath: string;
  readonly sessionSecret: string | undefined;
  readonly adminToken: string | undefined;
}

const SECRET_BYTES = 32;

/** Where a secret that is not configured is kept: beside the database, so that what keeps one keeps the other. */
export function generatedSecretFile(config: SecretsConfig, name: "session-secret" | "admin-token"): string {
  return path.join(path.dirname(path.resolve(config.sqlitePath)), name);
}

/** The configured secrets; one that is missing is generated once, kept in a file only its owner may read, and found again by everyone. */
export function loadSecrets(config: SecretsConfig): Secrets {
  const sessionSecret = config.sessionSecret ?? readOrCreate(generatedSecretFile(config, "session-secret"));
  return {
    sessionSecrets: sessionSecret.split(","),
    adminToken: config.adminToken ?? readOrCreate(generatedSecretFile(config, "admin-token")),
  };
}

function readOrCreate(file: string): string {
  const existing = readIfPresent(file);
  if (existing !== undefined) return existing;
  mkdirSync(path.dirname(file), { recursive: true });
  const draft = `${file}.${process.pid}.${randomBytes(4).toString("hex")}`;
  writeFileSync(draft, `${randomBytes(SECRET_BYTES).toString("base64url")}\n`, { mode: 0o600, flush: true });
  try {
    // A link either appears whole or not at all, so of several instances starting together one wins and all read the same.
    linkSync(draft, file);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
  } finally {
    rmSync(draft);
  }
  return readFileSync(file, "utf8").trim();
}

function readIfPresent(file: string): string | undefined {
  try {
    return readFileSync(file, "utf8").trim();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw error;
  }
}
