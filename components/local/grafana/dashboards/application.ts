import { dashboard, type GrafanaDashboard } from "./panels";
import type { DashboardSettings } from "./index";

const PUBLIC = 'job="load-balancer",proxy="public"';
const WEB = 'job="app",service="app"';
/** Requests of people: Prometheus' own looks are none of theirs. */
const ASKED = `${WEB},route!="/metrics"`;

/** What clients get, and how the app's processes are. */
export function applicationDashboard({ database }: DashboardSettings): GrafanaDashboard {
  const quantile = (share: number, by = ""): string =>
    `histogram_quantile(${share}, sum by (le${by}) (rate(http_request_duration_seconds_bucket{${ASKED}}[$__rate_interval])))`;
  return dashboard("Application", "What clients get, and how the app's processes are.", [
    {
      title: "What clients get",
      panels: [
        {
          kind: "number",
          title: "Requests a second",
          unit: "reqps",
          queries: { requests: `sum(rate(haproxy_frontend_http_requests_total{${PUBLIC}}[5m]))` },
        },
        {
          kind: "number",
          title: "Errors",
          unit: "percentunit",
          limit: 0.05,
          queries: {
            errors:
              `sum(rate(haproxy_frontend_http_responses_total{${PUBLIC},code="5xx"}[5m])) / ` +
              `clamp_min(sum(rate(haproxy_frontend_http_responses_total{${PUBLIC}}[5m])), 0.001)`,
          },
        },
        {
          kind: "number",
          title: "Slowest in twenty (p95)",
          unit: "s",
          limit: 5,
          queries: { p95: `histogram_quantile(0.95, sum by (le) (rate(http_request_duration_seconds_bucket{${ASKED}}[5m])))` },
        },
        {
          kind: "number",
          title: "Instances that answer",
          unit: "short",
          queries: { "{{service}}": 'count by (service) (up{job="app"} == 1)' },
        },
        {
          title: "Answers by class",
          unit: "reqps",
          queries: { "{{code}}": `sum by (code) (rate(haproxy_frontend_http_responses_total{${PUBLIC}}[$__rate_interval]))` },
        },
        { title: "Duration", unit: "s", queries: { p50: quantile(0.5), p95: quantile(0.95), p99: quantile(0.99) } },
        {
          title: "Busiest routes",
          unit: "reqps",
          queries: { "{{method}} {{route}}": `topk(8, sum by (method, route) (rate(http_requests_total{${ASKED}}[$__rate_interval])))` },
        },
        { title: "Slowest routes (p95)", unit: "s", queries: { "{{route}}": `topk(8, ${quantile(0.95, ", route")})` } },
        { title: "In flight", unit: "short", queries: { "{{instance}}": `http_requests_in_flight{${WEB}}` } },
        {
          title: "Refused by limits",
          unit: "reqps",
          queries: {
            "{{policy}}":
              'sum by (policy) (rate(rate_limit_requests_total{job="app",outcome="limited"}[$__rate_interval])) or ' +
              'sum by (policy) (0 * rate_limit_requests_total{job="app"})',
          },
        },
      ],
    },
    {
      title: "Processes",
      panels: [
        {
          title: "Memory of an instance",
          unit: "percentunit",
          limit: 0.85,
          queries: {
            "{{service}} {{instance}}":
              'process_resident_memory_bytes{job="app"} / on (service) group_left () stack:app_memory_limit:bytes',
          },
        },
        {
          title: "CPU of an instance",
          unit: "short",
          queries: { "{{service}} {{instance}}": 'rate(process_cpu_seconds_total{job="app"}[$__rate_interval])' },
        },
        {
          title: "How late timers are (p99)",
          unit: "s",
          limit: 0.5,
          queries: { "{{service}} {{instance}}": 'nodejs_eventloop_lag_p99_seconds{job="app"}' },
        },
        {
          title: "Heap in use",
          unit: "bytes",
          queries: { "{{service}} {{instance}}": 'nodejs_heap_size_used_bytes{job="app"}' },
        },
        {
          title: "Cache",
          unit: "reqps",
          queries: { "{{result}}": 'sum by (result) (rate(cache_requests_total{job="app"}[$__rate_interval]))' },
        },
        { title: "WebSockets", unit: "short", queries: { "{{instance}}": `realtime_connections{${WEB}}` } },
      ],
    },
    ...(database
      ? [
          {
            title: "Background jobs",
            panels: [
              {
                title: "Waiting",
                unit: "short",
                limit: 1000,
                queries: { "{{queue}}": 'max by (queue) (jobs{job="app",state="waiting"})' },
              },
              {
                title: "Failed for good",
                unit: "short",
                limit: 1,
                queries: { "{{queue}}": 'max by (queue) (jobs{job="app",state="failed"})' },
              },
              {
                title: "Finished",
                unit: "ops",
                queries: {
                  "{{queue}} {{outcome}}": 'sum by (queue, outcome) (rate(jobs_finished_total{job="app"}[$__rate_interval]))',
                },
              },
            ],
          },
        ]
      : []),
  ]);
}
