import { dashboard, type GrafanaDashboard, type PanelSpec } from "./panels";
import type { DashboardSettings } from "./index";

const WEB = 'job="app",service="app"';

/** Answers a minute. A route that nobody has asked yet has no series, which is a rate of nothing. */
function perMinute(selector: string): string {
  return `sum(rate(http_requests_total{${WEB},${selector}}[$__rate_interval])) * 60 or vector(0)`;
}

/** How often something is done: answers of 2xx to its route. */
function done(title: string, routes: Readonly<Record<string, string>>): PanelSpec {
  const queries = Object.entries(routes).map(([legend, selector]) => [legend, perMinute(`status=~"2..",${selector}`)]);
  return { title, unit: "short", queries: Object.fromEntries(queries) as Record<string, string> };
}

/** Rows of tables, as Postgres estimates them for itself: nobody who looks at dashboards needs a login that sees data. */
function rows(legendOfTable: Readonly<Record<string, string>>): PanelSpec["queries"] {
  return Object.fromEntries(
    Object.entries(legendOfTable).map(([table, legend]) => [
      legend,
      `max(pg_stat_user_tables_n_live_tup{job="postgres",datname="app",relname="${table}"})`,
    ]),
  );
}

/** What people do with the product. */
export function businessDashboard({ database, kafka }: DashboardSettings): GrafanaDashboard {
  return dashboard("Business", "What people do with the product; per company: GET /api/admin/metrics/summary.", [
    ...(database
      ? [
          {
            title: "What there is",
            panels: Object.entries(rows({ companies: "Companies", users: "Users", orders: "Orders", documents: "Documents" })).map(
              ([title, query]): PanelSpec => ({ kind: "number", title, unit: "short", queries: { [title.toLowerCase()]: query } }),
            ),
          },
        ]
      : []),
    {
      title: "What is done a minute",
      panels: [
        done("Companies and users", {
          "sign-ups": 'method="POST",route="/api/auth/signup"',
          "log-ins": 'method="POST",route="/api/auth/login"',
        }),
        done("Orders", { created: 'method="POST",route="/api/orders"', "looked at": 'method="GET",route=~"/api/orders.*"' }),
        done("Documents", { uploaded: 'method="POST",route=~"/api/documents.*"', fetched: 'method="GET",route=~"/api/documents.*"' }),
        done("Chat", { messages: 'method="POST",route=~"/api/chat.*"' }),
        done("Filings and tax", { filings: 'method="POST",route=~"/api/filings.*"', computations: 'method="POST",route=~"/api/tax.*"' }),
        done("Patients, products, exams", {
          patients: 'method="POST",route=~"/api/patients.*"',
          products: 'method="POST",route=~"/api/products.*"',
          exams: 'method="POST",route=~"/api/exams.*"',
        }),
      ],
    },
    {
      title: "Who is there, and who is turned away",
      panels: [
        { title: "Open WebSockets", unit: "short", queries: { people: `sum(realtime_connections{${WEB}})` } },
        {
          title: "Refused a minute",
          unit: "short",
          queries: {
            "not logged in": perMinute('status="401"'),
            "not allowed": perMinute('status="403"'),
            "too often": perMinute('status="429"'),
          },
        },
        ...(kafka
          ? [
              {
                title: "Events a minute",
                unit: "short",
                queries: { published: 'sum(rate(events_published_total{job="app"}[$__rate_interval])) * 60' },
              },
            ]
          : []),
      ],
    },
  ]);
}
