import { timingSafeEqual } from "node:crypto";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { log, reasonOf } from "./log";
import { renderMetrics } from "./metrics";
import type { SwitchoverRequest } from "./plan";
import type { Settings } from "./settings";
import { readStatus, type StatusParts } from "./status";
import type { Outcome } from "./switchover";

/** Longest body of a request, bytes. */
const MOST_BODY = 4096;

const STATUS_CODES = { done: 200, nothing: 200, refused: 409, failed: 502 } as const satisfies Record<Outcome["outcome"], number>;

/** Type with which a client asks to be told each step; one line of JSON each, the result last. */
export const LINES = "application/x-ndjson";

/** Health, metrics and status for everybody on the network; a switchover for who knows Patroni's password. */
export function operatorServer(parts: StatusParts, settings: Pick<Settings, "patroni">): Server {
  return createServer((request, response) => {
    respond(request, response, parts, settings).catch((error: unknown) => {
      log("error", "a request failed", { url: request.url, reason: reasonOf(error) });
      if (response.headersSent) response.destroy();
      else json(response, 500, { message: "Internal error; the log says more." });
    });
  });
}

async function respond(
  request: IncomingMessage,
  response: ServerResponse,
  parts: StatusParts,
  settings: Pick<Settings, "patroni">,
): Promise<void> {
  const { reaper, switchover } = parts;
  const path = new URL(request.url ?? "/", "http://operator").pathname;
  switch (`${request.method} ${path}`) {
    case "GET /health": {
      const { healthy } = reaper.status;
      text(response, healthy ? 200 : 503, healthy ? "ok\n" : "no round completed for too long: etcd does not answer\n");
      return;
    }
    case "GET /metrics":
      text(response, 200, renderMetrics(reaper.status, switchover, await parts.backups.read()), "text/plain; version=0.0.4; charset=utf-8");
      return;
    case "GET /status":
      json(response, 200, await readStatus(parts));
      return;
    case "POST /switchover":
      await conduct(request, response, parts, settings.patroni.password);
      return;
    default:
      json(response, 404, { message: "There is GET /health, /metrics and /status, and POST /switchover." });
  }
}

async function conduct(request: IncomingMessage, response: ServerResponse, { switchover }: StatusParts, password: string): Promise<void> {
  if (!isBearer(request.headers.authorization, password)) {
    json(response, 401, { message: "Give Patroni's password as Authorization: Bearer." });
    return;
  }
  const wanted = parseRequest(await readBody(request));
  if (wanted === undefined) {
    json(response, 400, { message: 'The body has to be JSON such as {"from": "pg-1", "to": "pg-2"}; both may be left out.' });
    return;
  }
  if (request.headers.accept?.includes(LINES) !== true) {
    const outcome = await switchover.conduct(wanted);
    json(response, STATUS_CODES[outcome.outcome], outcome);
    return;
  }
  response.writeHead(200, { "Content-Type": LINES });
  const outcome = await switchover.conduct(wanted, (progress) => response.write(`${JSON.stringify({ progress })}\n`));
  response.end(`${JSON.stringify(outcome)}\n`);
}

/** @returns `undefined` for what is no request. */
export function parseRequest(body: string): SwitchoverRequest | undefined {
  try {
    const value = JSON.parse(body === "" ? "{}" : body) as unknown;
    if (typeof value !== "object" || value === null || Array.isArray(value)) return undefined;
    const { from, to, ...rest } = value as Readonly<Record<string, unknown>>;
    if (Object.keys(rest).length > 0) return undefined;
    const isName = (name: unknown): name is string | undefined => name === undefined || typeof name === "string";
    return isName(from) && isName(to) ? { from, to } : undefined;
  } catch {
    return undefined;
  }
}

function isBearer(header: string | undefined, password: string): boolean {
  const [given, wanted] = [Buffer.from(header ?? ""), Buffer.from(`Bearer ${password}`)];
  return given.byteLength === wanted.byteLength && timingSafeEqual(given, wanted);
}

async function readBody(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    size += chunk.byteLength;
    if (size > MOST_BODY) return "too long";
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString();
}

function text(response: ServerResponse, status: number, body: string, type = "text/plain; charset=utf-8"): void {
  response.writeHead(status, { "Content-Type": type }).end(body);
}

function json(response: ServerResponse, status: number, body: object): void {
  text(response, status, `${JSON.stringify(body)}\n`, "application/json");
}
