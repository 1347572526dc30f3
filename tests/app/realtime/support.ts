import assert from "node:assert/strict";
import { once } from "node:events";
import type { IncomingMessage } from "node:http";
import { type ClientOptions, WebSocket } from "ws";
import { eventually } from "../../support/services/container";

export interface Received {
  readonly type: string;
  readonly at: string;
  readonly data: Record<string, unknown>;
}

/** One WebSocket of a test, with all that came over it. */
export class TestSocket {
  readonly messages: Received[] = [];
  closed: { readonly code: number; readonly reason: string } | undefined;

  private constructor(readonly socket: WebSocket) {
    socket.on("message", (data: Buffer) => this.messages.push(JSON.parse(data.toString()) as Received));
    socket.on("close", (code, reason) => (this.closed = { code, reason: reason.toString() }));
    socket.on("error", () => undefined);
  }

  /** @param options.query of the address, such as `?ticket=…` */
  static async open(
    url: string,
    headers: Readonly<Record<string, string>>,
    { query = "", ...options }: ClientOptions & { readonly query?: string } = {},
  ): Promise<TestSocket> {
    const socket = new WebSocket(`${url.replace("http", "ws")}/api/realtime${query}`, { headers, ...options });
    const opened = new TestSocket(socket);
    await new Promise<void>((resolve, reject) => socket.once("open", resolve).once("error", reject));
    return opened;
  }

  static withToken(url: string, token: string, options: ClientOptions = {}): Promise<TestSocket> {
    return TestSocket.open(url, { Authorization: `Bearer ${token}` }, options);
  }

  static withTicket(url: string, ticket: string): Promise<TestSocket> {
    return TestSocket.open(url, {}, { query: `?ticket=${ticket}` });
  }

  types(): string[] {
    return this.messages.map(({ type }) => type);
  }

  got(type: string, count = 1): Promise<void> {
    return eventually(`${count} of ${type}`, () => this.types().filter((got) => got === type).length >= count, 15_000);
  }

  ended(): Promise<void> {
    return eventually("the socket is closed", () => this.closed !== undefined, 15_000);
  }

  /** Everything sent before has arrived once this resolves. */
  async settle(): Promise<void> {
    const before = this.types().filter((type) => type === "pong").length;
    this.socket.send('{"type":"ping"}');
    await this.got("pong", before + 1);
  }
}

/** Asks a server for a ticket. */
export async function ticketOf(url: string, token: string): Promise<string> {
  const headers = { Authorization: `Bearer ${token}`, Connection: "close" };
  const answer = await fetch(`${url}/api/realtime/ticket`, { method: "POST", headers });
  assert.equal(answer.status, 201, await answer.clone().text());
  return ((await answer.json()) as { ticket: string }).ticket;
}

/** Opens a WebSocket with one ticket so many times at once. @returns those that were let in. */
export async function openAtOnce(url: string, ticket: string, times: number): Promise<TestSocket[]> {
  const attempts = await Promise.allSettled(Array.from({ length: times }, () => TestSocket.withTicket(url, ticket)));
  return attempts.flatMap((attempt) => (attempt.status === "fulfilled" ? [attempt.value] : []));
}

/** An upgrade that has to be refused: status and problem document. */
export async function refusedUpgrade(
  url: string,
  headers: Readonly<Record<string, string>>,
  path = "/api/realtime",
): Promise<{ readonly status: number; readonly problem: { readonly status: number; readonly type: string; readonly detail: string } }> {
  const socket = new WebSocket(`${url.replace("http", "ws")}${path}`, { headers });
  socket.on("error", () => undefined);
  socket.once("open", () => assert.fail("the upgrade was accepted"));
  const [, response] = (await once(socket, "unexpected-response")) as [unknown, IncomingMessage];
  const chunks: Buffer[] = [];
  for await (const chunk of response) chunks.push(chunk as Buffer);
  assert.equal(response.headers["content-type"], "application/problem+json");
  const problem = JSON.parse(Buffer.concat(chunks).toString()) as { status: number; type: string; detail: string };
  assert.equal(problem.status, response.statusCode);
  return { status: problem.status, problem };
}
