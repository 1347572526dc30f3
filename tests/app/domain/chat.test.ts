import assert from "node:assert/strict";
import http from "node:http";
import { LocalChatProvider } from "../../../app/src/chat/local-provider";
import { MOST_MESSAGES, type Message } from "../../../app/src/chat/chat";
import { conversations } from "../../../app/src/db/domain-tables";
import { TestApp } from "../http/support";

interface Event {
  readonly event: string;
  readonly data: Record<string, unknown>;
}

function parseEvents(text: string): Event[] {
  return text
    .split("\n\n")
    .filter((block) => block !== "")
    .map((block) => {
      const [, event, data] = /^event: (\w+)\ndata: (.*)$/.exec(block) ?? [];
      assert.ok(event && data, block);
      return { event, data: JSON.parse(data) as Record<string, unknown> };
    });
}

async function collect(pieces: AsyncIterable<string>): Promise<string> {
  let text = "";
  for await (const piece of pieces) text += piece;
  return text;
}

describe("B6 chat", function () {
  this.timeout(20_000);
  let app: TestApp;
  let token: string;
  before(async () => {
    app = await TestApp.start({ CHAT_LATENCY_MS: "0" });
    ({ token } = await app.signUp());
  });
  after(() => app.remove());

  const begin = async (by = token, on = app): Promise<string> => {
    const { body, status } = await on.request<{ id: string }>("POST", "/api/chat/conversations", { token: by, json: { title: "T" } });
    assert.equal(status, 201);
    return `/api/chat/conversations/${body.id}`;
  };
  const history = async (where: string, by = token, on = app): Promise<Message[]> =>
    (await on.request<{ data: Message[] }>("GET", `${where}/messages`, { token: by })).body.data;

  it("the local provider answers alike every time, piece by piece, and ends when it is told", async () => {
    const provider = new LocalChatProvider(0);
    const conversation = [{ role: "user", content: "How do I submit my filing?" }] as const;
    const signal = new AbortController().signal;
    const first = await collect(provider.answer(conversation, signal));
    assert.equal(await collect(provider.answer(conversation, signal)), first);
    assert.match(first, /question 1.*needs a tax computation of the same year/);
    const abort = new AbortController();
    const slow = new LocalChatProvider(60_000).answer(conversation, abort.signal);
    const next = slow.next();
    abort.abort();
    await assert.rejects(next, { name: "AbortError" });
  });

  it("answers as JSON, keeps both sides in order, and remembers the conversation", async () => {
    const where = await begin();
    for (const [index, content] of ["What about orders?", "And my plan?"].entries()) {
      const { status, body, headers } = await app.request<{ question: Message; answer: Message }>("POST", `${where}/messages`, {
        token,
        json: { content },
      });
      assert.equal(status, 201);
      assert.equal(headers.get("cache-control"), "no-store");
      assert.deepEqual([body.question.position, body.answer.position], [2 * index + 1, 2 * index + 2]);
      assert.ok(body.answer.content.startsWith(`You asked (question ${index + 1}): "${content}"`));
    }
    const kept = await app.request<{ data: Message[] }>("GET", `${where}/messages`, { token });
    assert.equal(kept.headers.get("cache-control"), "no-store", "chat is never cached");
    assert.deepEqual(
      kept.body.data.map(({ role, status, position }) => [role, status, position]),
      [
        ["user", "complete", 1],
        ["assistant", "complete", 2],
        ["user", "complete", 3],
        ["assistant", "complete", 4],
      ],
    );
    assert.equal((await app.request<{ messageCount: number }>("GET", where, { token })).body.messageCount, 4);
  });

  it("streams the answer as events whose pieces are the answer", async () => {
    const where = await begin();
    const answer = await app.request("POST", `${where}/messages`, {
      token,
      json: { content: "Tax?\nsecond line" },
      headers: { Accept: "text/event-stream", "Accept-Encoding": "gzip" },
    });
    assert.equal(answer.status, 200);
    assert.match(answer.headers.get("content-type") ?? "", /^text\/event-stream/);
    assert.deepEqual([answer.headers.get("content-encoding"), answer.headers.get("content-length")], [null, null]);
    const events = parseEvents(answer.text);
    assert.deepEqual([events[0]?.event, events.at(-1)?.event], ["question", "answer"]);
    const pieces = events.filter(({ event }) => event === "piece");
    assert.ok(pieces.length > 5);
    assert.equal(pieces.map(({ data }) => data["text"]).join(""), events.at(-1)?.data["content"]);
    assert.deepEqual((await history(where)).at(-1), events.at(-1)?.data);
  });

  for (const accept of ["text/event-stream", "application/json"]) {
    it(`cancels the answer when its reader goes away (${accept}), and keeps what came`, async () => {
      const slow = await TestApp.start({ CHAT_LATENCY_MS: "60000" });
      try {
        const { token: own } = await slow.signUp();
        const where = await begin(own, slow);
        const body = JSON.stringify({ content: "Will you wait?" });
        await new Promise<void>((resolve, reject) => {
          const asked = http.request(`${slow.url}${where}/messages`, {
            method: "POST",
            headers: { Authorization: `Bearer ${own}`, "Content-Type": "application/json", Accept: accept },
          });
          asked.on("error", reject);
          asked.on("close", () => resolve());
          // The question is kept before the answer begins: from then on leaving is leaving an answer.
          const leave = async (): Promise<void> => {
            while ((await history(where, own, slow)).length === 0);
            asked.removeAllListeners("error");
            asked.on("error", () => undefined);
            asked.destroy();
          };
          asked.end(body, () => void leave().catch(reject));
        });
        let messages = await history(where, own, slow);
        while (messages.length < 2) messages = await history(where, own, slow);
        assert.deepEqual(
          messages.map(({ role, status }) => [role, status]),
          [
            ["user", "complete"],
            ["assistant", "cancelled"],
          ],
        );
        assert.ok(slow.log.some(({ msg }) => msg === "chat answer cancelled"));
        assert.ok(!slow.log.some(({ level }) => (level as number) >= 50), "nothing is an error");
      } finally {
        await slow.remove();
      }
    });
  }

  it("belongs to its user: colleagues and other companies see nothing of it", async () => {
    const where = await begin();
    await app.request("POST", `${where}/messages`, { token, json: { content: "secret" } });
    const colleague = await app.addUser(token);
    const { token: stranger } = await app.signUp();
    for (const other of [colleague.token, stranger]) {
      await app.refusal(404, "GET", where, { token: other });
      await app.refusal(404, "GET", `${where}/messages`, { token: other });
      await app.refusal(404, "POST", `${where}/messages`, { token: other, json: { content: "x" } });
      await app.refusal(404, "DELETE", where, { token: other });
      assert.deepEqual((await app.request<{ data: unknown[] }>("GET", "/api/chat/conversations", { token: other })).body.data, []);
    }
    assert.equal((await history(where)).length, 2);
    assert.equal((await app.request("DELETE", where, { token })).status, 204);
    await app.refusal(404, "GET", `${where}/messages`, { token });
    const left = await app.container.database.get<{ count: number }>(
      "SELECT count(*) AS count FROM chat_messages WHERE content = 'secret'",
    );
    assert.equal(left?.count, 0);
  });

  it("bounds messages and conversations", async () => {
    const where = await begin();
    for (const content of ["", "   ", "x".repeat(4001), "a\0b"]) {
      const problem = await app.refusal(400, "POST", `${where}/messages`, { token, json: { content } });
      assert.deepEqual([problem.errors?.[0]?.field, problem.errors?.[0]?.allowed], ["content", "1 to 4000 characters"]);
    }
    await app.container.database.run(`UPDATE ${conversations.table} SET message_count = ? WHERE id = ?`, [
      MOST_MESSAGES,
      where.split("/").at(-1) ?? "",
    ]);
    assert.match((await app.refusal(409, "POST", `${where}/messages`, { token, json: { content: "more" } })).detail, /begin a new one/);
    assert.equal((await history(where)).length, 0);
  });
});
