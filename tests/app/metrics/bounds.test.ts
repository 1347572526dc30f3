import assert from "node:assert/strict";
import fc from "fast-check";
import { BOUNDS, routeClass, TenantMetrics, WINDOW_MS, type MetricsDelta } from "../../../app/src/observability/tenant-metrics";
import { sumRows } from "../../../app/src/observability/tenant-metrics-store";

const NOON = Date.parse("2026-06-01T12:00:00Z");
const MOST = 1_000_000;

function requestsOf(deltas: readonly MetricsDelta[]): number {
  return sumRows(deltas)?.requests ?? 0;
}

describe("company metrics: counting in a worker", () => {
  it("E7 counts requests, errors, refusals, classes and durations of each company", () => {
    const metrics = new TenantMetrics(() => NOON + 1);
    metrics.record("a", "read", 200, 10);
    metrics.record("a", "write", 503, 20.4);
    metrics.record("a", "chat", 429, 0.2);
    metrics.record("b", "upload", 404, 5);
    const [a, b] = metrics.take(MOST).sort((one, other) => one.companyId.localeCompare(other.companyId));
    const { digest, ...counts } = a!;
    assert.deepEqual(counts, {
      companyId: "a",
      startsAt: NOON,
      requests: 3,
      clientErrors: 0,
      serverErrors: 1,
      limited: 1,
      reads: 1,
      writes: 1,
      uploads: 0,
      chats: 1,
      totalMs: 31,
    });
    assert.equal(digest.split(",").length, 3);
    assert.deepEqual([b?.requests, b?.clientErrors, b?.uploads], [1, 1, 1]);
    assert.deepEqual(metrics.take(MOST), []);
  });

  it("E7 a delta belongs to the five minutes in which it was counted, also when the clock jumps", () => {
    let now = NOON;
    const metrics = new TenantMetrics(() => now);
    for (const minutes of [0, 4, 5, 61, -3]) {
      now = NOON + minutes * 60_000;
      metrics.record("a", "read", 200, 1);
    }
    const starts = metrics.take(MOST).map(({ startsAt }) => (startsAt - NOON) / WINDOW_MS);
    assert.deepEqual(starts, [0, 1, 12, -1]);
  });

  it("E10 memory is bounded at 10,000 companies and at any number: entries, histograms and waiting lines have their limits", () => {
    const metrics = new TenantMetrics(() => NOON);
    const companies = 10_000;
    for (let round = 0; round < 3; round++) {
      for (let company = 0; company < companies; company++) metrics.record(`company-${company}`, "read", 200, company % 50);
    }
    assert.deepEqual(metrics.stats(), { active: companies, digests: 0, spareDigests: 0, pending: 0, droppedRequests: 0 });
    for (let company = 0; company < 3 * companies; company++) metrics.record(`other-${company}`, "read", 200, 1);
    const crowded = metrics.stats();
    assert.equal(crowded.active, BOUNDS.active);
    assert.equal(crowded.pending, BOUNDS.pending);
    assert.equal(crowded.droppedRequests + requestsOf(metrics.take(MOST)), 6 * companies);
  });

  it("E7 no request is lost or counted twice whatever the order of companies, flushes and bounds (property)", () => {
    const event = fc.oneof(
      { weight: 20, arbitrary: fc.nat(9) },
      { weight: 1, arbitrary: fc.constant("take" as const) },
      { weight: 1, arbitrary: fc.constant("later" as const) },
    );
    fc.assert(
      fc.property(
        fc.array(event, { maxLength: 600 }),
        fc.integer({ min: 1, max: 12 }),
        fc.integer({ min: 0, max: 4 }),
        (events, active, digests) => {
          let now = NOON;
          const metrics = new TenantMetrics(() => now, { active, digests, pending: MOST });
          const taken: MetricsDelta[] = [];
          let sent = 0;
          for (const what of events) {
            if (what === "take") taken.push(...metrics.take(3));
            else if (what === "later") now += WINDOW_MS;
            else {
              metrics.record(`c${what}`, "read", 200, what);
              sent += 1;
            }
            const { active: held, digests: live, spareDigests } = metrics.stats();
            assert.ok(held <= active && live <= digests && live + spareDigests <= digests);
          }
          taken.push(...metrics.take(MOST));
          assert.equal(requestsOf(taken), sent);
          assert.equal(sumRows(taken)?.digest.count ?? 0, sent);
        },
      ),
    );
  });

  it("what could not be written is kept as far as there is room, and the rest is counted as dropped", () => {
    const metrics = new TenantMetrics(() => NOON, { active: 5, digests: 1, pending: 3 });
    for (const id of ["a", "b", "c"]) metrics.record(id, "read", 200, 1);
    const taken = metrics.take(2);
    assert.deepEqual(
      taken.map(({ companyId }) => companyId),
      ["a", "b"],
    );
    metrics.restore([...taken, ...taken]);
    assert.deepEqual(metrics.stats(), { active: 1, digests: 0, spareDigests: 0, pending: 3, droppedRequests: 1 });
  });

  it("tells reading, writing, uploads and chat apart", () => {
    assert.deepEqual(
      [
        routeClass("GET", "/api/orders"),
        routeClass("DELETE", "/api/orders/1"),
        routeClass("POST", "/api/documents"),
        routeClass("GET", "/api/documents/1"),
        routeClass("POST", "/api/chat/conversations/1/messages"),
        routeClass("HEAD", "/"),
      ],
      ["read", "write", "upload", "read", "chat", "read"],
    );
  });
});
