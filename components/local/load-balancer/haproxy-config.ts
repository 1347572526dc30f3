import { APP_PORT, READY_PATH, spareAlias } from "../../contract";
import { assertTls, redirectFrontend, TLS_PORT, tlsBind, tlsGlobals, type TlsSettings, transportSecurity } from "./tls";

/** Port of plain HTTP inside the load balancer's container; above 1024, so that it needs no privilege. */
export const LOAD_BALANCER_PORT = 8080;

/** Port of health, statistics and Prometheus metrics; reachable inside the network only, never published. */
export const INTERNAL_PORT = 8404;

/**
 * File with the token of requests that no limit per client applies to. An operator who measures stands for many clients and has one
 * address; the app knows the same header. In the image it is empty, so that nobody is an operator.
 */
export const OPERATOR_TOKEN_FILE = "/run/secrets/operator_token";

/**
 * Connections of clients held at once: each of A12's 5,000 users keeps one for a minute between two requests, and those with a WebSocket a second one.
 * HAProxy reckons with two descriptors for each, a dozen for its threads, and one for every server that it checks, and does not start without them: of the
 * 16,384 that a container has, 200 are left.
 */
export const MOST_CONNECTIONS = 8000;

/**
 * Memory limit of its container, MiB: for HAProxy itself and its tables 48, and 40 KiB for each connection, two buffers of 16 KiB among them. By its own
 * reckoning (its option `-m`) a connection takes 36 KiB. One that is idle has no buffer, and with TLS 16 KiB instead.
 */
export const LOAD_BALANCER_MB = 384;

/** A limit per client address: `requestsPerSecond` on average over ten seconds, and at most `burst` more within one second. */
export interface RateLimit {
  /** Sustained requests a second and client; 0 switches the limit off. */
  readonly requestsPerSecond: number;
  /** Requests a client may send on top of that at once. */
  readonly burst: number;
}

/** What the rendered configuration depends on. */
export interface HaproxySettings {
  /** Name under which the app's containers answer in Docker's DNS; they have its {@link spareAlias}, too. */
  readonly upstream: string;
  /** Most app containers that may exist at once: instances, their replacements during a rollout, and failed ones of an earlier one. */
  readonly slots: number;
  /** Limit on everything but chat (feature B1: 100 a second). */
  readonly apiLimit: RateLimit;
  /** Limit on `/api/chat` (feature B1: 50 a second). */
  readonly chatLimit: RateLimit;
  /** Largest request body in bytes. */
  readonly maxBodyBytes: number;
  /** Connections held at once; more wait in the kernel's backlog. */
  readonly maxConnections: number;
  /** @default plain HTTP */
  readonly tls?: TlsSettings | undefined;
}

/**
 * Problem documents (RFC 9457) for answers the load balancer gives by itself, so that clients read one error format. Bytes that are no
 * HTTP request at all still get HAProxy's built-in 400: its parser answers them before any rule applies.
 */
const ERRORS: readonly (readonly [status: number, title: string, retryAfterSeconds?: number])[] = [
  [400, "Bad Request"],
  [408, "Request Timeout"],
  [413, "Content Too Large"],
  [429, "Too Many Requests", 1],
  [500, "Internal Server Error"],
  [502, "Bad Gateway", 1],
  [503, "Service Unavailable", 2],
  [504, "Gateway Timeout", 2],
];

/**
 * Renders haproxy.cfg (HAProxy 3.0). Pure: the same settings give the same text.
 *
 * @throws RangeError when a number is not usable; the stack configuration is validated before, so this is a programming mistake.
 */
export function renderHaproxyConfig(settings: HaproxySettings): string {
  assertSettings(settings);
  return [
    ...globalSection(settings),
    ...defaultsSection(),
    ...resolversSection(),
    ...rateTable("limit_api"),
    ...rateTable("limit_chat"),
    ...publicFrontend(settings),
    ...redirectFrontend(LOAD_BALANCER_PORT, settings.tls),
    ...internalFrontend(settings),
    ...appBackend(settings),
  ]
    .join("\n")
    .concat("\n");
}

