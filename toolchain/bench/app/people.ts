import { randomUUID } from "node:crypto";
import path from "node:path";
import { DatabaseSync } from "node:sqlite";
import { TokenSigner } from "../../../app/src/session/token";
import { UserError } from "../../lib/errors";
import { SECRETS } from "./settings";

const HOUR_MS = 3_600_000;

/**
 * Puts companies with one user and one session each into the database of a stopped app, and returns the tokens of the sessions. Signing
 * them up through the API would hash ten thousand passwords, which is not what is measured.
 */
export function addCompanies(dataDirectory: string, count: number): string[] {
  const signer = new TokenSigner(SECRETS["SESSION_SECRET"] ?? "");
  const database = new DatabaseSync(path.join(dataDirectory, "app.db"));
  try {
    const now = new Date().toISOString();
    const end = new Date(Date.now() + HOUR_MS).toISOString();
    const company = database.prepare("INSERT INTO companies (id, name, plan, created_at, updated_at) VALUES (?, ?, 'ENTERPRISE', ?, ?)");
    const user = database.prepare(
      "INSERT INTO users (id, company_id, email, name, role, password_hash, created_at, updated_at) VALUES (?, ?, ?, 'Bench', 'admin', '', ?, ?)",
    );
    const session = database.prepare("INSERT INTO sessions (id_hash, company_id, user_id, created_at, expires_at) VALUES (?, ?, ?, ?, ?)");
    database.exec("BEGIN IMMEDIATE");
    const tokens = Array.from({ length: count }, (_nothing, index) => {
      const [companyId, userId] = [randomUUID(), randomUUID()];
      const { token, idHash } = signer.create();
      company.run(companyId, `Company ${index}`, now, now);
      user.run(userId, companyId, `${userId}@example.org`, now, now);
      session.run(idHash, companyId, userId, now, end);
      return token;
    });
    database.exec("COMMIT");
    return tokens;
  } finally {
    database.close();
  }
}

/** Signs up one company; returns its header for further requests. */
export async function signUp(url: string): Promise<Readonly<Record<string, string>>> {
  const answer = await fetch(`${url}/api/auth/signup`, {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify({ companyName: "Bench", name: "Bench", email: `${randomUUID()}@example.org`, password: randomUUID() }),
  });
  const text = await answer.text();
  if (answer.status !== 201) throw new UserError(`signing up at the measured app was answered ${answer.status}: ${text.slice(0, 300)}`);
  const { token } = JSON.parse(text) as { token: string };
  return { Authorization: `Bearer ${token}` };
}
