import assert from "node:assert/strict";
import fc from "fast-check";
import { ADMIN_TOKEN, TestApp, type Answer } from "../http/support";
import { type Operation, operationsOf, type Schema, type Source, valueFor } from "./openapi-requests";

/** These end or begin sessions, or other things than data of a company; they have tests of their own. */
const NOT_ASKED = new Set(["/api/auth/signup", "/api/auth/login", "/api/auth/logout", "/api/auth/logout-everywhere", "/api/auth/password"]);

/** Keys whose value is an id of a row. */
const ID_KEY = /^(id|.+Id|createdBy)$/;
const UUID = /^[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}$/;

/** One company with an admin and a user, and every id that was ever shown to them. */
interface Side {
  readonly marker: string;
  readonly companyId: string;
  readonly tokens: readonly string[];
  readonly ids: Set<string>;
}

interface Step {
  readonly side: 0 | 1;
  readonly actor: number;
  readonly operation: number;
  /** Whether ids are the other company's. */
  readonly foreign: boolean;
  readonly choices: readonly number[];
}

describe("D3 tenant isolation over HTTP", function () {
  this.timeout(120_000);
  let app: TestApp;
  let sides: readonly [Side, Side];
  let operations: readonly Operation[];

  const statuses = new Map<number, number>();

  before(async () => {
    app = await TestApp.start();
    sides = [await createSide("MarkerA"), await createSide("MarkerB")];
    const description = await app.request<Parameters<typeof operationsOf>[0]>("GET", "/openapi.json");
    operations = operationsOf(description.body).filter(({ path }) => !NOT_ASKED.has(path));
    assert.ok(operations.length >= 60, "the description has every route");
    // Each kind of object once for each company, so that there is something to steal.
    for (const side of sides) {
      for (const operation of operations.filter(({ method, path }) => method === "POST" && !path.includes("{"))) {
        for (const choice of [0, 1]) await send(side, 0, operation, sourceOf(side.marker, [choice], [...side.ids]));
      }
      assert.ok(side.ids.size >= 10, `${side.ids.size} ids`);
    }
  });
  after(() => app.remove());

  async function createSide(marker: string): Promise<Side> {
    const { companyId, token, userId } = await app.signUp();
    await app.request("PATCH", "/api/company", { token, json: { name: marker } });
    await app.request("PUT", `/api/admin/quotas/${companyId}`, { token: ADMIN_TOKEN, json: { plan: "ENTERPRISE" } });
    const user = await app.addUser(token);
    return { marker, companyId, tokens: [token, user.token], ids: new Set([companyId, userId, user.userId]) };
  }

  function sourceOf(marker: string, choices: readonly number[], ids: readonly string[]): Source {
    let at = 0;
    const pick = (most: number): number => (choices[at++ % choices.length] ?? 0) % (most + 1);
    return { marker, pick, id: () => ids[pick(ids.length - 1)] ?? "none" };
  }

  /** Sends one request; checks that nothing of the other company is in the answer. */
  async function send(side: Side, actor: number, operation: Operation, source: Source): Promise<Answer<unknown>> {
    const token = side.tokens[actor] ?? "";
    const where = operation.path.replaceAll(/\{\w+\}/g, () => source.id());
    const json = operation.body === undefined ? undefined : valueFor(withoutRole(operation.body), "", source);
    const answer = operation.upload
      ? await upload(token, where, side.marker)
      : await app.request<unknown>(operation.method, where, { token, ...(json !== undefined && { json }) });
    const asked = `${where} ${JSON.stringify(json ?? null)}`;
    const told = `${operation.method} ${asked}\n→ ${answer.status} ${answer.text.slice(0, 2000)}`;
    assert.notEqual(answer.status, 500, told);
    statuses.set(answer.status, (statuses.get(answer.status) ?? 0) + 1);
    const other = side === sides[0] ? sides[1] : sides[0];
    assert.ok(
      !answer.text.includes(other.marker) && !answer.text.includes(other.marker.toLowerCase()),
      `text of the other company: ${told}`,
    );
    for (const id of idsIn(answer.body)) {
      if (asked.includes(id)) continue;
      assert.ok(!other.ids.has(id), `an id of the other company: ${told}`);
      if (answer.status < 300) side.ids.add(id);
    }
    return answer;
  }

  async function upload(token: string, where: string, marker: string): Promise<Answer<unknown>> {
    const form = new FormData();
    form.set("file", new Blob([`${marker} text`], { type: "text/plain" }), `${marker}.txt`);
    const answer = await fetch(`${app.url}${where}`, { method: "POST", headers: { Authorization: `Bearer ${token}` }, body: form });
    const text = await answer.text();
    return { status: answer.status, headers: answer.headers, text, body: text.startsWith("{") ? (JSON.parse(text) as unknown) : undefined };
  }

  const stepOf = (side: fc.Arbitrary<0 | 1>, foreign: fc.Arbitrary<boolean>): fc.Arbitrary<Step> =>
    fc.record({
      side,
      actor: fc.nat(1),
      operation: fc.nat(10_000),
      foreign,
      choices: fc.array(fc.nat(1000), { minLength: 3, maxLength: 8 }),
    });

  async function run(steps: readonly Step[]): Promise<void> {
    for (const { side: index, actor, operation, foreign, choices } of steps) {
      const [side, other] = index === 0 ? [sides[0], sides[1]] : [sides[1], sides[0]];
      const asked = operations[operation % operations.length];
      assert.ok(asked);
      // Whoever deactivates themselves asks nothing more.
      if (asked.path.endsWith("/deactivate") && !foreign) continue;
      await send(side, actor, asked, sourceOf(side.marker, choices, [...(foreign ? other.ids : side.ids)]));
    }
  }

  it("nothing of B is ever in an answer to A, whatever users of both do with whatever ids (property)", async () => {
    const steps = fc.array(stepOf(fc.constantFrom(0, 1), fc.boolean()), { minLength: 40, maxLength: 40 });
    await fc.assert(fc.asyncProperty(steps, run), { numRuns: 40, endOnFailure: true });
  });

  it("the sequences above were not refused wholesale", () => {
    const asked = [...statuses.values()].reduce((sum, count) => sum + count, 0);
    const share = (statusesOf: (status: number) => boolean): number =>
      [...statuses].filter(([status]) => statusesOf(status)).reduce((sum, [, count]) => sum + count, 0) / asked;
    const shown = JSON.stringify([...statuses]);
    assert.ok(share((status) => status < 300) > 0.3, shown);
    assert.ok(share((status) => status === 404) > 0.1, shown);
    assert.ok(share((status) => status === 401) < 0.05, shown);
  });

  it("nothing of B is ever changed by A, on any route with any of B's ids (property)", async () => {
    const lists = operations.filter(
      ({ method, path }) => method === "GET" && !path.includes("{") && /^\/api\/(?!health|admin|auth|session)/.test(path),
    );
    const view = async (): Promise<unknown[]> => {
      const [, b] = sides;
      const shown = lists.map(async ({ path }) => {
        const { body } = await app.request<{ data?: unknown }>("GET", path, { token: b.tokens[0] ?? "" });
        return [path, body.data ?? (path === "/api/company" ? body : undefined)];
      });
      return Promise.all(shown);
    };
    assert.ok(lists.length >= 10);
    const before = await view();
    const steps = fc.array(stepOf(fc.constant(0), fc.constant(true)), { minLength: 40, maxLength: 40 });
    await fc.assert(fc.asyncProperty(steps, run), { numRuns: 20, endOnFailure: true });
    assert.deepEqual(await view(), before);
  });
});

/** Every id in an answer, but those of the request itself. */
function idsIn(value: unknown): string[] {
  if (Array.isArray(value)) return value.flatMap(idsIn);
  if (typeof value !== "object" || value === null) return [];
  return Object.entries(value).flatMap(([key, inner]) =>
    typeof inner === "string"
      ? ID_KEY.test(key) && key !== "requestId" && key !== "traceId" && UUID.test(inner)
        ? [inner]
        : []
      : idsIn(inner),
  );
}

/** Users keep their roles and passwords: otherwise the sequence would soon be refused as a whole. */
function withoutRole(schema: Schema): Schema {
  const properties = Object.fromEntries(Object.entries(schema.properties ?? {}).filter(([name]) => name !== "role"));
  const optionalPassword = schema.required?.includes("password") !== true;
  if (optionalPassword) delete properties["password"];
  return { ...schema, properties };
}
