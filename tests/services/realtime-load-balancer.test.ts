import assert from "node:assert/strict";
import { once } from "node:events";
import { WebSocket } from "ws";
import { loadBalancerRig, type LoadBalancerRig } from "../support/load-balancer-rig";

/** The smallest server of a WebSocket: accepts every upgrade, says what it was asked with, and echoes short texts. */
const UPSTREAM = `
const { createHash } = require("node:crypto");
const frame = (text) => Buffer.concat([Buffer.from([0x81, 126, text.length >> 8, text.length & 255]), Buffer.from(text)]);
const server = require("node:http").createServer((request, response) => response.end("ready"));
server.on("upgrade", ({ headers }, socket) => {
  const accept = createHash("sha1").update(headers["sec-websocket-key"] + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11").digest("base64");
  socket.write("HTTP/1.1 101 Switching Protocols\\r\\nUpgrade: websocket\\r\\nConnection: Upgrade\\r\\nSec-WebSocket-Accept: " + accept + "\\r\\n\\r\\n");
  const { host, origin, cookie } = headers;
  socket.write(frame(JSON.stringify({ host, origin, cookie, extensions: headers["sec-websocket-extensions"] })));
  socket.on("data", (data) => {
    const length = data[1] & 127;
    const mask = data.subarray(2, 6);
    socket.write(frame(Buffer.from(data.subarray(6, 6 + length).map((byte, index) => byte ^ mask[index % 4])).toString()));
  });
  socket.on("error", () => undefined);
});
server.listen(3001);
process.on("SIGTERM", () => process.exit(0));
`;

describe("D7 realtime through the load balancer", function () {
  this.timeout(120_000);
  let rig: LoadBalancerRig | undefined;
  before(async () => {
    rig = await loadBalancerRig(
      { apiLimit: { requestsPerSecond: 100, burst: 100 }, chatLimit: { requestsPerSecond: 50, burst: 50 } },
      UPSTREAM,
    );
  });
  after(() => rig?.remove());

  it("D7 a WebSocket passes with host, origin and cookie as the client sent them, both ways", async () => {
    const url = rig!.url;
    const socket = new WebSocket(`${url.replace("http", "ws")}/api/realtime`, { headers: { Origin: url, Cookie: "sid=abc" } });
    const [hello] = (await once(socket, "message")) as [Buffer];
    const asked = JSON.parse(hello.toString()) as Record<string, string>;
    assert.equal(asked["host"], new URL(url).host, "the check of the origin compares with it");
    assert.equal(asked["origin"], url);
    assert.equal(asked["cookie"], "sid=abc");
    socket.send("there and back");
    const [echo] = (await once(socket, "message")) as [Buffer];
    assert.equal(echo.toString(), "there and back");
    socket.terminate();
  });
});
