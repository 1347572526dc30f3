import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer, type Server } from "node:http";
import net, { type AddressInfo } from "node:net";
import { sendRawProblem } from "../../../app/src/http/raw-problem";
import { SlowClients } from "../../../app/src/lifecycle/slow-clients";

describe("hardening: clients that send their body too slowly", () => {
  let server: Server;
  let slow: SlowClients;
  let answerEarly = false;

  before(async () => {
    slow = new SlowClients(
      (request, response) => {
        response.shouldKeepAlive = false;
        sendRawProblem(request, response, { status: 408, kind: "too-slow", detail: "The body arrived too slowly." });
      },
      // Looked at by hand.
      { intervalMs: 1000, leastBytesPerSecond: 100, patience: 2 },
    );
    server = createServer((request, response) => {
      slow.watch(request, response);
      request.once("close", () => undefined);
      if (answerEarly) response.end("no need");
      else request.resume().on("end", () => response.end("all here"));
    });
    await once(server.listen(0, "127.0.0.1"), "listening");
  });
  after(() => {
    slow.stop();
    server.closeAllConnections();
    server.close();
  });

  /** A client in the middle of its body, and what it has received so far. */
  async function upload(): Promise<{ send(bytes: number): Promise<void>; received(): string; closed: Promise<unknown> }> {
    const socket = net.connect((server.address() as AddressInfo).port, "127.0.0.1");
    let received = "";
    socket.setEncoding("utf8").on("data", (part: string) => (received += part));
    const asked = once(server, "request");
    socket.write("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\nx");
    const [request] = (await asked) as [import("node:http").IncomingMessage];
    return {
      send: async (bytes) => {
        const before = request.socket.bytesRead;
        socket.write("x".repeat(bytes));
        while (request.socket.bytesRead < before + bytes) await new Promise((resolve) => setImmediate(resolve));
      },
      received: () => received,
      closed: once(socket, "close"),
    };
  }

  it("ends a body that stops, with a problem document, after two looks and not one", async () => {
    answerEarly = false;
    const client = await upload();
    slow.look();
    assert.equal(client.received(), "");
    slow.look();
    await client.closed;
    assert.match(client.received(), /^HTTP\/1\.1 408 .*"type":"urn:phased-stack:problem:too-slow"/s);
    assert.match(client.received(), /Connection: close/);
  });

  it("lets a body through that is slow but moves", async () => {
    const client = await upload();
    for (let look = 0; look < 9; look++) {
      await client.send(110);
      slow.look();
    }
    await client.send(9);
    while (!client.received().includes("all here")) await new Promise((resolve) => setImmediate(resolve));
    assert.match(client.received(), /^HTTP\/1\.1 200 /);
  });

  it("ends a connection whose body never comes although it was answered", async () => {
    answerEarly = true;
    const client = await upload();
    while (!client.received().includes("no need")) await new Promise((resolve) => setImmediate(resolve));
    const before = slow.ended;
    for (let look = 0; look < 3; look++) slow.look();
    await client.closed;
    assert.equal(slow.ended, before + 1);
  });
});
