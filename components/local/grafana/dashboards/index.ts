import { applicationDashboard } from "./application";
import { businessDashboard } from "./business";
import { infrastructureDashboard } from "./infrastructure";
import type { GrafanaDashboard } from "./panels";
import { servicesDashboard } from "./services";

export { DATASOURCE_UID } from "./panels";

/** What the dashboards show: a panel for which there can be no figures is not there. */
export interface DashboardSettings {
  /** Phase `database`: Postgres, PgBouncer, Redis, background jobs. */
  readonly database: boolean;
  readonly kafka: boolean;
}

/** The dashboards by the name of their file (B9). */
export function dashboards(settings: DashboardSettings): Readonly<Record<string, GrafanaDashboard>> {
  return {
    application: applicationDashboard(settings),
    infrastructure: infrastructureDashboard(),
    services: servicesDashboard(settings),
    business: businessDashboard(settings),
  };
}

/** One expression of a panel, and where it is. */
export interface PanelQuery {
  readonly dashboard: string;
  readonly panel: string;
  readonly expression: string;
}

/** Every expression of every panel: what a test asks a live Prometheus. */
export function panelQueries(settings: DashboardSettings): PanelQuery[] {
  return Object.values(dashboards(settings)).flatMap(({ title = "", panels = [] }) =>
    panels.flatMap((panel) => {
      const targets = "targets" in panel ? panel.targets : [];
      return targets.map((target) => ({
        dashboard: title,
        panel: panel.title ?? "",
        expression: (target as unknown as { readonly expr: string }).expr,
      }));
    }),
  );
}