function assertSettings(settings: HaproxySettings): void {
  const { slots, maxBodyBytes, maxConnections, apiLimit, chatLimit, upstream } = settings;
  const naturals = { slots, maxBodyBytes, maxConnections };
  for (const [name, value] of Object.entries(naturals)) {
    if (!Number.isSafeInteger(value) || value < 1) throw new RangeError(`${name} must be a positive integer, got ${value}`);
  }
  for (const value of [apiLimit.requestsPerSecond, apiLimit.burst, chatLimit.requestsPerSecond, chatLimit.burst]) {
    // HAProxy keeps rates as 32-bit counters; ten seconds of the limit must fit.
    if (!Number.isInteger(value) || value < 0 || value > 100_000_000) throw new RangeError(`not a usable rate: ${value}`);
  }
  if (!/^[a-z][a-z0-9-]*$/.test(upstream)) throw new RangeError(`not a host name: ${upstream}`);
  if (settings.tls !== undefined) assertTls(settings.tls);
}

function globalSection({ maxConnections, tls }: HaproxySettings): string[] {
  return [
    "global",
    "    log stdout format raw local0 info",
    `    maxconn ${maxConnections}`,
    // HAProxy starts a thread a core, whatever the container's CPU limit; more than four do not help one host's app.
    "    thread-hard-limit 4",
    // SIGUSR1 (the image's stop signal) finishes the requests in flight; clients that never hang up must not hold that up.
    "    hard-stop-after 10s",
    "    ssl-server-verify required",
    ...tlsGlobals(tls),
    "",
  ];
}

function defaultsSection(): string[] {
  return [
    "defaults",
    "    mode http",
    "    log global",
    "    option dontlognull",
    // Slow clients: ten seconds for the headers and (http-buffer-request) for the first 16 KB of the body.
    "    option http-buffer-request",
    "    timeout http-request 10s",
    "    timeout http-keep-alive 60s",
    "    timeout client 60s",
    "    timeout client-fin 10s",
    // On one host the kernel accepts a connection within microseconds, however busy the app is. A container that is gone, or whose network
    // is only being set up, does not answer ARP: better to ask another one soon than to wait for the kernel's three seconds.
    "    timeout connect 200ms",
    "    timeout server 60s",
    "    timeout queue 5s",
    // WebSockets; the app pings every 30 s.
    "    timeout tunnel 1h",
    ...ERRORS.map(httpError),
    "",
  ];
}

function httpError([status, title, retryAfterSeconds]: (typeof ERRORS)[number]): string {
  const retry = retryAfterSeconds === undefined ? "" : ` hdr Retry-After ${retryAfterSeconds}`;
  return `    http-error status ${status} content-type application/problem+json string '${problem(status, title)}' hdr Cache-Control no-store${retry}`;
}

function problem(status: number, title: string): string {
  return JSON.stringify({ type: "about:blank", title, status });
}

function resolversSection(): string[] {
  return [
    "resolvers docker",
    // Docker's embedded DNS; it answers a shared alias with the addresses of all containers that carry it.
    "    nameserver embedded 127.0.0.11:53",
    "    accepted_payload_size 8192",
    "    resolve_retries 3",
    "    timeout resolve 500ms",
    "    timeout retry 500ms",
    "    hold valid 500ms",
    "    hold obsolete 500ms",
    // No answer says nothing about the containers: the health checks decide.
    "    hold nx 30s",
    "    hold timeout 30s",
    "    hold refused 30s",
    "    hold other 30s",
    "",
  ];
}

/** A client is an IPv4 address or, as providers hand them out, an IPv6 /64. Idle entries go after a minute. */
function rateTable(name: string): string[] {
  return [`backend ${name}`, "    stick-table type ipv6 size 100k expire 1m store gpc0_rate(1s),gpc1_rate(10s)", ""];
}

