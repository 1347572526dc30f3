import assert from "node:assert/strict";
import { once } from "node:events";
import http from "node:http";
import net from "node:net";
import { TestApp } from "./support";

interface RawAnswer {
  readonly status: number;
  readonly connection: string;
}

describe("HTTP server: connections, draining, malformed requests", () => {
  let app: TestApp;
  beforeEach(async () => (app = await TestApp.start()));
  afterEach(() => app.remove());

  function get(agent: http.Agent, path: string): Promise<RawAnswer> {
    return new Promise((resolve, reject) => {
      http
        .get({ agent, port: app.server.port, host: "127.0.0.1", path }, (answer) => {
          answer.resume();
          answer.on("end", () => resolve({ status: answer.statusCode ?? 0, connection: answer.headers.connection ?? "" }));
        })
        .on("error", reject);
    });
  }

  /** Everything the server sends until it closes the connection. */
  async function raw(text: string): Promise<string> {
    const socket = net.connect(app.server.port, "127.0.0.1");
    socket.setEncoding("utf8");
    let received = "";
    socket.on("data", (part: string) => (received += part));
    socket.write(text);
    await once(socket, "close");
    return received;
  }

  it("keeps connections open for 65 s while serving, and ends them with the answer while draining", async () => {
    const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
    assert.equal((await get(agent, "/health")).connection, "keep-alive");
    app.container.state.draining = true;
    for (const path of ["/health", "/api/auth/me", "/"]) assert.equal((await get(agent, path)).connection, "close", path);
    agent.destroy();
  });

  it("C7 closing waits for the request in flight, and serves what still arrives on open connections", async () => {
    const { database } = app.container;
    const { token } = await app.signUp();
    let release!: () => void;
    const held = new Promise<void>((resolve) => (release = resolve));
    const entered = new Promise<void>((resolve) => {
      const all = database.all.bind(database);
      database.all = async (...parameters) => {
        resolve();
        await held;
        return all(...parameters) as never;
      };
    });
    const idle = new http.Agent({ keepAlive: true, maxSockets: 1 });
    await get(idle, "/health");
    const slow = app.request("GET", "/api/orders", { token });
    await entered;
    const server = app.server;
    app.container.state.draining = true;
    let closed = false;
    const closing = server.close(10_000).then(() => (closed = true));
    assert.deepEqual(await get(idle, "/health"), { status: 200, connection: "close" }, "an idle connection gets one more answer");
    await assert.rejects(get(new http.Agent(), "/health"), /ECONNREFUSED/);
    assert.equal(closed, false);
    release();
    assert.equal((await slow).status, 200);
    await closing;
    idle.destroy();
  });

  it("A2 closing cuts off what is not done at the deadline", async () => {
    const { token } = await app.signUp();
    const started = new Promise<void>((resolve) => {
      app.container.database.all = () => {
        resolve();
        return new Promise(() => undefined);
      };
    });
    const stuck = app.request("GET", "/api/orders", { token });
    const failed = assert.rejects(stuck);
    await started;
    const start = performance.now();
    await app.server.close(200);
    assert.ok(performance.now() - start >= 190);
    await failed;
  });

  it("closing does not wait for connections on which nothing was ever sent", async () => {
    const silent = net.connect(app.server.port, "127.0.0.1");
    await once(silent, "connect");
    const gone = once(silent, "close");
    await app.request("GET", "/health");
    await app.server.close(30_000);
    await gone;
  });

  it("answers what is not HTTP with a problem document", async () => {
    const answer = await raw("NONSENSE\r\n\r\n");
    assert.match(answer, /^HTTP\/1\.1 400 Bad Request\r\nContent-Type: application\/problem\+json/);
    assert.match(answer, /"status":400/);
    const long = await raw(`GET / HTTP/1.1\r\nHost: x\r\nX-Long: ${"x".repeat(20_000)}\r\n\r\n`);
    assert.match(long, /^HTTP\/1\.1 431 /);
    const smuggled = await raw(
      "POST /api/auth/login HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    );
    assert.match(smuggled, /^HTTP\/1\.1 400 /);
  });
});

describe("pages", () => {
  let app: TestApp;
  before(async () => (app = await TestApp.start()));
  after(() => app.remove());

  it("B6 serves the status page revalidated on each visit, and its files under names that hold their content's hash, for a year", async () => {
    const page = await app.request("GET", "/");
    assert.equal(page.status, 200);
    assert.match(page.headers.get("content-type") ?? "", /^text\/html/);
    assert.equal(page.headers.get("cache-control"), "no-cache");
    const files = [...page.text.matchAll(/(?:src|href)="([\w.]+)"/g)].map(([, file]) => file ?? "");
    assert.deepEqual(files.map((file) => file.replace(/\.[0-9a-f]{12}\./, ".")).sort(), ["demo.js", "icon.svg", "status.js", "style.css"]);
    for (const file of files) {
      const answer = await app.request("GET", `/${file}`);
      assert.equal(answer.status, 200, file);
      assert.equal(answer.headers.get("cache-control"), "public, max-age=31536000, immutable", file);
      assert.doesNotMatch(answer.text, /https?:\/\/(?!www\.w3\.org)/, "works without internet");
      const again = await app.request("GET", `/${file}`, {
        headers: { "If-None-Match": answer.headers.get("etag") ?? "", "Cache-Control": "max-age=0" },
      });
      assert.equal(again.status, 304, file);
    }
    const demo = await app.request("GET", `/${files.find((file) => file.startsWith("demo.")) ?? ""}`);
    const [, imported = ""] = /from "\.\/(modules\/client-cache\.[0-9a-f]{12}\.js)"/.exec(demo.text) ?? [];
    assert.equal((await app.request("GET", `/${imported}`)).headers.get("cache-control"), "public, max-age=31536000, immutable");
    assert.equal((await app.request("GET", "/demo.js")).headers.get("cache-control"), "no-cache", "the plain name is not for ever");
    const other = await app.request("GET", "/demo.0123456789ab.js");
    assert.deepEqual([other.status, other.headers.get("cache-control")], [200, "no-cache"], "another version's name leads here, for now");
    assert.doesNotMatch(page.text, /<script>| style="| on\w+="/, "nothing inline: the content security policy forbids it");
  });

  it("every link of the page leads somewhere", async () => {
    const page = await app.request("GET", "/");
    const links = [...page.text.matchAll(/<a href="([^"]+)"/g)].map(([, link]) => link ?? "");
    assert.ok(links.length >= 6);
    for (const link of links) assert.equal((await app.request("GET", link)).status, 200, link);
  });
});
