import type { Database, Queries, SqlValue } from "../db/database";
import { SESSION_LIFETIME_MS } from "../session/session-store";
import type { TokenSigner } from "../session/token";
import { adminId, companyAt, companyId, type SeedCompany, type SeedOptions } from "./shape";

/** Companies of one transaction: what an interruption loses, and how long it locks. The first ones are large, so they come in fewer. */
const COMPANIES_PER_BATCH = 50;

/** Parameters of one statement; SQLite takes 32,766, Postgres 65,535, and a short one is no slower. */
const MOST_PARAMETERS = 3000;

/** Two that seed at the same time do so in turn, batch by batch; each looks for what is there, so doing it again does no harm. */
const ALONE = { lock: "seed", idempotent: true } as const;

/** Called after each batch. @param done companies that are there */
type OnProgress = (done: number, made: number) => void;

/**
 * Makes companies with users, products and orders directly in the database: for loads, not for people. Nobody can log in as their users.
 * What is there already is left alone, so that it may be interrupted and run again.
 * @returns how many were made now.
 */
export async function seedCompanies(
  database: Database,
  options: SeedOptions,
  onProgress: OnProgress = () => undefined,
  signal?: AbortSignal,
): Promise<number> {
  const now = Date.now();
  let made = 0;
  for (let from = 0; from < options.companies; from += COMPANIES_PER_BATCH) {
    signal?.throwIfAborted();
    const batch = range(from, Math.min(options.companies, from + COMPANIES_PER_BATCH));
    made += await database.transaction(async (transaction) => {
      const ids = batch.map((index) => companyId(options.seed, index));
      const there = await transaction.all<{ id: string }>(`SELECT id AS "id" FROM companies WHERE id IN (${marks(ids.length)})`, ids);
      const known = new Set(there.map(({ id }) => id));
      const missing = batch.filter((_index, at) => !known.has(ids[at] ?? ""));
      await insertCompanies(
        transaction,
        missing.map((index) => companyAt(options, index, now)),
      );
      return missing.length;
    }, ALONE);
    onProgress(from + batch.length, made);
  }
  return made;
}

/** One who may ask as the admin of a company, for an hour. */
export interface SeedSession {
  readonly token: string;
  /** Some orders of the company. */
  readonly orders: readonly string[];
}

const SHOWN_ORDERS = 3;

/**
 * Logs the admin of each company in; sessions of theirs from before end.
 * @param write takes the sessions of a batch, in the order of the companies.
 */
export async function seedSessions(
  database: Database,
  signer: TokenSigner,
  { companies, seed }: SeedOptions,
  write: (sessions: readonly SeedSession[]) => void,
  signal?: AbortSignal,
): Promise<void> {
  for (let from = 0; from < companies; from += COMPANIES_PER_BATCH) {
    signal?.throwIfAborted();
    const batch = range(from, Math.min(companies, from + COMPANIES_PER_BATCH));
    const made = batch.map((index) => ({ ...signer.create(), company: companyId(seed, index), user: adminId(seed, index) }));
    const now = Date.now();
    const end = new Date(now + SESSION_LIFETIME_MS).toISOString();
    await database.transaction(async (transaction) => {
      const pairs = made.map(() => "(company_id = ? AND user_id = ?)").join(" OR ");
      await transaction.run(
        `DELETE FROM sessions WHERE ${pairs}`,
        made.flatMap(({ company, user }) => [company, user]),
      );
      const rows = made.map(({ idHash, company, user }) => [idHash, company, user, new Date(now).toISOString(), end]);
      await insert(transaction, "sessions", ["id_hash", "company_id", "user_id", "created_at", "expires_at"], rows);
    }, ALONE);
    write(made.map(({ token }, at) => ({ token, orders: ordersOf({ companies, seed }, batch[at] ?? 0, now) })));
  }
}

function ordersOf(options: SeedOptions, index: number, now: number): string[] {
  return companyAt(options, index, now)
    .orders.slice(0, SHOWN_ORDERS)
    .map(({ id }) => id);
}

async function insertCompanies(queries: Queries, companies: readonly SeedCompany[]): Promise<void> {
  const each = <Row extends readonly SqlValue[]>(of: (company: SeedCompany) => readonly Row[]): Row[] => companies.flatMap(of);
  await insert(
    queries,
    "companies",
    ["id", "name", "plan", "last_order_number", "created_at", "updated_at"],
    companies.map(({ id, name, plan, orders, createdAt }) => [id, name, plan, orders.length, createdAt, createdAt]),
  );
  await insert(
    queries,
    "users",
    ["id", "company_id", "email", "name", "role", "password_hash", "created_at", "updated_at"],
    // No password leads to an empty hash.
    each(({ id, users, createdAt }) =>
      users.map((user, n) => [user.id, id, user.email, user.name, n === 0 ? "admin" : "user", "", createdAt, createdAt]),
    ),
  );
  await insert(
    queries,
    "products",
    ["id", "company_id", "sku", "name", "category", "price_cents", "currency", "created_at", "updated_at"],
    each(({ id, products, createdAt }) =>
      products.map((product) => [
        ...[product.id, id, product.sku, product.name, product.category, product.priceCents],
        ...["EUR", createdAt, createdAt],
      ]),
    ),
  );
  await insert(
    queries,
    "orders",
    ["id", "company_id", "number", "customer_name", "status", "total_cents", "currency", "created_by", "created_at", "updated_at"],
    each(({ id, users, orders }) =>
      orders.map((order, n) => [
        ...[order.id, id, n + 1, order.customerName, order.status, order.totalCents, "EUR"],
        ...[users[0]?.id ?? "", order.createdAt, order.createdAt],
      ]),
    ),
  );
  // As the API would have counted them, see billing/quotas.ts.
  await insert(
    queries,
    "quota_usage",
    ["company_id", "resource", "used"],
    each(({ id, users, products, orders }) => [
      [id, "users", users.length],
      [id, "products", products.length],
      [id, "orders", orders.length],
    ]),
  );
}

async function insert(queries: Queries, table: string, columns: readonly string[], rows: readonly (readonly SqlValue[])[]): Promise<void> {
  const size = Math.floor(MOST_PARAMETERS / columns.length);
  for (let from = 0; from < rows.length; from += size) {
    const part = rows.slice(from, from + size);
    const values = part.map((row) => `(${marks(row.length)})`).join(", ");
    await queries.run(`INSERT INTO ${table} (${columns.join(", ")}) VALUES ${values}`, part.flat());
  }
}

function marks(count: number): string {
  return Array.from({ length: count }, () => "?").join(", ");
}

function range(from: number, to: number): number[] {
  return Array.from({ length: to - from }, (_nothing, n) => from + n);
}
