import assert from "node:assert/strict";
import type { Request } from "express";
import fc from "fast-check";
import type { Database, Queries, WriteMark } from "../../../app/src/db/database";
import { isMark, laterMark, markNumber, UNSEEN } from "../../../app/src/db/write-mark";
import { scopeOf } from "../../../app/src/http/read-your-writes";
import { newPatient } from "../domain/support";
import { TestApp } from "./support";

const mark = fc.tuple(fc.nat(), fc.nat()).map(([high, low]) => `${high.toString(16)}/${low.toString(16)}`.toUpperCase());

/** A database with a replica, of which only is known which marks a replica was asked for. */
function withReplicas(): { readonly database: Database; readonly asked: (WriteMark | undefined)[] } {
  const asked: (WriteMark | undefined)[] = [];
  const reader = (after?: WriteMark): Queries => {
    asked.push(after);
    return {} as Queries;
  };
  return { database: { kind: "postgres", maxLagMs: 5000, reader, writeMark: () => "0/50" } as unknown as Database, asked };
}

const requestOf = (method: string, headers: Readonly<Record<string, string>>): Request =>
  ({ method, headers, context: {}, secure: true }) as unknown as Request;

describe("E8 read your writes", () => {
  it("a mark is as Postgres writes it, whatever else comes is none and never an error (property)", () => {
    fc.assert(
      fc.property(fc.oneof(fc.string(), mark, fc.string({ unit: fc.constantFrom("0", "F", "f", "/", "-", "x", " ") })), (text) => {
        if (isMark(text)) assert.ok(markNumber(text) >= 0n && markNumber(text) <= markNumber(UNSEEN));
      }),
    );
    fc.assert(fc.property(mark, (text) => isMark(text)));
    fc.assert(fc.property(mark, mark, (one, two) => [one, two].includes(laterMark(one, two)) && laterMark(one, undefined) === one));
    assert.equal(laterMark("1/0", "0/FFFFFFFF"), "1/0");
  });

  it("of several cookies the latest mark counts, in whichever order; one that is none leads to the primary", () => {
    const asksFor = (headers: Readonly<Record<string, string>>): readonly (WriteMark | undefined)[] => {
      const { database, asked } = withReplicas();
      const request = requestOf("GET", headers);
      for (let time = 0; time < 2; time++) scopeOf(request, database, "c");
      assert.ok(asked.length <= 1, "one replica a request");
      return asked;
    };
    assert.deepEqual(asksFor({}), [undefined]);
    assert.deepEqual(asksFor({ cookie: "sid=1; other=2" }), [undefined]);
    for (const cookie of ["wm-a=0/9; sid=1; wm-b=0/10", "wm-b=0/10; wm-a=0/9"]) assert.deepEqual(asksFor({ cookie }), ["0/10"]);
    assert.deepEqual(asksFor({ cookie: "wm-a=0/9; wm-b=x" }), [], "the primary");
    assert.deepEqual(asksFor({ authorization: "Bearer t", cookie: "wm-a=0/9" }), [], "a program's cookies are not its marks");
    assert.deepEqual(asksFor({ authorization: "Bearer t", "write-mark": "0/9" }), ["0/9"]);
  });

  it("an answer to a change carries the latest of what was sent and what was written, and a stream one that no replica has", () => {
    const told = (headers: Readonly<Record<string, string>>, contentType?: string): string[] => {
      const { database, asked } = withReplicas();
      const request = requestOf("POST", headers);
      scopeOf(request, database, "c");
      assert.deepEqual(asked, [], "changes are the primary's");
      const list: string[] = [];
      request.context.addHeaders?.(list, contentType);
      return list;
    };
    const token = { authorization: "Bearer t" };
    assert.deepEqual(told(token), ["Write-Mark", "0/50"]);
    assert.deepEqual(told({ ...token, "write-mark": "0/60" }), ["Write-Mark", "0/60"], "a request that wrote nothing takes nothing back");
    for (const before of ["broken", "0/9", UNSEEN]) assert.deepEqual(told({ ...token, "write-mark": before }), ["Write-Mark", "0/50"]);
    const [name, cookie = "", ...header] = told({ cookie: "wm-a=0/60" });
    assert.deepEqual([name, header], ["Set-Cookie", ["Write-Mark", "0/50"]]);
    assert.match(cookie, /^wm-[0-9a-f]{8}=0\/50; Path=\/api; Max-Age=125; HttpOnly; SameSite=Lax; Secure$/);
    const [, streamed = "", , last] = told({}, "text/event-stream; charset=utf-8");
    assert.equal(last, UNSEEN);
    assert.match(streamed, /^wm-stream=FFFFFFFF\/FFFFFFFF;/, "the next change does not take its place");
  });

  it("without replicas nothing of it is to be seen, and marks of elsewhere mean nothing", async () => {
    const app = await TestApp.start();
    try {
      const { token } = await app.signUp();
      const headers = { "Write-Mark": "broken" };
      const created = await app.request<{ id: string }>("POST", "/api/patients", { token, json: newPatient(), headers });
      assert.deepEqual([created.status, created.headers.get("write-mark"), created.headers.getSetCookie()], [201, null, []]);
      assert.equal((await app.request("GET", `/api/patients/${created.body.id}`, { token, headers })).status, 200);
    } finally {
      await app.remove();
    }
  });
});
