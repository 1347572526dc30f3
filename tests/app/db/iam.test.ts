import assert from "node:assert/strict";
import { createServer, type Server } from "node:http";
import { type AddressInfo, createServer as createTcpServer, type Server as TcpServer, type Socket } from "node:net";
import { mock } from "node:test";
import { ConfigError, loadConfig } from "../../../app/src/config";
import { iamPassword } from "../../../app/src/db/iam";
import { PostgresPool } from "../../../app/src/db/postgres-pool";
import { poolOptions } from "../../support/database";

const PROXY = "shop.proxy-abc123.eu-central-1.rds.amazonaws.com";
const URL_OF_PROXY = `postgres://app_iam@${PROXY}:5432/app?sslmode=verify-full`;

/** No credentials but those a test gives: none of this machine's, its files' or its instance's. */
const NO_CREDENTIALS = {
  AWS_ACCESS_KEY_ID: undefined,
  AWS_SECRET_ACCESS_KEY: undefined,
  AWS_SESSION_TOKEN: undefined,
  AWS_PROFILE: undefined,
  AWS_CONTAINER_CREDENTIALS_RELATIVE_URI: undefined,
  AWS_CONTAINER_CREDENTIALS_FULL_URI: undefined,
  AWS_WEB_IDENTITY_TOKEN_FILE: undefined,
  AWS_SHARED_CREDENTIALS_FILE: "/nowhere/credentials",
  AWS_CONFIG_FILE: "/nowhere/config",
  AWS_EC2_METADATA_DISABLED: "true",
} as const;

async function withEnvironment(changes: Readonly<Record<string, string | undefined>>, work: () => Promise<void>): Promise<void> {
  const before = { ...process.env };
  const set = (values: Readonly<Record<string, string | undefined>>): void => {
    for (const [name, value] of Object.entries(values)) {
      if (value === undefined) Reflect.deleteProperty(process.env, name);
      else process.env[name] = value;
    }
  };
  set({ ...NO_CREDENTIALS, ...changes });
  try {
    await work();
  } finally {
    set(Object.fromEntries(Object.keys({ ...NO_CREDENTIALS, ...changes }).map((name) => [name, before[name]])));
  }
}

/** What a task or a pod asks for the credentials of its role. */
class CredentialServer {
  asked = 0;
  /** Until when the credentials hold that it hands out; `undefined`: it has none. */
  validForMs: number | undefined;
  private constructor(private readonly server: Server) {}

