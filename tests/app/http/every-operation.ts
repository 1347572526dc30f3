import assert from "node:assert/strict";
import { newPatient } from "../domain/support";
import type { ConformingClient } from "./conformance";
import { ADMIN_TOKEN, PASSWORD } from "./support";

interface Created {
  readonly id: string;
  readonly token: string;
  readonly company: { readonly id: string };
}

/** 503 when something is critical, which depends on the machine. */
const JUDGED = ["/api/health/full", "/api/health/database"];

/** Succeed only after a job has failed for good; the tests of jobs make that happen. */
const DEAD_LETTERS = ["POST /api/admin/queues/dead-letters/{id}/retry", "DELETE /api/admin/queues/dead-letters/{id}"];

/** Uses every operation of an app whose jobs run, with success where a test can have it, and checks each answer against its description. */
export async function useEveryOperation(client: ConformingClient): Promise<void> {
  /** Asks, expects this status, and returns the body. */
  async function ask(
    status: number,
    method: string,
    where: string,
    token?: string,
    json?: unknown,
    headers?: Record<string, string>,
  ): Promise<Created> {
    const answer = await client.request<Created>(method, where, {
      ...(token !== undefined && { token }),
      ...(json !== undefined && { json }),
      ...(headers !== undefined && { headers }),
    });
    assert.equal(answer.status, status, `${method} ${where}: ${answer.text}`);
    return answer.body;
  }

  const credentials = { email: "boss@example.org", password: PASSWORD };
  const { company, token: first } = await ask(201, "POST", "/api/auth/signup", undefined, {
    companyName: "C",
    name: "Boss",
    ...credentials,
  });
  await ask(400, "POST", "/api/auth/signup", undefined, { companyName: "" });
  await ask(204, "POST", "/api/auth/logout", first);
  const { token: second } = await ask(200, "POST", "/api/auth/login", undefined, credentials);
  await ask(401, "POST", "/api/auth/login", undefined, { ...credentials, password: "wrong" });
  await ask(204, "POST", "/api/auth/logout-everywhere", second);
  const { token: third } = await ask(200, "POST", "/api/auth/login", undefined, credentials);
  const changed = { currentPassword: PASSWORD, newPassword: `${PASSWORD} too` };
  const { token } = await ask(200, "POST", "/api/auth/password", third, changed);
  for (const where of ["/api/auth/me", "/api/session", "/api/company", "/api/quotas", "/api/quotas/plans", "/api/dashboard"]) {
    await ask(200, "GET", where, token);
    await ask(401, "GET", where);
  }
  await ask(200, "PATCH", "/api/company", token, { name: "D" });
  await ask(412, "PATCH", "/api/company", token, { name: "E" }, { "If-Match": `"${"x".repeat(22)}"` });

  const user = await ask(201, "POST", "/api/users", token, { email: "u@example.org", name: "U", password: PASSWORD });
  await ask(200, "PATCH", `/api/users/${user.id}`, token, { name: "V" });
  await ask(200, "POST", `/api/users/${user.id}/deactivate`, token);
  await ask(200, "POST", `/api/users/${user.id}/activate`, token);

  const product = await ask(201, "POST", "/api/products", token, { sku: "S", name: "P", category: "lens", priceCents: 5 });
  await ask(409, "POST", "/api/products", token, { sku: "S", name: "P", category: "lens", priceCents: 5 });
  await ask(200, "PATCH", `/api/products/${product.id}`, token, { priceCents: 6 }, { "If-Match": '"1"' });
  await ask(412, "PATCH", `/api/products/${product.id}`, token, { priceCents: 7 }, { "If-Match": '"1"' });
  const patient = await ask(201, "POST", "/api/patients", token, { ...newPatient(), email: "p@example.org", phone: "+49 30 1" });
  await ask(200, "PATCH", `/api/patients/${patient.id}`, token, { email: null, status: "archived" });
  const exam = await ask(201, "POST", "/api/exams", token, {
    patientId: patient.id,
    kind: "refraction",
    scheduledAt: "2999-01-01T00:00:00Z",
  });
  const order = await ask(201, "POST", "/api/orders", token, { customerName: "X", items: [{ productId: product.id, quantity: 2 }] });
  await ask(200, "PATCH", `/api/orders/${order.id}`, token, { status: "confirmed" });

  const income = { taxYear: 2025, filingStatus: "single", grossIncomeCents: 9_000_000 };
  const computation = await ask(201, "POST", "/api/tax/computations", token, income);
  await ask(200, "GET", "/api/tax/schedules", token);
  const filing = await ask(201, "POST", "/api/filings", token, { taxpayerName: "X", taxYear: 2025, dueOn: "2026-04-15" });
  await ask(200, "PATCH", `/api/filings/${filing.id}`, token, { computationId: computation.id });
  await ask(200, "POST", `/api/filings/${filing.id}/transitions`, token, { to: "submitted", note: "by mail" });
  await ask(409, "POST", `/api/filings/${filing.id}/transitions`, token, { to: "draft" });

  const chat = await ask(201, "POST", "/api/chat/conversations", token, {});
  const messages = `/api/chat/conversations/${chat.id}/messages`;
  await ask(201, "POST", messages, token, { content: "What is my plan?" });
  await ask(200, "POST", messages, token, { content: "And my orders?" }, { Accept: "text/event-stream" });
  await ask(200, "GET", messages, token);

  await ask(201, "POST", "/api/realtime/ticket", token);
  await ask(401, "POST", "/api/realtime/ticket");

  const job = await ask(202, "POST", "/api/jobs/tax-computations", token, { ...income, delayMs: 3_600_000 });
  await ask(200, "POST", `/api/jobs/${job.id}/cancel`, token);
  const upload = await client.request<{ document: Created }>("POST", "/api/documents?name=note.txt", {
    token,
    raw: "Hello, document.",
    headers: { "Content-Type": "text/plain" },
  });
  assert.equal(upload.status, 201, upload.text);
  const { document } = upload.body;
  for (let state = "pending"; state !== "extracted";) {
    const { body } = await client.request<{ textStatus: string }>("GET", `/api/documents/${document.id}`, { token });
    state = body.textStatus;
    assert.ok(state === "pending" || state === "extracted", state);
  }
  for (const part of ["content", "text"]) await ask(200, "GET", `/api/documents/${document.id}/${part}`, token);
  await ask(202, "POST", `/api/documents/${document.id}/text`, token);
  await ask(200, "GET", "/api/documents/usage", token);
  await ask(200, "POST", "/api/documents/uploads", token, { name: "note.txt", sizeBytes: 16, sha256: "0".repeat(64) });
  // It is the document of the upload already.
  await ask(200, "POST", `/api/documents/uploads/${document.id}/complete`, token);

  const single = { users: user, orders: order, products: product, patients: patient, exams: exam, filings: filing };
  for (const [name, { id }] of Object.entries({
    ...single,
    jobs: job,
    documents: document,
    "tax/computations": computation,
    "chat/conversations": chat,
  })) {
    await ask(200, "GET", `/api/${name}`, token);
    await ask(200, "GET", `/api/${name}/${id}`, token);
    await ask(400, "GET", `/api/${name}?limit=0`, token);
    await ask(404, "GET", `/api/${name}/nobody`, token);
  }
  const listed = await client.request("GET", "/api/orders", { token });
  await ask(304, "GET", "/api/orders", token, undefined, { "If-None-Match": listed.headers.get("etag") ?? "" });
  await ask(200, "GET", "/api/dashboard", token);
  await ask(200, "PATCH", `/api/exams/${exam.id}`, token, { status: "completed", findings: "fine" });
  const draft = await ask(201, "POST", "/api/filings", token, { taxpayerName: "Y", taxYear: 2024, dueOn: "2025-04-15" });
  for (const where of [
    `orders/${order.id}`,
    `exams/${exam.id}`,
    `patients/${patient.id}`,
    `products/${product.id}`,
    `filings/${draft.id}`,
  ]) {
    await ask(204, "DELETE", `/api/${where}`, token);
  }
  await ask(204, "DELETE", `/api/documents/${document.id}`, token);
  await ask(204, "DELETE", `/api/chat/conversations/${chat.id}`, token);

  await ask(201, "POST", "/api/admin/platform-admins", ADMIN_TOKEN, { email: "op@example.org", name: "Op", password: PASSWORD });
  await ask(200, "PUT", `/api/admin/quotas/${company.id}`, ADMIN_TOKEN, { plan: "BASIC" });
  const reads = [
    "quotas/" + company.id,
    "cache/" + company.id,
    "metrics/summary",
    "metrics/company/" + company.id,
    "metrics/problems",
    "activity",
    "console",
  ];
  for (const where of reads) await ask(200, "GET", `/api/admin/${where}`, ADMIN_TOKEN);
  await ask(204, "DELETE", `/api/admin/cache/${company.id}`, ADMIN_TOKEN);
  await ask(202, "POST", "/api/admin/reload", ADMIN_TOKEN);
  await ask(202, "POST", "/api/admin/workers/1/drain", ADMIN_TOKEN);
  await ask(421, "POST", `/api/admin/workers/1/drain?instance=${company.id}`, ADMIN_TOKEN);
  await ask(200, "GET", "/api/admin/queues", ADMIN_TOKEN);
  for (const action of ["pause", "resume"]) await ask(200, "POST", `/api/admin/queues/ocr-processing/${action}`, ADMIN_TOKEN);
  await ask(200, "GET", "/api/admin/queues/ocr-processing/dead-letters", ADMIN_TOKEN);
  for (const letter of DEAD_LETTERS)
    await ask(404, letter.split(" ")[0] ?? "", (letter.split(" ")[1] ?? "").replace("{id}", "none"), ADMIN_TOKEN);
  for (const where of ["/health", "/ready", "/metrics", "/openapi.json"]) await ask(200, "GET", where);
  for (const name of ["metrics", "cache", "queue", "scaling"]) await ask(200, "GET", `/api/health/${name}`);
  for (const where of JUDGED) {
    const { status } = await client.request("GET", where);
    assert.ok(status === 200 || status === 503);
  }

  const succeeded = new Set([...client.answered].filter((line) => / [23]\d\d$/.test(line)).map((line) => line.replace(/ \d+$/, "")));
  const excused = [...JUDGED.map((where) => `GET ${where}`), ...DEAD_LETTERS];
  const missing = client.operations.filter((operation) => !succeeded.has(operation) && !excused.includes(operation));
  assert.deepEqual(missing, [], "operations that this test does not ask");
}
