import type { Database, SqlValue } from "../../app/src/db/database";

const AT = "2026-01-02T03:04:05.678Z";
const id = (kind: string, number: number): string => `${kind}${String(number).padStart(23, "0")}`;

/** Text that a careless copy would change: a quote, what COPY escapes, what sorts differently by locale, beyond Latin-1, empty. */
export const AWKWARD = ['O\'Neill \\N \t{a,"b"}', "Żółć 🦉", "", "NULL", "a\nb\r\nc", "Ä before z?"];

/**
 * Puts rows into every table that a transfer carries: by companies, each with two users, a patient, a product and `orders` orders, and so on
 * down to a counter that has given numbers whose rows are gone.
 */
export async function fillTables(database: Database, companies = 3, orders = 40): Promise<void> {
  await database.transaction(async (transaction) => {
    const add = (table: string, row: Readonly<Record<string, SqlValue>>): Promise<number> =>
      transaction.run(
        `INSERT INTO ${table} (${Object.keys(row).join(", ")}) VALUES (${Object.keys(row)
          .map(() => "?")
          .join(", ")})`,
        Object.values(row),
      );
    for (let n = 0; n < companies; n += 1) {
      const [company_id, user] = [id("c", n), id("u", n * 2)];
      const text = AWKWARD[n % AWKWARD.length] ?? "";
      const times = { created_at: AT, updated_at: AT };
      const made = { created_by: user, ...times };
      await add("companies", { id: company_id, name: `Company ${text || "?"}`, last_order_number: orders, ...times });
      for (const [offset, role] of ["admin", "user"].entries()) {
        const own = { id: id("u", n * 2 + offset), company_id, email: `u${n}-${offset}@example.org`, name: `User ${offset}`, role };
        await add("users", { ...own, password_hash: "$2b$", platform_admin: offset, ...times });
      }
      await add("sessions", { id_hash: id("h", n), company_id, user_id: user, created_at: AT, expires_at: AT });
      await add("quota_usage", { company_id, resource: "orders", used: orders });
      const person = { given_name: "Ada", family_name: text || "Lovelace", birth_date: "1815-12-10", email: n % 2 === 0 ? null : "a@b.c" };
      await add("patients", { id: id("p", n), company_id, ...person, notes: text, ...made });
      const product = { sku: `SKU-${n}`, name: "Lens", category: "lens", price_cents: 9_007_199_254_740_991, currency: "EUR" };
      await add("products", { id: id("r", n), company_id, ...product, ...times });
      for (let order = 0; order < orders; order += 1) {
        const own = { id: id("o", n * orders + order), company_id, number: order + 1, customer_name: `Customer ${order}` };
        await add("orders", { ...own, total_cents: order * 100, currency: "EUR", notes: AWKWARD[order % AWKWARD.length] ?? "", ...made });
        const item = { order_id: own.id, position: 1, product_id: id("r", n), name: "Lens", unit_price_cents: 100, quantity: 1 };
        await add("order_items", { id: id("i", n * orders + order), company_id, ...item });
      }
      await add("exams", { id: id("e", n), company_id, patient_id: id("p", n), kind: "fundus", scheduled_at: AT, findings: text, ...made });
      const tax = { tax_year: 2025, filing_status: "single", gross_income_cents: 1, adjustments_cents: 0, deduction_kind: "standard" };
      const computed = { deduction_cents: 0, taxable_income_cents: 1, tax_cents: 0, marginal_rate_bp: 1000, effective_rate_bp: -5 };
      const computation = {
        id: id("t", n),
        company_id,
        ...tax,
        ...computed,
        brackets: '[{"b":1,"a":2}]',
        created_by: user,
        created_at: AT,
      };
      await add("tax_computations", computation);
      const filing = { taxpayer_name: "Ada", tax_year: 2025, due_on: "2026-04-15", computation_id: n % 2 === 0 ? null : id("t", n) };
      await add("filings", { id: id("f", n), company_id, ...filing, ...made });
      const step = { filing_id: id("f", n), from_status: "draft", to_status: "submitted", created_by: user, created_at: AT };
      await add("filing_transitions", { id: id("s", n), company_id, ...step });
      await add("chat_conversations", { id: id("v", n), company_id, user_id: user, title: "Hello", message_count: 1, ...times });
      const message = { conversation_id: id("v", n), position: 1, role: "user", status: "complete", content: text, created_at: AT };
      await add("chat_messages", { id: id("m", n), company_id, ...message });
      const job = { queue: "ocr-processing", priority: "normal", payload: '{"a":1}', subject_id: id("d", n), created_by: user };
      await add("company_jobs", { id: id("j", n), company_id, ...job, created_at: AT });
      const document = { name: "scan.pdf", media_type: "application/pdf", size_bytes: 1, sha256: "a".repeat(64), text_status: "pending" };
      await add("documents", { id: id("d", n), company_id, ...document, extracted_text: text, ...made });
      await add("document_usage", { company_id, documents: 1, bytes: 1 });
      await add("idempotency_keys", { company_id, user_id: user, key: "k", fingerprint: "f", answer: "{}", created_at: AT });
      await add("event_streams", { company_id, last_number: 2 });
      for (const number of [1, 2]) {
        const event = { company_id, number, type: "order.created", payload: "{}", occurred_at: AT };
        await add("event_outbox", { id: id(`x${number}`, n), ...event });
      }
      await add("event_handled", { event_id: id("x", n), handled_at: AT });
      await add("company_activity", { id: id("y", n), company_id, number: 1, type: "order.created", summary: text, occurred_at: AT });
      await add("order_statistics", { company_id, day: "2026-01-02", currency: "EUR", orders, total_cents: 1 });
      const figures = {
        requests: 1,
        client_errors: 0,
        server_errors: 0,
        limited: 0,
        reads: 1,
        writes: 0,
        uploads: 0,
        chats: 0,
        total_ms: 7,
      };
      await add("company_metrics", { company_id, period: "hour", starts_at: AT, ...figures, digest: "1:1" });
      // Names that sort differently where a locale decides.
      for (const name of ["orders", "Orders", "#7", "*"]) await add("cache_generations", { company_id, name, generation: "g" });
      await add("leases", { name: `lease-${n}`, owner: "o", expires_at: AT });
    }
    // Published and gone: the next event must not get its position again.
    await transaction.run("DELETE FROM event_outbox WHERE position = (SELECT max(position) FROM event_outbox)");
    await transaction.run("UPDATE redis_fence SET epoch = 7 WHERE id = 1");
  });
}
