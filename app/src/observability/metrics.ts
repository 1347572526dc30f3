import type { Request } from "express";
import { collectDefaultMetrics, Counter, Gauge, Histogram, Registry } from "prom-client";
import type { MetricSnapshot } from "./metrics-merge";

/** Metrics of this process. In a worker the primary adds them to those of its siblings. */
export const registry = new Registry();

/** Content type of the text format of Prometheus. */
export const METRICS_CONTENT_TYPE = registry.contentType;

const requestsTotal = new Counter({
  name: "http_requests_total",
  help: "Requests answered, by route pattern.",
  labelNames: ["method", "route", "status"],
  registers: [registry],
});

const requestSeconds = new Histogram({
  name: "http_request_duration_seconds",
  help: "Time from the first byte of a request to the last byte of its response, in seconds.",
  labelNames: ["method", "route"],
  // Around the targets that the phases promise: p95 under 200 ms, 500 ms and 2 s, alerts at 5 s.
  buckets: [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10],
  registers: [registry],
});

let inFlight = 0;

// Read when somebody asks: a gauge that every request moves twice costs more than the number.
new Gauge({
  name: "http_requests_in_flight",
  help: "Requests being answered now.",
  registers: [registry],
  collect() {
    this.set(inFlight);
  },
});

const EVENT_LOOP_LAG = "nodejs_eventloop_lag_p99_seconds";

let defaultsCollected = false;

/** Adds Node's own numbers (CPU, memory, event loop, garbage collection); once a process, not in tests that only count requests. */
export function collectProcessMetrics(): void {
  if (defaultsCollected) return;
  defaultsCollected = true;
  collectDefaultMetrics({ register: registry });
  // By default the mean of all workers, in which one of several that hangs is lost.
  Object.assign(registry.getSingleMetric(EVENT_LOOP_LAG) ?? {}, { aggregator: "max" });
}

/** This process's numbers, ready to travel to the primary. */
export function metricsSnapshot(): Promise<MetricSnapshot[]> {
  return registry.getMetricsAsJSON();
}

/** The counter and the histogram of one set of labels. */
export interface Series {
  count(): void;
  observe(seconds: number): void;
}

/** Label sets seen so far. Looking one up is several times cheaper than prom-client's own hashing of labels. */
const series = new Map<string, Series>();

/** Label sets kept apart; more would mean that something other than a pattern became a label, and would fill the memory. */
const MOST_SERIES = 2000;

/**
 * Counts one answered request.
 * @param route pattern such as `/api/orders/:id`, never the URL.
 * @param seconds duration.
 * @returns where it was counted.
 */
export function countRequest(method: string, route: string, status: number, seconds: number): Series {
  const key = `${method} ${route} ${status}`;
  const known = series.get(key) ?? addSeries(key, method, route, status);
  known.count();
  known.observe(seconds);
  return known;
}

function addSeries(key: string, method: string, route: string, status: number): Series {
  if (series.size >= MOST_SERIES && route !== "other")
    return series.get(`${method} other ${status}`) ?? addSeries(`${method} other ${status}`, method, "other", status);
  const counter = requestsTotal.labels(method, route, String(status));
  const histogram = requestSeconds.labels(method, route);
  const added: Series = { count: () => counter.inc(), observe: (seconds) => histogram.observe(seconds) };
  series.set(key, added);
  return added;
}

/** A request has arrived; {@link requestEnded} has to follow. */
export function requestStarted(): void {
  inFlight += 1;
}

/** A response is over, whether its client got it or not. */
export function requestEnded(request: Request, status: number, durationMs: number): void {
  inFlight -= 1;
  const seconds = durationMs / 1000;
  const route = request.route as object | undefined;
  const known = route === undefined ? undefined : answered.get(route);
  if (known?.status === status && known.method === request.method && known.baseUrl === request.baseUrl) {
    known.series.count();
    known.series.observe(seconds);
    return;
  }
  const found = countRequest(request.method, routePattern(request), status, seconds);
  if (route !== undefined) answered.set(route, { method: request.method, baseUrl: request.baseUrl, status, series: found });
}

/** Where the last answer of each route was counted: nearly always the next one is counted there too, and no text has to be put together. */
const answered = new WeakMap<
  object,
  { readonly method: string; readonly baseUrl: string; readonly status: number; readonly series: Series }
>();

/** The pattern of the route that answered. Routers must be mounted under fixed prefixes: `baseUrl` is what the client sent for the prefix, pattern or not. */
export function routePattern(request: Request): string {
  const route = request.route as { readonly path?: unknown } | undefined;
  if (typeof route?.path !== "string") return "unmatched";
  const pattern = `${mountOf(request, route.path)}${route.path}`;
  return pattern.length > 1 && pattern.endsWith("/") ? pattern.slice(0, -1) : pattern;
}

/**
 * Where the router of the answering route is mounted. Express forgets it on the way of an error to its handler; then it is what the path
 * has in front of the route's own segments. Mount points have no parameters here, and patterns that match any number of segments are
 * left alone.
 */
function mountOf(request: Request, routePath: string): string {
  if (request.baseUrl !== "" || /[*{]/.test(routePath)) return request.baseUrl;
  const segments = (request.originalUrl.split("?", 1)[0] ?? "").split("/").filter((segment) => segment !== "");
  const own = routePath.split("/").filter((segment) => segment !== "").length;
  return segments
    .slice(0, Math.max(0, segments.length - own))
    .map((segment) => `/${segment}`)
    .join("");
}