  static async start(): Promise<CredentialServer> {
    const server = createServer();
    const started = new CredentialServer(server);
    server.on("request", (_, response) => {
      started.asked += 1;
      if (started.validForMs === undefined) {
        response.writeHead(500).end("no role");
        return;
      }
      const Expiration = new Date(Date.now() + started.validForMs).toISOString();
      const AccessKeyId = `ROLE${started.asked}`;
      response.end(JSON.stringify({ AccessKeyId, SecretAccessKey: "hush-hush", Token: "session", Expiration }));
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    return started;
  }

  get address(): string {
    return `http://127.0.0.1:${(this.server.address() as AddressInfo).port}/role`;
  }

  async stop(): Promise<void> {
    this.server.closeAllConnections();
    await new Promise((resolve) => this.server.close(resolve));
  }
}

/** "R", 8 bytes, 3: the password in clear, as RDS asks for a token. */
const ASK_PASSWORD = Buffer.from([0x52, 0, 0, 0, 8, 0, 0, 0, 3]);
const LOGGED_IN = Buffer.from([0x52, 0, 0, 0, 8, 0, 0, 0, 0, 0x5a, 0, 0, 0, 5, 0x49]);

/** As much of RDS as a login by token needs. */
class TokenServer {
  readonly passwords: string[] = [];
  private readonly sockets = new Set<Socket>();
  private constructor(private readonly server: TcpServer) {}

  static async start(): Promise<TokenServer> {
    const server = createTcpServer();
    const started = new TokenServer(server);
    server.on("connection", (socket) => {
      started.sockets.add(socket);
      socket.on("error", () => undefined);
      socket.once("data", () => {
        socket.write(ASK_PASSWORD);
        // "p", length, password, 0.
        socket.once("data", (message) => {
          started.passwords.push(message.subarray(5, -1).toString());
          socket.write(LOGGED_IN);
        });
      });
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    return started;
  }

  get url(): string {
    return `postgres://app_iam@127.0.0.1:${(this.server.address() as AddressInfo).port}/app`;
  }

  async stop(): Promise<void> {
    for (const socket of this.sockets) socket.destroy();
    await new Promise((resolve) => this.server.close(resolve));
  }
}

const parsed = (token: string): URL => new URL(`https://${token}`);

describe("A14 logging in at RDS as a role", () => {
  const LOGIN = { AWS_ACCESS_KEY_ID: "AKIDEXAMPLE", AWS_SECRET_ACCESS_KEY: "hush-hush" };

  it("A14 a token is signed for one user of one server, for its own region, and holds for 15 minutes", () =>
    withEnvironment(LOGIN, async () => {
      // The other region's: writes go from the second region to the first.
      const url = parsed(await iamPassword(URL_OF_PROXY, "us-west-2")());
      assert.equal(url.host, `${PROXY}:5432`);
      assert.deepEqual(
        ["Action", "DBUser", "X-Amz-Expires"].map((name) => url.searchParams.get(name)),
        ["connect", "app_iam", "900"],
      );
      assert.match(url.searchParams.get("X-Amz-Credential") ?? "", /^AKIDEXAMPLE\/\d{8}\/eu-central-1\/rds-db\/aws4_request$/);
      assert.match(url.searchParams.get("X-Amz-Signature") ?? "", /^[0-9a-f]{64}$/);
      assert.doesNotMatch(url.href, /hush/);
      const other = parsed(await iamPassword("postgres://a%2Bb@db.example.com:6432/app", "us-west-2")());
      assert.deepEqual([other.host, other.searchParams.get("DBUser")], ["db.example.com:6432", "a+b"]);
      assert.match(other.searchParams.get("X-Amz-Credential") ?? "", /\/us-west-2\/rds-db\//);
    }));

  it("A14 each connection has a token of its own, also long after the first", () =>
    withEnvironment(LOGIN, async () => {
      const password = iamPassword(URL_OF_PROXY, undefined);
      const start = Date.UTC(2026, 0, 1, 12);
      mock.timers.enable({ apis: ["Date"], now: start });
      try {
        const dates = [];
        for (const minutes of [0, 14, 60]) {
          mock.timers.setTime(start + minutes * 60_000);
          dates.push(parsed(await password()).searchParams.get("X-Amz-Date"));
        }
        assert.deepEqual(dates, ["20260101T120000Z", "20260101T121400Z", "20260101T130000Z"]);
      } finally {
        mock.timers.reset();
      }
    }));

  it("A14 credentials are kept while they hold and asked for again before they end; a failure is of one connection", async () => {
    const credentials = await CredentialServer.start();
    try {
      await withEnvironment({ AWS_CONTAINER_CREDENTIALS_FULL_URI: credentials.address }, async () => {
        const password = iamPassword(URL_OF_PROXY, undefined);
        await assert.rejects(password());
        assert.ok(credentials.asked > 0);
        const keyOf = async (): Promise<string> =>
          parsed(await password())
            .searchParams.get("X-Amz-Credential")
            ?.split("/")[0] ?? "";
        credentials.validForMs = 6 * 3_600_000;
        const first = await keyOf();
        const asked = credentials.asked;
        assert.deepEqual([await keyOf(), await keyOf()], [first, first]);
        assert.equal(credentials.asked, asked);
        const token = parsed(await password());
        assert.equal(token.searchParams.get("X-Amz-Security-Token"), "session");
      });
      await withEnvironment({ AWS_CONTAINER_CREDENTIALS_FULL_URI: credentials.address }, async () => {
        const password = iamPassword(URL_OF_PROXY, undefined);
        credentials.validForMs = 1000;
        const before = credentials.asked;
        await password();
        await password();
        await password();
        assert.ok(credentials.asked >= before + 2, `${credentials.asked - before} questions for credentials that end at once`);
      });
    } finally {
      await credentials.stop();
    }
  });

  it("A14 the pool asks for a password with every new connection, and with no other", async () => {
    const server = await TokenServer.start();
    let made = 0;
    const pool = new PostgresPool({
      ...poolOptions(`${server.url}?application_name=shop`, { max: 2, maxUses: 2 }),
      password: () => Promise.resolve(`token-${(made += 1)}`),
    });
    try {
      for (let use = 0; use < 4; use += 1) await pool.use(() => Promise.resolve());
      assert.deepEqual(server.passwords, ["token-1", "token-2"], "replaced after two uses");
    } finally {
      await pool.close();
      await server.stop();
    }
  });

  it("A14 a token that cannot be made, or does not come, is a server that cannot be reached; the next one is tried anew", async () => {
    const server = await TokenServer.start();
    const answers: (() => Promise<string>)[] = [
      () => Promise.reject(new Error("no credentials")),
      () => new Promise<string>(() => undefined),
      () => Promise.resolve("token"),
    ];
    const pool = new PostgresPool({
      ...poolOptions(server.url, { max: 1, connectTimeoutMs: 300 }),
      password: () => (answers.shift() ?? assert.fail("asked too often"))(),
    });
    try {
      await assert.rejects(
        pool.use(() => Promise.resolve()),
        (error: Error) => error.name === "ConnectFailedError" && /no credentials/.test(error.message),
      );
      await assert.rejects(
        pool.use(() => Promise.resolve()),
        { name: "ConnectFailedError" },
      );
      await pool.use(() => Promise.resolve());
      assert.deepEqual(server.passwords, ["token"]);
    } finally {
      await pool.close();
      await server.stop();
    }
  });

  it("A14 what does not go together is refused in one sentence, without a password", () => {
    const violations = (environment: Readonly<Record<string, string>>): readonly string[] => {
      try {
        loadConfig({ NODE_ENV: "test", DATABASE_LOGIN: "iam", ...environment });
        return [];
      } catch (error) {
        assert.ok(error instanceof ConfigError);
        return error.violations;
      }
    };
    const own = "postgres://app_iam@db.example.com/app?sslmode=verify-full";
    const cases: [Record<string, string>, RegExp][] = [
      [{}, /^DATABASE_LOGIN: set without DATABASE_URL/],
      [{ DATABASE_URL: URL_OF_PROXY, DATABASE_PASSWORD: "hush-hush" }, /^DATABASE_PASSWORD: set with DATABASE_LOGIN iam/],
      [{ DATABASE_URL: URL_OF_PROXY.replace("@", ":hush-hush@") }, /^DATABASE_URL: it has a password, but DATABASE_LOGIN iam/],
      [{ DATABASE_URL: URL_OF_PROXY.replace("app_iam@", "") }, /^DATABASE_URL: it has no user/],
      [{ DATABASE_URL: URL_OF_PROXY.replace("verify-full", "require") }, /^DATABASE_URL: .* needs sslmode=verify-full, because a token is/],
      [{ DATABASE_URL: URL_OF_PROXY, DATABASE_READ_REPLICAS: own.replace(/\?.*/, "") }, /^DATABASE_READ_REPLICAS: .* needs sslmode=/],
      [{ DATABASE_URL: own }, /^DATABASE_URL: its host has no region of AWS in its name.*set AWS_REGION/],
      [{ DATABASE_URL: URL_OF_PROXY, DATABASE_IAM_USER: "app_iam" }, /^DATABASE_IAM_USER: "app_iam" is the owner who migrates/],
      [
        { DATABASE_URL: URL_OF_PROXY, DATABASE_IAM_USER: "app", DATABASE_APP_USER: "app", DATABASE_APP_PASSWORD: "hush-hush-hush" },
        /^DATABASE_IAM_USER: "app" is DATABASE_APP_USER, which has a password/,
      ],
      [{ DATABASE_URL: URL_OF_PROXY, DATABASE_LOGIN: "token" }, /^DATABASE_LOGIN: "token" is not allowed; use password, or iam/],
    ];
    for (const [environment, expected] of cases) {
      const found = violations(environment);
      assert.equal(found.length, 1, found.join());
      assert.match(found[0] ?? "", expected);
      assert.doesNotMatch(found[0] ?? "", /hush/);
    }
    assert.deepEqual(violations({ DATABASE_URL: own, AWS_REGION: "eu-central-1" }), []);
    assert.deepEqual(violations({ DATABASE_URL: URL_OF_PROXY, DATABASE_CA: "rds" }), []);
  });
});
