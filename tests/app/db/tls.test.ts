import assert from "node:assert/strict";
import { X509Certificate } from "node:crypto";
import { writeFileSync } from "node:fs";
import { type AddressInfo, createServer, type Server, type Socket } from "node:net";
import path from "node:path";
import { createSecureContext, TLSSocket } from "node:tls";
import { authorities } from "../../../app/src/aws/rds-authorities";
import { ConfigError, loadConfig } from "../../../app/src/config";
import { PostgresPool } from "../../../app/src/db/postgres-pool";
import { type Authorities, postgresAddress } from "../../../app/src/db/tls";
import { type Issued, issue } from "../../support/certificates";
import { poolOptions } from "../../support/database";
import { inDirectory } from "./support";

/** "R", its length, 0: logged in without a password. "Z": ready. */
const LOGGED_IN = Buffer.from([0x52, 0, 0, 0, 8, 0, 0, 0, 0, 0x5a, 0, 0, 0, 5, 0x49]);

/** As much of a Postgres server as a login needs: it takes the request for TLS, then lets everybody in. */
class EncryptedServer {
  readonly plain: string[] = [];
  private readonly sockets = new Set<Socket>();
  private constructor(private readonly server: Server) {}

  static async start({ key, certificate: cert }: Issued): Promise<EncryptedServer> {
    const secureContext = createSecureContext({ key, cert });
    const server = createServer();
    const started = new EncryptedServer(server);
    server.on("connection", (socket) => {
      started.sockets.add(socket);
      socket.on("error", () => undefined);
      socket.once("data", (first) => {
        // 80877103, the code of an SSLRequest; anything else is a login in plain.
        if (first.length !== 8 || first.readInt32BE(4) !== 80_877_103) {
          started.plain.push(first.toString("latin1"));
          socket.write(LOGGED_IN);
          return;
        }
        socket.write("S");
        const secure = new TLSSocket(socket, { isServer: true, secureContext });
        secure.on("error", () => undefined);
        secure.once("data", () => secure.write(LOGGED_IN));
      });
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    return started;
  }

  url(query: string, host = "localhost"): string {
    return `postgres://app:secret@${host}:${(this.server.address() as AddressInfo).port}/app${query}`;
  }

  async stop(): Promise<void> {
    for (const socket of this.sockets) socket.destroy();
    await new Promise((resolve) => this.server.close(resolve));
  }
}

async function logsIn(address: string, known?: Authorities): Promise<string> {
  const { url, ssl } = await postgresAddress(address, known);
  const pool = new PostgresPool({ ...poolOptions(url, { max: 1 }), ssl });
  try {
    await pool.use(() => Promise.resolve());
    return "in";
  } catch (error) {
    return (error as Error).message;
  } finally {
    await pool.close();
  }
}

function violations(environment: Readonly<Record<string, string>>): readonly string[] {
  try {
    loadConfig({ NODE_ENV: "test", ...environment });
    return [];
  } catch (error) {
    assert.ok(error instanceof ConfigError);
    return error.violations;
  }
}

describe("A14 connections to Postgres over TLS", () => {
  let own: Issued;
  let server: EncryptedServer;
  before(async () => {
    own = issue({ name: "localhost", addresses: ["127.0.0.1"] });
    server = await EncryptedServer.start(own);
  });
  after(() => server.stop());

  it("A14 verify-full: the authority and the name have to be right", async () => {
    const known = { pem: own.certificate };
    assert.equal(await logsIn(server.url("?sslmode=verify-full"), known), "in");
    assert.equal(await logsIn(server.url("?sslmode=verify-full", "127.0.0.1"), known), "in", "an address instead of a name");
    assert.match(await logsIn(server.url("?sslmode=verify-full")), /self-signed certificate/);
    assert.match(await logsIn(server.url("?sslmode=verify-full"), { pem: issue().certificate }), /self-signed certificate/);
    const other = issue({ name: "elsewhere.example.org", addresses: [] });
    const elsewhere = await EncryptedServer.start(other);
    try {
      assert.match(
        await logsIn(elsewhere.url("?sslmode=verify-full"), { pem: other.certificate }),
        /does not match certificate's altnames/,
      );
      assert.equal(await logsIn(elsewhere.url("?sslmode=verify-ca"), { pem: other.certificate }), "in");
      assert.equal(await logsIn(elsewhere.url("?sslmode=require"), { pem: other.certificate }), "in");
      assert.match(await logsIn(elsewhere.url("?sslmode=verify-ca"), { pem: own.certificate }), /self-signed certificate/);
      assert.match(await logsIn(elsewhere.url("?sslmode=require"), { pem: own.certificate }), /self-signed/, "as verify-ca, says libpq");
    } finally {
      await elsewhere.stop();
    }
  });

  it("A14 require believes whoever answers; disable and nothing said are plain", async () => {
    assert.equal(await logsIn(server.url("?sslmode=require")), "in");
    assert.deepEqual(server.plain, []);
    assert.equal(await logsIn(server.url("?sslmode=disable"), { pem: own.certificate }), "in");
    assert.equal(await logsIn(server.url("")), "in");
    assert.equal(server.plain.length, 2);
  });

  it("A14 sslrootcert names the authorities in the address; other parameters stay", () =>
    inDirectory(async (directory) => {
      const file = path.join(directory, "ca.pem");
      writeFileSync(file, own.certificate);
      const query = `?sslmode=verify-full&sslrootcert=${encodeURIComponent(file)}&connect_timeout=3`;
      assert.equal(await logsIn(server.url(query)), "in");
      const { url } = await postgresAddress(server.url(query));
      assert.equal(new URL(url).search, "?connect_timeout=3");
      await assert.rejects(postgresAddress(server.url("?sslmode=verify-full&sslrootcert=/nowhere")), /ENOENT.*\/nowhere/);
    }));

  it("A14 rds: certificates of RDS and of its proxies, and they do not let a stranger in", async () => {
    const subjects = authorities.map((pem) => new X509Certificate(pem).subject);
    assert.ok(
      subjects.some((subject) => /CN=Amazon RDS eu-central-1 Root CA RSA2048 G1$/m.test(subject)),
      "what signs servers",
    );
    assert.ok(
      subjects.some((subject) => /CN=Amazon Root CA 1$/m.test(subject)),
      "what signs proxies",
    );
    assert.match(await logsIn(server.url("?sslmode=verify-full"), "rds"), /self-signed certificate/);
  });

  it("A14 what does not go together is refused in one sentence, without the password", () =>
    inDirectory((directory) => {
      const url = "postgres://app:hush-hush@db/app";
      const empty = path.join(directory, "empty.pem");
      writeFileSync(empty, "nothing\n");
      const cases: [Record<string, string>, RegExp][] = [
        [
          { DATABASE_URL: `${url}?sslmode=prefer` },
          /^DATABASE_URL: sslmode "prefer" is not allowed; use disable, require, verify-ca, verify-full\.$/,
        ],
        [{ DATABASE_URL: url, DATABASE_READ_REPLICAS: `${url},${url}?sslmode=no-verify` }, /^DATABASE_READ_REPLICAS: sslmode "no-verify"/],
        [{ DATABASE_URL: `${url}?sslmode=verify-ca` }, /^DATABASE_URL: sslmode verify-ca needs authorities of your own/],
        [{ DATABASE_URL: `${url}?sslcert=/a.pem` }, /^DATABASE_URL: sslcert is given without sslmode/],
        [{ DATABASE_URL: url, DATABASE_CA: "rds" }, /^DATABASE_CA: set without TLS; add \?sslmode=verify-full/],
        [{ DATABASE_URL: `${url}?sslmode=verify-full`, DATABASE_CA: "/nowhere" }, /^DATABASE_CA: cannot read \/nowhere \(ENOENT\)/],
        [{ DATABASE_URL: `${url}?sslmode=verify-full`, DATABASE_CA: empty }, /^DATABASE_CA: .*empty\.pem has no certificate/],
        [{ DATABASE_CA: "rds" }, /^DATABASE_CA: set without DATABASE_URL/],
      ];
      for (const [environment, expected] of cases) {
        const found = violations(environment);
        assert.equal(found.length, 1, found.join());
        assert.match(found[0] ?? "", expected);
        assert.doesNotMatch(found[0] ?? "", /hush/);
      }
      assert.deepEqual(violations({ DATABASE_URL: `${url}?sslmode=verify-full`, DATABASE_CA: "rds" }), []);
      return Promise.resolve();
    }));
});
