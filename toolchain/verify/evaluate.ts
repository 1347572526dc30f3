import type { IncomingHttpHeaders } from "node:http";

/** Dotted paths that a document lacks, in the order asked for. A value of `null` counts as present: it says "none". */
export function missingPaths(document: unknown, paths: readonly string[]): string[] {
  return paths.filter((path) => {
    let value: unknown = document;
    for (const key of path.split(".")) {
      if (typeof value !== "object" || value === null || !(key in value)) return true;
      value = (value as Record<string, unknown>)[key];
    }
    return value === undefined;
  });
}

const HSTS = "strict-transport-security";

/** Headers that every answer must carry (B1: "security headers (HSTS …)"; HSTS with TLS only), each with what it must say. */
const SECURITY_HEADERS: Readonly<Record<string, RegExp>> = {
  [HSTS]: /max-age=[1-9]\d{6,}/,
  "x-content-type-options": /^nosniff$/i,
  "x-frame-options": /^(deny|sameorigin)$/i,
  "referrer-policy": /^(no-referrer|same-origin|strict-origin|strict-origin-when-cross-origin)$/,
  "content-security-policy": /default-src/,
};

/** The load balancer's own refusals are a line of JSON: nothing in them can load anything, and HSTS belongs to whoever ends TLS. */
const APP_ONLY = [HSTS, "content-security-policy"];

/** How an answer came: what it has to carry depends on who wrote it and on whether TLS protected it. */
export interface AnswerOrigin {
  readonly source: "app" | "load balancer";
  readonly tls: boolean;
  /** It came through servers of a cloud, which add their own names; the app's are still not to be told. @default false */
  readonly throughOthers?: boolean;
}

/** Names that a cloud's own servers give themselves: CloudFront, the load balancers of AWS and Google, usual ingress controllers. */
const OTHERS = /^(cloudfront|awselb\/[\d.]+|nginx|envoy|istio-envoy|traefik|caddy|google frontend)$/i;

/** What is wrong with the headers of an answer: missing security headers, and names or versions of software given away. */
export function headerViolations(headers: IncomingHttpHeaders, { source, tls, throughOthers = false }: AnswerOrigin): string[] {
  const text = (name: string): string => [headers[name] ?? []].flat().join(", ");
  const missing = Object.entries(SECURITY_HEADERS)
    .filter(([name]) => source === "app" || !APP_ONLY.includes(name))
    .filter(([name]) => tls || name !== HSTS)
    .filter(([name, pattern]) => !pattern.test(text(name)))
    .map(([name]) => (text(name) === "" ? `no ${name}` : `${name}: ${text(name)}`));
  const repeated = Object.keys(SECURITY_HEADERS).filter((name) => name !== "content-security-policy" && text(name).includes(", "));
  // RFC 6797, 7.2: never over plain HTTP, where anybody could have written it.
  const promised = tls || text(HSTS) === "" ? [] : [`${HSTS} without TLS`];
  const leaks = ["x-powered-by", "server", "via"]
    .filter((name) => text(name) !== "")
    .filter((name) => !(throughOthers && (name === "via" || (name === "server" && OTHERS.test(text(name))))));
  return [
    ...missing,
    ...promised,
    ...repeated.map((name) => `${name} sent twice`),
    ...leaks.map((name) => `gives away ${name}: ${text(name)}`),
  ];
}

/** The parts of an answer that {@link problemViolations} looks at. */
export interface ErrorAnswer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly text: string;
}

/** What keeps an error from being a problem document (RFC 9457) that says nothing about the server's inside. */
export function problemViolations(answer: ErrorAnswer, expectedStatus: number): string[] {
  const violations: string[] = [];
  if (answer.status !== expectedStatus) violations.push(`status ${answer.status} instead of ${expectedStatus}`);
  const type = answer.headers["content-type"] ?? "none";
  if (!type.startsWith("application/problem+json")) violations.push(`content type ${type}`);
  const body = parseObject(answer.text);
  if (body === undefined) violations.push("body is not a JSON object");
  else {
    if (body["status"] !== answer.status) violations.push(`member status is ${JSON.stringify(body["status"])}`);
    if (typeof body["title"] !== "string" || body["title"] === "") violations.push("no title");
  }
  if (leaksStack(answer.text)) violations.push("shows a stack trace or a path of the server");
  return violations;
}

/** Whether a text shows a stack trace, or where the server's files are. */
export function leaksStack(text: string): boolean {
  return /(?:\\n|\n)\s+at\s|\bat (?:async )?[\w.<>]+ \((?:file:|node:|\/)|node_modules|\/app\/\w+\.js/.test(text);
}

function parseObject(text: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === "object" && value !== null ? (value as Record<string, unknown>) : undefined;
  } catch {
    return undefined;
  }
}

/** Answers to a flood from one client. */
export interface Flood {
  readonly sent: number;
  readonly accepted: number;
  /** Retry-After of each answer 429, as sent; `undefined` where there was none. */
  readonly refused: readonly (string | undefined)[];
  /** Anything else, by status or reason. */
  readonly others: Readonly<Record<string, number>>;
  readonly seconds: number;
}

/** What a client may send: so many requests a second on average, and at most `burst` more within one second. */
export interface PromisedLimit {
  readonly perSecond: number;
  readonly burst: number;
}

/** What is wrong with a rate limit, after a flood well above it that lasted at least a second. */
export function limitViolations(flood: Flood, { perSecond, burst }: PromisedLimit): string[] {
  const violations: string[] = [];
  // Seconds are counted from the first request of each, so a flood of 1.2 s touches up to three of them.
  const most = (perSecond + burst) * (Math.ceil(flood.seconds) + 1);
  if (flood.refused.length === 0) violations.push(`none of ${flood.sent} requests was refused`);
  if (flood.accepted < Math.min(perSecond, flood.sent)) violations.push(`only ${flood.accepted} let through, ${perSecond} promised`);
  if (flood.accepted > most) violations.push(`${flood.accepted} let through in ${flood.seconds.toFixed(1)} s, at most ${most} expected`);
  const unusable = flood.refused.filter((value) => value === undefined || !/^[1-9]\d*$/.test(value));
  if (unusable.length > 0) violations.push(`${unusable.length} refusals without a usable Retry-After`);
  const others = Object.entries(flood.others).map(([what, count]) => `${count} × ${what}`);
  if (others.length > 0) violations.push(`unexpected answers: ${others.join(", ")}`);
  return violations;
}

/** Share of bytes that compression saves, 0–1. */
export function savedShare(plainBytes: number, compressedBytes: number): number {
  return plainBytes === 0 ? 0 : 1 - compressedBytes / plainBytes;
}

/** `3 × ECONNRESET, 1 × 502` for everything in a load that went wrong. */
export function describeFailures(statuses: Readonly<Record<string, number>>, errors: Readonly<Record<string, number>>): string {
  const bad = Object.entries(statuses).filter(([code]) => !code.startsWith("2"));
  return [...bad, ...Object.entries(errors)].map(([what, count]) => `${count} × ${what}`).join(", ");
}
