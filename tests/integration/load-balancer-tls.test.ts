import assert from "node:assert/strict";
import { X509Certificate } from "node:crypto";
import { once } from "node:events";
import { Agent, get } from "node:https";
import http2 from "node:http2";
import { setTimeout as delay } from "node:timers/promises";
import tls from "node:tls";
import { damaged, issue } from "../support/certificates";
import { docker, type LoadBalancerRig, loadBalancerRig, until } from "../support/load-balancer-rig";

/** Tells what reached it; upgrades to a protocol that says what it hears. */
const UPSTREAM = `
  const server = require("node:http").createServer((request, response) =>
    response.setHeader("content-type", "application/json").end(JSON.stringify({ url: request.url, headers: request.headers })));
  server.on("upgrade", (request, socket) => {
    socket.write("HTTP/1.1 101 Switching Protocols\\r\\nConnection: Upgrade\\r\\nUpgrade: echo\\r\\n\\r\\n");
    socket.pipe(socket);
  });
  server.listen(3001);`;

const UNLIMITED = { requestsPerSecond: 0, burst: 0 };
const LIMITS = { apiLimit: UNLIMITED, chatLimit: UNLIMITED };

/** A connection to 127.0.0.1 that trusts nobody but `ca`; without it whoever answers. */
async function connected(url: string, options: tls.ConnectionOptions = {}): Promise<tls.TLSSocket> {
  const socket = tls.connect({
    host: "127.0.0.1",
    port: Number(new URL(url).port),
    rejectUnauthorized: options.ca !== undefined,
    ...options,
  });
  await once(socket, "secureConnect");
  return socket;
}

/** SHA-256 of the certificate that new connections see. */
async function fingerprint(url: string): Promise<string> {
  const socket = await connected(url);
  const { fingerprint256 } = socket.getPeerCertificate();
  socket.destroy();
  return fingerprint256;
}

function answer(
  url: string,
  options: { readonly ca?: string; readonly agent?: Agent } = {},
): Promise<{ status: number; headers: Record<string, unknown>; text: string }> {
  return new Promise((resolve, reject) => {
    get(url, { rejectUnauthorized: options.ca !== undefined, ...options }, (response) => {
      let text = "";
      response.on("data", (chunk: Buffer) => (text += chunk.toString()));
      response.once("end", () => resolve({ status: response.statusCode ?? 0, headers: response.headers, text }));
      response.once("error", reject);
    }).once("error", reject);
  });
}

describe("load balancer with an own certificate (B1)", function () {
  this.timeout(180_000);
  const first = issue();
  let rig: LoadBalancerRig;

  before(async () => {
    rig = await loadBalancerRig(LIMITS, UPSTREAM, { pem: first.certificate + first.key });
  });

  after(() => rig.remove());

  it("serves it, tells the app about TLS, and browsers to insist on it", async () => {
    const { status, headers, text } = await answer(`${rig.url}/echo`, { ca: first.certificate });
    assert.equal(status, 200);
    assert.equal(headers["strict-transport-security"], "max-age=31536000");
    assert.equal((JSON.parse(text) as { headers: Record<string, string> }).headers["x-forwarded-proto"], "https");
  });

  it("speaks HTTP/2 with who can, and HTTP/1.1 with who cannot", async () => {
    const session = http2.connect(rig.url, { ca: first.certificate });
    const request = session.request({ ":path": "/echo" });
    const [headers] = (await once(request, "response")) as [http2.IncomingHttpHeaders];
    assert.equal(headers[":status"], 200);
    assert.equal(session.alpnProtocol, "h2");
    request.resume();
    session.close();
    const old = await connected(rig.url, { ca: first.certificate, ALPNProtocols: ["http/1.1"] });
    assert.equal(old.alpnProtocol, "http/1.1");
    old.destroy();
  });

  it("refuses old protocols and weak ciphers", async () => {
    const attempt = (options: tls.ConnectionOptions): Promise<string> =>
      connected(rig.url, options).then(
        (socket) => {
          const spoken = `${socket.getProtocol() ?? "?"} ${socket.getCipher().name}`;
          socket.destroy();
          return spoken;
        },
        (error: unknown) => String(error),
      );
    // Level 0, so that it is the server that refuses.
    const ciphers = "DEFAULT:@SECLEVEL=0";
    assert.match(await attempt({ minVersion: "TLSv1", maxVersion: "TLSv1.1", ciphers }), /protocol version/i);
    assert.match(await attempt({ maxVersion: "TLSv1.2", ciphers: "ECDHE-ECDSA-AES128-SHA:@SECLEVEL=0" }), /handshake failure/i);
    assert.match(await attempt({ maxVersion: "TLSv1.2" }), /^TLSv1\.2 ECDHE-ECDSA-.*(GCM|CHACHA)/);
    assert.match(await attempt({}), /^TLSv1\.3 /);
  });

  it("redirects plain HTTP with method and query, and serves nothing there", async () => {
    const plain = await fetch(`${rig.redirectUrl}/orders?x=1`, { method: "POST", body: "{}", redirect: "manual" });
    assert.equal(plain.status, 308);
    assert.equal(plain.headers.get("location"), `${rig.url}/orders?x=1`);
    const port = new URL(rig.redirectUrl).port;
    const spoofed = tlsless(Number(port), "GET / HTTP/1.1\r\nHost: evil.example/x\r\nConnection: close\r\n\r\n");
    assert.match(await spoofed, /^HTTP\/1\.1 400 /);
    // Who speaks plain HTTP to the TLS port gets no answer.
    await assert.rejects(fetch(rig.url.replace("https", "http")));
  });

  it("takes a renewed certificate without a failed request or a closed connection", async () => {
    const second = issue();
    const upgraded = await connected(rig.url);
    upgraded.write("GET /socket HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n");
    assert.match(String((await once(upgraded, "data"))[0]), /^HTTP\/1\.1 101/);

    const failures: string[] = [];
    let requests = 0;
    let going = true;
    const agents = [new Agent({ keepAlive: true }), new Agent({ keepAlive: false })];
    const clients = agents.map(async (agent) => {
      while (going) {
        requests += 1;
        const { status } = await answer(`${rig.url}/echo`, { agent }).catch((error: unknown) => ({ status: String(error) }));
        if (status !== 200) failures.push(String(status));
        await delay(5);
      }
    });
    rig.replaceCertificate(second.certificate + second.key);
    const wanted = new X509Certificate(second.certificate).fingerprint256;
    await until("new connections see the new certificate", async () => (await fingerprint(rig.url)) === wanted);
    const renewedAt = requests;
    await until("more requests were sent with it", () => requests > renewedAt + 100);
    going = false;
    await Promise.all(clients);
    for (const agent of agents) agent.destroy();
    assert.deepEqual(failures, [], docker(["logs", "--tail", "20", rig.name]));
    assert.ok(renewedAt > 0, "no request was sent while it was renewed");
    upgraded.write("still there");
    assert.equal(String((await once(upgraded, "data"))[0]), "still there");
    upgraded.destroy();
  });

  it("keeps the old one when the new one is damaged, says so, and takes the next", async () => {
    const before = await fingerprint(rig.url);
    const third = issue();
    rig.replaceCertificate(damaged(third.certificate) + third.key);
    await until("it says so", () => docker(["logs", rig.name]).includes("renewed certificate was refused"));
    assert.equal(await fingerprint(rig.url), before);
    rig.replaceCertificate(third.certificate + third.key);
    const wanted = new X509Certificate(third.certificate).fingerprint256;
    await until("it is taken", async () => (await fingerprint(rig.url)) === wanted);
  });
});