function publicFrontend(settings: HaproxySettings): string[] {
  const { tls } = settings;
  return [
    "frontend public",
    tls === undefined ? `    bind :${LOAD_BALANCER_PORT}` : `    bind :${TLS_PORT} ${tlsBind(tls)}`,
    "    option httplog",
    `    log-format "${ACCESS_LOG}"`,
    "",
    "    # One id a request, through every log. A client's own id is kept when it is harmless.",
    "    unique-id-format %[uuid()]",
    "    http-request set-var(txn.request_id) unique-id",
    "    http-request set-var(txn.request_id) req.hdr(X-Request-ID) if { req.hdr(X-Request-ID) -m reg ^[A-Za-z0-9._-]{1,64}$ }",
    "    http-request set-header X-Request-ID %[var(txn.request_id)]",
    "    http-request set-var(txn.path) path",
    "",
    "    # What the app may believe about the client: set here, whatever the client sent.",
    "    http-request del-header Forwarded",
    "    http-request del-header X-Real-IP",
    "    http-request set-header X-Forwarded-For %[src]",
    `    http-request set-header X-Forwarded-Proto ${tls === undefined ? "http" : "https"}`,
    "    http-request set-header X-Forwarded-Host %[req.hdr(Host)]",
    "",
    "    # Metrics are for Prometheus inside the network.",
    "    acl path_metrics path,url_dec,lower -m reg ^/+metrics(/.*)?$",
    `    http-request return status 404 content-type application/problem+json hdr Cache-Control no-store string '${problem(404, "Not Found")}' if path_metrics`,
    "",
    `    http-request deny status 413 default-errorfiles if { req.body_size gt ${settings.maxBodyBytes} }`,
    "",
    ...rateLimits(settings),
    "    # Only what is safe to do twice may be sent again; a refused connection was never sent at all and is always retried.",
    "    http-request disable-l7-retry unless METH_GET or { method OPTIONS }",
    "",
    ...responseRules(tls),
    "    default_backend app",
    "",
  ];
}

/**
 * Counts what a client was granted, not what it asked for: who is too fast still gets the limit, not nothing.
 * Two windows make a bucket: one second bounds the burst, ten seconds bound the average.
 */
function rateLimits({ apiLimit, chatLimit }: HaproxySettings): string[] {
  return [
    // As Express routes: without regard to case.
    "    acl is_chat path -i /api/chat",
    "    acl is_chat path_beg -i /api/chat/",
    `    acl is_operator req.hdr(X-Rate-Limit-Bypass) -m str -f ${OPERATOR_TOKEN_FILE}`,
    ...rateLimit("limit_chat", "is_chat !is_operator", chatLimit),
    ...rateLimit("limit_api", "!is_chat !is_operator", apiLimit),
  ];
}

function rateLimit(table: string, condition: string, { requestsPerSecond, burst }: RateLimit): string[] {
  if (requestsPerSecond === 0) return [];
  const client = "src,ipmask(32,64)";
  return [
    `    http-request track-sc0 ${client} table ${table} if ${condition}`,
    `    http-request deny status 429 default-errorfiles if ${condition} { sc0_gpc0_rate(${table}) ge ${requestsPerSecond + burst} }`,
    `    http-request deny status 429 default-errorfiles if ${condition} { sc0_gpc1_rate(${table}) ge ${requestsPerSecond * 10 + burst} }`,
    `    http-request sc-inc-gpc0(0) if ${condition}`,
    `    http-request sc-inc-gpc1(0) if ${condition}`,
    "",
  ];
}

function responseRules(tls: TlsSettings | undefined): string[] {
  const defaults = { "X-Content-Type-Options": "nosniff", "X-Frame-Options": "DENY", "Referrer-Policy": "strict-origin-when-cross-origin" };
  return [
    "    # Answers of the load balancer itself carry these too; the app may choose stricter ones. HSTS with TLS only.",
    ...Object.entries(defaults).map(
      ([name, value]) => `    http-after-response set-header ${name} ${value} unless { res.hdr(${name}) -m found }`,
    ),
    "    http-after-response set-header X-Request-ID %[var(txn.request_id)] if { var(txn.request_id) -m found }",
    transportSecurity(tls),
    "    http-after-response del-header Server",
    "    http-after-response del-header X-Powered-By",
    "",
    "    # Text the app left uncompressed.",
    "    filter compression",
    "    compression algo gzip",
    "    compression type text/html text/plain text/css text/javascript application/javascript application/json application/problem+json image/svg+xml",
    "",
  ];
}

