import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import pino from "pino";
import { createApp } from "../../../app/src/app";
import type { ClusterStatus } from "../../../app/src/cluster/types";
import { loadConfig } from "../../../app/src/config";
import { closeContainer, createContainer, prepare, type Container, type Instance } from "../../../app/src/container";
import type { Database } from "../../../app/src/db/database";
import { registry } from "../../../app/src/observability/metrics";
import { listen, type AppServer } from "../../../app/src/server";
import type { PostgresUrls } from "../../support/services/postgres";
import { freshPostgres } from "../../support/test-database";

/** Cheap, because tests sign up often; what it costs in production has its own test. */
const PASSWORD_COST = { logN: 4, r: 8, p: 1 };

export const ADMIN_TOKEN = "an-admin-token-for-tests";
export const PASSWORD = "correct horse battery";

/** A problem document as far as tests look into it. */
export interface Problem {
  readonly type: string;
  readonly title: string;
  readonly status: number;
  readonly detail: string;
  readonly instance: string;
  readonly requestId: string;
  readonly errors?: readonly { readonly field: string; readonly value?: string; readonly allowed: string }[];
}

export interface Answer<Body> {
  readonly status: number;
  readonly headers: Headers;
  readonly body: Body;
  readonly text: string;
}

export interface RequestOptions {
  readonly token?: string;
  /** Sent as JSON. */
  readonly json?: unknown;
  /** Sent as it is, instead of `json`. */
  readonly raw?: string;
  readonly headers?: Readonly<Record<string, string>>;
}

/** A worker's app on a port of its own with a database in a directory of its own; the processes around it are the test's. */
export class TestApp {
  /** What the primary would answer; tests change it. */
  cluster: ClusterStatus = singleProcess();
  clusterFails = false;
  reloads = 0;
  /** Numbers of the workers that were to be drained. */
  readonly drained: number[] = [];
  readonly log: Record<string, unknown>[] = [];

  private constructor(
    readonly directory: string,
    /** Its own Postgres database; `undefined` on SQLite. */
    readonly postgres: PostgresUrls | undefined,
    private started: { readonly container: Container; readonly server: AppServer } | undefined,
  ) {}

  /** @param database puts something in front of its database. @default nothing */
  static async start(
    environment: Readonly<Record<string, string>> = {},
    database?: (opened: Database, directory: string) => Promise<Database>,
  ): Promise<TestApp> {
    const app = new TestApp(mkdtempSync(path.join(tmpdir(), "phased-app-")), await freshPostgres(), undefined);
    await app.run(environment, database);
    return app;
  }

  get container(): Container {
    assert.ok(this.started, "the app is not running");
    return this.started.container;
  }

  get server(): AppServer {
    assert.ok(this.started, "the app is not running");
    return this.started.server;
  }

  get url(): string {
    return `http://127.0.0.1:${this.server.port}`;
  }

  /** Starts on the same data directory and database, again after {@link stop}. */
  async run(
    environment: Readonly<Record<string, string>> = {},
    database?: (opened: Database, directory: string) => Promise<Database>,
  ): Promise<void> {
    const config = loadConfig({
      NODE_ENV: "test",
      HOST: "127.0.0.1",
      PORT: "0",
      ADMIN_TOKEN,
      // A machine that runs other tests beside this one is late for reasons that are not this app's; overload has its own tests.
      OVERLOAD_DELAY_MS: "0",
      // Tests send more from one address than any person; those about limits switch them on.
      RATE_LIMITS: "off",
      SQLITE_PATH: path.join(this.directory, "app.db"),
      ...this.postgres?.environment,
      ...environment,
    });
    const logger = pino({ level: "info" }, { write: (line: string) => this.log.push(JSON.parse(line) as Record<string, unknown>) });
    await prepare(config, logger);
    const instance: Instance = {
      status: () => (this.clusterFails ? Promise.reject(new Error("the primary is silent")) : Promise.resolve(this.cluster)),
      reload: () => {
        this.reloads += 1;
        return Promise.resolve({ ok: true, replaced: 1, kept: 0, durationMs: 1 });
      },
      drain: (worker) => {
        const known = this.cluster.workers.find(({ id }) => id === worker);
        if (known === undefined) return Promise.resolve("unknown");
        if (known.state === "starting") return Promise.resolve("starting");
        this.drained.push(worker);
        return Promise.resolve("accepted");
      },
      metricsText: () => registry.metrics(),
    };
    const container = await createContainer(config, { workerId: 1, clustered: false }, instance, {
      ...{ logger, passwordCost: PASSWORD_COST },
      ...(database !== undefined && { database: (opened: Database) => database(opened, this.directory) }),
    });
    const server = await listen(container, createApp(container));
    container.state.ready = true;
    this.started = { container, server };
  }