describe("load balancer with a generated certificate (B1)", function () {
  this.timeout(180_000);
  let rig: LoadBalancerRig;

  before(async () => {
    rig = await loadBalancerRig(LIMITS, UPSTREAM, {});
  });

  after(() => rig.remove());

  it("is made at the first start, for this machine's names, and can be trusted by whoever gets it", async () => {
    const certificate = docker(["exec", rig.name, "openssl", "x509", "-in", "/var/lib/haproxy-tls/tls.pem"]);
    assert.equal((await answer(`${rig.url}/echo`, { ca: certificate })).status, 200);
    const { subjectAltName, validTo } = new X509Certificate(certificate);
    assert.equal(subjectAltName, "IP Address:127.0.0.1, DNS:localhost, IP Address:0:0:0:0:0:0:0:1");
    const days = (new Date(validTo).getTime() - Date.now()) / 86_400_000;
    assert.ok(days > 823 && days < 826, validTo);
  });

  it("stays the same when the load balancer is started again, and its key is nobody else's to read", async () => {
    const before = await fingerprint(rig.url);
    docker(["restart", rig.name]);
    await until("it is healthy again", () => rig.healthStatus() === "healthy");
    assert.equal(await fingerprint(rig.url), before);
    assert.match(docker(["exec", rig.name, "stat", "--format", "%a %U", "/var/lib/haproxy-tls"]), /^700 haproxy/);
  });

  it("is made again when it is about to expire", async () => {
    const before = await fingerprint(rig.url);
    // What is left of another one: 29 days.
    const script =
      "cd /var/lib/haproxy-tls && openssl req -x509 -key tls.pem -days 29 -subj /CN=old -out old && openssl pkey -in tls.pem >> old && mv old tls.pem";
    docker(["exec", rig.name, "bash", "-c", script]);
    docker(["restart", rig.name]);
    await until("it is healthy again", () => rig.healthStatus() === "healthy");
    const now = await fingerprint(rig.url);
    assert.notEqual(now, before);
    assert.match(docker(["logs", "--tail", "20", rig.name]), /made a certificate for IP:127\.0\.0\.1,DNS:localhost/);
  });
});

/** Sends text to a port as it is; what comes back until the other side closes. */
async function tlsless(port: number, text: string): Promise<string> {
  const { connect } = await import("node:net");
  const socket = connect(port, "127.0.0.1");
  socket.write(text);
  const chunks: Buffer[] = [];
  for await (const chunk of socket) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks).toString();
}
