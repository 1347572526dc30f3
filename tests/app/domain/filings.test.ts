import assert from "node:assert/strict";
import { FILING_STATES } from "../../../app/src/db/domain-tables";
import { DECISIONS, NEXT_FILING_STATES, type FilingDetail } from "../../../app/src/filings/filings";
import { TestApp, type Answer } from "../http/support";

describe("E5 domain: filings and tax computations", function () {
  this.timeout(30_000);
  let app: TestApp;
  let token: string;
  let computationId: string;
  before(async () => {
    app = await TestApp.start();
    ({ token } = await app.signUp());
    const income = { taxYear: 2025, filingStatus: "single", grossIncomeCents: 10_000_000 };
    const computed = await app.request<{ id: string; taxCents: number }>("POST", "/api/tax/computations", { token, json: income });
    // 84,250 taxable: 1,192.50 + 4,386 + 22 % of 35,775.
    assert.deepEqual([computed.status, computed.body.taxCents], [201, 1_344_900]);
    computationId = computed.body.id;
  });
  after(() => app.remove());

  const draft = async (changes: object = {}): Promise<FilingDetail> => {
    const json = { taxpayerName: "Ada", taxYear: 2025, dueOn: "2026-04-15", computationId, ...changes };
    const answer = await app.request<FilingDetail>("POST", "/api/filings", { token, json });
    assert.equal(answer.status, 201, answer.text);
    return answer.body;
  };
  const move = (id: string, to: string, by = token): Promise<Answer<FilingDetail>> =>
    app.request<FilingDetail>("POST", `/api/filings/${id}/transitions`, { token: by, json: { to } });

  it("moves only as documented, and records who moved it", async () => {
    for (const from of FILING_STATES) {
      for (const to of FILING_STATES) {
        const filing = await draft();
        await app.container.database.run("UPDATE filings SET status = ? WHERE id = ?", [from, filing.id]);
        const answer = await move(filing.id, to);
        const allowed = NEXT_FILING_STATES[from].includes(to);
        assert.equal(answer.status, allowed ? 200 : 409, `${from} → ${to}`);
        if (allowed)
          assert.deepEqual(
            answer.body.history.map((step) => [step.from, step.to]),
            [[from, to]],
          );
      }
    }
    const filing = await draft();
    for (const to of ["submitted", "rejected", "draft", "submitted", "accepted"]) assert.equal((await move(filing.id, to)).status, 200);
    const { body } = await app.request<FilingDetail>("GET", `/api/filings/${filing.id}`, { token });
    assert.deepEqual([body.status, body.version, body.history.length], ["accepted", 6, 5]);
    assert.deepEqual(
      body.history.map((step) => step.to),
      ["submitted", "rejected", "draft", "submitted", "accepted"],
    );
  });

  it("of several who submit at the same time one does", async () => {
    const filing = await draft();
    const statuses = (await Promise.all([1, 2, 3, 4, 5].map(() => move(filing.id, "submitted")))).map(({ status }) => status);
    assert.deepEqual(statuses.sort(), [200, 409, 409, 409, 409]);
  });

  it("needs a computation of its year to be submitted, and stays as it was submitted", async () => {
    const filing = await draft({ computationId: null });
    const refused = await app.refusal(409, "POST", `/api/filings/${filing.id}/transitions`, { token, json: { to: "submitted" } });
    assert.equal(refused.errors?.[0]?.field, "computationId");
    const json = { taxpayerName: "Ada", taxYear: 2024, dueOn: "2025-04-15", computationId };
    assert.match((await app.refusal(400, "POST", "/api/filings", { token, json })).detail, /of the company for 2024/);
    const { token: other } = await app.signUp();
    await app.refusal(400, "POST", "/api/filings", { token: other, json: { ...json, taxYear: 2025 } });
    assert.equal((await app.request("PATCH", `/api/filings/${filing.id}`, { token, json: { computationId } })).status, 200);
    assert.equal((await move(filing.id, "submitted")).status, 200);
    await app.refusal(409, "PATCH", `/api/filings/${filing.id}`, { token, json: { dueOn: "2027-01-01" } });
    await app.refusal(409, "DELETE", `/api/filings/${filing.id}`, { token });
  });

  it("lets only admins enter decisions", async () => {
    const user = await app.addUser(token);
    const filing = await draft();
    assert.equal((await move(filing.id, "submitted", user.token)).status, 200);
    for (const decision of DECISIONS) assert.equal((await move(filing.id, decision, user.token)).status, 403);
    assert.equal((await move(filing.id, "accepted")).status, 200);
  });

  it("filters by year as a number, and refuses years without a schedule", async () => {
    const list = await app.request<{ data: FilingDetail[] }>("GET", "/api/filings?taxYear=2025&status=accepted&sort=-dueOn", { token });
    assert.ok(list.body.data.length > 0 && list.body.data.every(({ taxYear, status }) => taxYear === 2025 && status === "accepted"));
    assert.deepEqual((await app.request<{ data: unknown[] }>("GET", "/api/tax/computations?taxYear=2024", { token })).body.data, []);
    const problem = await app.refusal(400, "GET", "/api/filings?taxYear=1999", { token });
    assert.equal(problem.errors?.[0]?.allowed, "one of 2024, 2025");
    const json = { taxYear: 1999, filingStatus: "single", grossIncomeCents: 1 };
    assert.equal((await app.refusal(400, "POST", "/api/tax/computations", { token, json })).errors?.[0]?.field, "taxYear");
  });
});