  async stop(): Promise<void> {
    if (this.started === undefined) return;
    const { container, server } = this.started;
    this.started = undefined;
    await server.close(0);
    await closeContainer(container);
  }

  async remove(): Promise<void> {
    await this.stop();
    rmSync(this.directory, { recursive: true, force: true });
  }

  async request<Body = Record<string, unknown>>(method: string, where: string, options: RequestOptions = {}): Promise<Answer<Body>> {
    const { token, json, raw, headers } = options;
    const body = raw ?? (json === undefined ? undefined : JSON.stringify(json));
    const answer = await fetch(`${this.url}${where}`, {
      method,
      headers: {
        ...(json !== undefined && { "Content-Type": "application/json" }),
        ...(token !== undefined && { Authorization: `Bearer ${token}` }),
        ...headers,
      },
      ...(body !== undefined && { body }),
    });
    const text = await answer.text();
    const isJson = answer.headers.get("content-type")?.includes("json") ?? false;
    return { status: answer.status, headers: answer.headers, text, body: (isJson && text !== "" ? JSON.parse(text) : undefined) as Body };
  }

  /** A refusal: checks what every problem document has, and returns it. */
  async refusal(status: number, method: string, where: string, options: RequestOptions = {}): Promise<Problem> {
    const answer = await this.request<Problem>(method, where, options);
    assert.equal(answer.status, status, answer.text);
    assertProblem(answer, status);
    return answer.body;
  }

  /** A new company with its admin, logged in. */
  async signUp(
    email = `admin-${++companies}@example.org`,
  ): Promise<{ readonly token: string; readonly userId: string; readonly companyId: string }> {
    const { status, body, text } = await this.request<{ token: string; user: { id: string }; company: { id: string } }>(
      "POST",
      "/api/auth/signup",
      { json: { companyName: "Company", name: "Admin", email, password: PASSWORD } },
    );
    assert.equal(status, 201, text);
    return { token: body.token, userId: body.user.id, companyId: body.company.id };
  }

  /** A user without rights in the company of the admin, logged in. */
  async addUser(adminToken: string): Promise<{ readonly token: string; readonly userId: string; readonly email: string }> {
    const email = `user-${++companies}@example.org`;
    const created = await this.request<{ id: string }>("POST", "/api/users", {
      token: adminToken,
      json: { email, name: "User", password: PASSWORD },
    });
    assert.equal(created.status, 201, created.text);
    const login = await this.request<{ token: string }>("POST", "/api/auth/login", { json: { email, password: PASSWORD } });
    return { token: login.body.token, userId: created.body.id, email };
  }
}

let companies = 0;

export function assertProblem(answer: Answer<Problem>, status: number): void {
  assert.equal(answer.headers.get("content-type"), "application/problem+json");
  assert.equal(answer.body.status, status);
  assert.match(answer.body.type, /^urn:phased-stack:problem:[a-z-]+$/);
  assert.ok(answer.body.title.length > 0 && answer.body.detail.length > 0);
  assert.equal(answer.body.requestId, answer.headers.get("x-request-id"));
  assert.doesNotMatch(answer.text, /\.ts:|\.js:|node_modules|SQLITE|stack"/, "no trace of the program may leave it");
}

function singleProcess(): ClusterStatus {
  const memory = { rssBytes: 1, heapUsedBytes: 1, heapLimitBytes: 10, pressure: 0.1 };
  return {
    phase: "cluster",
    clustering: false,
    worker: { id: 1, pid: process.pid, uptimeSeconds: 1 },
    primary: { pid: process.pid, uptimeSeconds: 1 },
    workersWanted: 1,
    workers: [
      { id: 1, slot: 1, pid: process.pid, state: "ready", uptimeSeconds: 1, restarts: 0, lastPingSeconds: null, missedPings: 0, memory },
    ],
    respawns: { limitPerMinute: 10, usedLastMinute: 0, total: 0 },
    reloads: { completed: 0, failed: 0, running: false, last: null },
    stopping: false,
  };
}