/** One JSON object a request. The query is left out: it may hold personal data. */
const ACCESS_LOG = [
  "%{+json}o",
  '%(time)[date(0,us),us_ltime(\\"%Y-%m-%dT%H:%M:%S%z\\")]',
  "%(level)[str(info)]",
  "%(request_id)[var(txn.request_id)]",
  "%(client)[src]",
  "%(method)[method]",
  "%(path)[var(txn.path)]",
  "%(status:sint)ST",
  "%(bytes:sint)B",
  "%(server)s",
  "%(retries)rc",
  "%(termination)tsc",
  "%(wait_ms:sint)Tw",
  "%(connect_ms:sint)Tc",
  "%(response_ms:sint)Tr",
  "%(total_ms:sint)Ta",
].join(" ");

function internalFrontend({ slots }: HaproxySettings): string[] {
  return [
    "frontend internal",
    `    bind :${INTERNAL_PORT}`,
    "    no log",
    "    # The load balancer is of use when it runs and at least one app container is ready.",
    "    monitor-uri /health",
    // nbsrv() counts backups as well, as soon as no other server is up.
    ...Array.from({ length: slots }, (_, index) => `    acl is_ready srv_is_up(app/app${index + 1})`),
    "    monitor fail unless is_ready",
    // Most of the slots are empty: left out, a scrape is a hundred lines and not ten thousand.
    "    http-request set-query no-maint if { path /metrics } !{ query -m found }",
    "    http-request use-service prometheus-exporter if { path /metrics }",
    "    stats enable",
    "    stats uri /stats",
    "    http-request return status 404 unless { path /stats }",
    "",
  ];
}

/**
 * Two views of the same containers: those that are ready, and, as backups while none is, every one that Docker knows. The second serves the
 * moments in which the old instances drain, or have handed their rows over, and the new ones are not seen to be ready yet; AWS's load balancers
 * fail open in the same way. They are in one backend because a request that was sent to the wrong one is tried again within its backend only.
 */
function appBackend({ upstream, slots }: HaproxySettings): string[] {
  // HAProxy 3.0 takes a container for ready as soon as it has an address, which is before its app listens (init-state is in 3.1). So the
  // first connection it refuses marks it down, until a check passes. One that has just become ready is found within 100 ms: until then the
  // backups serve, and after a change of phase they still answer from the rows that were handed over.
  const checked = "check inter 500ms fastinter 250ms downinter 100ms fall 2 rise 1 observe layer4 error-limit 1 on-error mark-down";
  return [
    "backend app",
    "    balance leastconn",
    "    option allbackups",
    // The app keeps idle connections for 65 s, far longer than this pool does, and says `Connection: close` while it drains;
    // so a pooled connection is never closed under a request, and every request may use one (B1: upstream keep-alive).
    "    http-reuse always",
    // More attempts than instances that are commonly replaced at once: each of them may refuse a request once.
    "    retries 10",
    "    option redispatch 1",
    "    retry-on conn-failure empty-response",
    `    option httpchk GET ${READY_PATH}`,
    "    http-check expect status 200",
    // A busy machine answers late; that alone makes no instance unready.
    "    timeout check 2s",
    "    default-server resolvers docker resolve-prefer ipv4 init-addr none pool-max-conn 128 pool-purge-delay 10s",
    `    server-template app 1-${slots} ${upstream}:${APP_PORT} ${checked}`,
    `    server-template spare 1-${slots} ${spareAlias(upstream)}:${APP_PORT} backup`,
  ];
}
