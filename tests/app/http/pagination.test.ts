import assert from "node:assert/strict";
import fc from "fast-check";
import { createId } from "../../../app/src/db/id";
import { ORDER_STATUSES, orders, type OrderRow } from "../../../app/src/db/tables";
import { TenantScope } from "../../../app/src/db/tenant";
import { MOST_COUNTED, MOST_OFFSET } from "../../../app/src/http/pagination";
import { ORDER_LIST } from "../../../app/src/orders/orders";
import { TestApp } from "./support";

interface List {
  readonly data: OrderRow[];
  readonly page: { limit: number; hasMore: boolean; nextCursor: string | null; offset?: number; total?: number; totalIsAtLeast?: boolean };
}

describe("E5 pagination by offset and by cursor", () => {
  let app: TestApp;
  let inserted = 0;
  before(async () => (app = await TestApp.start()));
  after(() => app.remove());

  /** Rows with many equal sort values: that is where paging goes wrong. */
  async function insert(companyId: string, userId: string, count: number, random: () => number): Promise<string[]> {
    return new TenantScope(app.container.database, companyId).transaction(async (scope) => {
      const ids: string[] = [];
      for (let index = 0; index < count; index++) {
        const time = new Date(1_800_000_000_000 + Math.floor(random() * 5)).toISOString();
        const id = createId(Math.floor(random() * 1e12));
        const status = ORDER_STATUSES[Math.floor(random() * ORDER_STATUSES.length)] ?? "pending";
        const number = 1_000_000 + inserted++;
        const totalCents = Math.floor(random() * 4);
        await scope.table(orders).insert({
          id,
          number,
          customerName: "C",
          status,
          totalCents,
          currency: "EUR",
          notes: "",
          createdBy: userId,
          createdAt: time,
          updatedAt: time,
        });
        ids.push(id);
      }
      return ids;
    });
  }

  const list = async (token: string, query: string): Promise<List> => {
    const answer = await app.request<List>("GET", `/api/orders?${query}`, { token });
    assert.equal(answer.status, 200, answer.text);
    return answer.body;
  };

  const sorts = ORDER_LIST.sorts.flatMap((name) => [name, `-${name}`]);

  it("by cursor, shows each row that was there exactly once and in order, while others are inserted (property)", async function () {
    this.timeout(20_000);
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 0, max: 40 }),
        fc.integer({ min: 1, max: 12 }),
        fc.constantFrom(...sorts),
        fc.option(fc.constantFrom(...ORDER_STATUSES), { nil: undefined }),
        fc.noShrink(fc.infiniteStream(fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }))),
        async (count, limit, sort, status, stream) => {
          const random = (): number => (stream.next() as IteratorResult<number, undefined>).value ?? 0;
          const { token, companyId, userId } = await app.signUp();
          const present = new Set(await insert(companyId, userId, count, random));
          const seen: OrderRow[] = [];
          const filter = status === undefined ? "" : `&status=${status}`;
          let cursor: string | null = null;
          do {
            const after: string = cursor === null ? "" : `&cursor=${encodeURIComponent(cursor)}`;
            const { data, page } = await list(token, `limit=${limit}&sort=${sort}${filter}${after}`);
            assert.ok(data.length <= limit);
            assert.equal(page.hasMore, page.nextCursor !== null);
            seen.push(...data);
            cursor = page.nextCursor;
            if (seen.length < 200) await insert(companyId, userId, 2, random);
          } while (cursor !== null);

          const ids = seen.map(({ id }) => id);
          assert.equal(new Set(ids).size, ids.length, "no row twice");
          const expected = new Set<string>();
          for (const id of present) {
            const row = await new TenantScope(app.container.database, companyId).table(orders).find(id);
            if (row !== undefined && (status === undefined || row.status === status)) expected.add(id);
          }
          for (const id of expected) assert.ok(ids.includes(id), "every row that was there at the start");
          if (status !== undefined) assert.ok(seen.every((row) => row.status === status));
          const property = sort.replace("-", "") as keyof OrderRow;
          const keys = seen.map((row) => [row[property], row.id] as const);
          for (let index = 1; index < keys.length; index++) {
            const [one, two] = [keys[index - 1]!, keys[index]!];
            const ascending = one[0] < two[0] || (one[0] === two[0] && one[1] < two[1]);
            assert.equal(ascending, !sort.startsWith("-"));
          }
        },
      ),
      { numRuns: 40 },
    );
  });

  it("by offset, covers all rows and tells the total", async () => {
    const { token, companyId, userId } = await app.signUp();
    const ids = await insert(companyId, userId, 23, Math.random);
    const seen: string[] = [];
    for (let offset = 0; offset < 30; offset += 10) {
      const { data, page } = await list(token, `limit=10&offset=${offset}&sort=totalCents`);
      assert.deepEqual([page.total, page.offset, page.hasMore], [23, offset, offset < 20]);
      seen.push(...data.map(({ id }) => id));
    }
    assert.deepEqual(seen.sort(), ids.sort());
    const { data, page } = await list(token, `offset=${MOST_OFFSET}`);
    assert.deepEqual([data.length, page.hasMore, page.total], [0, false, 23]);
  });

  it("goes on by cursor from a page that was asked for by offset", async () => {
    const { token, companyId, userId } = await app.signUp();
    await insert(companyId, userId, 9, Math.random);
    const all = await list(token, "limit=9");
    const first = await list(token, "limit=4&offset=2");
    const next = await list(token, `limit=4&cursor=${first.page.nextCursor ?? ""}`);
    assert.deepEqual([...first.data, ...next.data], all.data.slice(2));
    assert.equal(next.page.total, undefined, "a cursor page counts nothing");
  });

  it("stops counting at a bound, so that no list walks a whole table", async function () {
    this.timeout(20_000);
    const { token, companyId, userId } = await app.signUp();
    await insert(companyId, userId, MOST_COUNTED + 5, Math.random);
    const { page } = await list(token, "limit=1");
    assert.deepEqual([page.total, page.totalIsAtLeast], [MOST_COUNTED, true]);
  });

  it("refuses bad pagination, naming the parameter and its range", async () => {
    const { token, companyId, userId } = await app.signUp();
    await insert(companyId, userId, 3, Math.random);
    const { page } = await list(token, "limit=1&sort=totalCents");
    const foreign = Buffer.from(JSON.stringify({ sort: "-createdAt", value: { $gt: 1 }, id: 5 })).toString("base64url");
    const cases: [string, string, RegExp][] = [
      ["limit=0", "limit", /from 1 to 500/],
      ["limit=501", "limit", /from 1 to 500/],
      ["limit=1e2", "limit", /whole number/],
      ["limit=", "limit", /whole number/],
      ["limit=5&limit=6", "limit", /whole number/],
      ["offset=-1", "offset", /from 0 to 10000/],
      ["offset=10001", "offset", /use cursor/],
      ["sort=notes", "sort", /createdAt, -createdAt/],
      ["status=lost", "status", /pending/],
      ["page=2", "page", /only the fields/],
      ["cursor=abc", "cursor", /nextCursor of the page before/],
      [`cursor=${foreign}`, "cursor", /nextCursor of the page before/],
      [`cursor=${page.nextCursor ?? ""}`, "cursor", /used with sort=totalCents/],
      [`sort=totalCents&offset=1&cursor=${page.nextCursor ?? ""}`, "offset", /absent/],
    ];
    for (const [query, field, allowed] of cases) {
      const problem = await app.refusal(400, "GET", `/api/orders?${query}`, { token });
      assert.equal(problem.errors?.[0]?.field, field, query);
      assert.match(problem.errors[0].allowed, allowed, query);
    }
    const users = await app.refusal(400, "GET", "/api/users?limit=101", { token });
    assert.match(users.detail, /from 1 to 100/, "each resource has a maximum of its own");
  });
});
