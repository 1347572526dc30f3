import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { type AddressInfo, connect } from "node:net";
import path from "node:path";
import { createServer, type Server, type TLSSocket } from "node:tls";
import pino from "pino";
import { loadConfig } from "../../app/src/config";
import { RedisConnection } from "../../app/src/redis/client";
import { type Issued, issue } from "../support/certificates";
import { eventually } from "../support/services/container";
import { type RedisService, startRedis } from "../support/services/redis";
import { inDirectory } from "../app/db/support";

/** A real server behind an end of TLS, as ElastiCache has it: the project's own image speaks plain TCP in its private network. */
class EncryptedRedis {
  private readonly sockets = new Set<TLSSocket>();
  private constructor(
    private readonly server: Server,
    private readonly plainUrl: string,
  ) {}

  static async start({ url }: RedisService, { key, certificate: cert }: Issued): Promise<EncryptedRedis> {
    const { hostname, port } = new URL(url);
    const server = createServer({ key, cert });
    const started = new EncryptedRedis(server, url);
    server.on("tlsClientError", () => undefined);
    server.on("secureConnection", (client) => {
      started.sockets.add(client);
      const upstream = connect(Number(port), hostname);
      for (const socket of [client, upstream])
        socket.on("error", () => undefined).on("close", () => (client.destroy(), upstream.destroy()));
      client.pipe(upstream).pipe(client);
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    return started;
  }

  url(host = "localhost"): string {
    const url = new URL(this.plainUrl.replace("redis:", "rediss:"));
    url.host = `${host}:${(this.server.address() as AddressInfo).port}`;
    return url.href;
  }

  async stop(): Promise<void> {
    for (const socket of this.sockets) socket.destroy();
    await new Promise((resolve) => this.server.close(resolve));
  }
}

describe("A14 Redis over TLS with an authority of one's own", () => {
  let own: Issued;
  let redis: RedisService;
  let encrypted: EncryptedRedis;
  before(async () => {
    redis = await startRedis({ role: "cache" });
    own = issue({ name: "localhost", addresses: ["127.0.0.1"] });
    encrypted = await EncryptedRedis.start(redis, own);
  });
  after(async () => {
    await encrypted?.stop();
    await redis?.remove();
  });

  /** "PONG", or why there is no connection. */
  async function ping(url: string, ca?: string): Promise<string> {
    const connection = new RedisConnection({ url, ca, name: "tls", commandTimeoutMs: 2000, logger: pino({ level: "silent" }) });
    try {
      await eventually("an outcome", () => connection.status().state !== "connecting");
      if (!connection.available()) return connection.status().lastError ?? "no reason";
      // BullMQ and the messages between instances have connections of their own.
      const copy = connection.duplicate();
      await eventually("the second one", () => copy.status === "ready");
      return `${await connection.call((client) => client.ping())} ${await copy.ping()}`;
    } finally {
      await connection.close();
    }
  }

  it("A14 believes REDIS_CA, for the name that was asked for, on every connection", async () => {
    assert.equal(await ping(encrypted.url(), own.certificate), "PONG PONG");
    assert.match(await ping(encrypted.url()), /self-signed certificate/);
    assert.match(await ping(encrypted.url(), issue().certificate), /self-signed certificate/);
    const elsewhere = issue({ name: "elsewhere.example.org", addresses: [] });
    const other = await EncryptedRedis.start(redis, elsewhere);
    try {
      assert.match(await ping(other.url(), elsewhere.certificate), /does not match certificate's altnames/);
    } finally {
      await other.stop();
    }
  });

  it("A14 encrypts nothing that is not asked for: redis:// stays plain beside a rediss:// with REDIS_CA", () =>
    inDirectory(async (directory) => {
      const file = path.join(directory, "ca.pem");
      writeFileSync(file, own.certificate);
      const { redis: config } = loadConfig({
        ...{ NODE_ENV: "test", REDIS_URL: encrypted.url(), REDIS_LIMITS_URL: redis.url, REDIS_CA: file },
      });
      assert.equal(await ping(config.url ?? "", config.ca), "PONG PONG");
      assert.equal(await ping(config.limitsUrl ?? "", config.ca), "PONG PONG");
    }));
});
