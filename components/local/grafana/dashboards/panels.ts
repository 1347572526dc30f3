import {
  type Dashboard,
  DashboardBuilder,
  RowBuilder,
  ThresholdsConfigBuilder,
  ThresholdsMode,
} from "@grafana/grafana-foundation-sdk/dashboard";
import { DataqueryBuilder } from "@grafana/grafana-foundation-sdk/prometheus";
import { PanelBuilder as StatBuilder } from "@grafana/grafana-foundation-sdk/stat";
import { PanelBuilder as TimeseriesBuilder } from "@grafana/grafana-foundation-sdk/timeseries";

/* eslint-disable @typescript-eslint/no-deprecated -- The SDK prefers schema v2, which Grafana reads from files in its newest versions only; v1 all of them read. */

/** A dashboard as Grafana reads it from a file. */
export type GrafanaDashboard = Dashboard;

/** Id of the data source, which is provisioned under it; panels name it, so that they work whatever else is added by hand. */
export const DATASOURCE_UID = "prometheus";

const datasource = { type: "prometheus", uid: DATASOURCE_UID };

/** Columns of a dashboard's grid. */
const COLUMNS = 24;

/** A panel as its dashboard describes it: one line of it is one series or several that a legend tells apart. */
export interface PanelSpec {
  readonly title: string;
  /** Unit by Grafana's names: `reqps`, `s`, `bytes`, `percentunit`, `short`. */
  readonly unit: string;
  /** Expressions by legend; `{{label}}` in a legend is the label's value. */
  readonly queries: Readonly<Record<string, string>>;
  /** A number of now instead of a graph. @default "graph" */
  readonly kind?: "graph" | "number";
  /** From where on it is red: the limit of the alert, where there is one. @default none */
  readonly limit?: number;
  readonly max?: number;
}

export interface RowSpec {
  readonly title: string;
  readonly panels: readonly PanelSpec[];
}

/** A dashboard of rows; panels of a row share its width, numbers in a lower strip. */
export function dashboard(title: string, description: string, rows: readonly RowSpec[]): GrafanaDashboard {
  const builder = new DashboardBuilder(title)
    .uid(`phased-stack-${title.toLowerCase()}`)
    .description(description)
    .tags(["phased-stack"])
    .timezone("browser")
    .time({ from: "now-1h", to: "now" })
    .refresh("30s")
    .readonly();
  for (const { title: heading, panels } of rows) {
    builder.withRow(new RowBuilder(heading));
    const numbers = panels.filter(({ kind }) => kind === "number");
    const graphs = panels.filter(({ kind }) => kind !== "number");
    for (const panel of numbers)
      builder.withPanel(
        numberPanel(panel)
          .height(4)
          .span(Math.floor(COLUMNS / numbers.length)),
      );
    for (const panel of graphs)
      builder.withPanel(
        graphPanel(panel)
          .height(8)
          .span(COLUMNS / Math.min(3, graphs.length)),
      );
  }
  return builder.build();
}

function graphPanel({ title, unit, queries, limit, max }: PanelSpec): TimeseriesBuilder {
  const panel = new TimeseriesBuilder().title(title).unit(unit).datasource(datasource).min(0).fillOpacity(8).thresholds(thresholds(limit));
  if (max !== undefined) panel.max(max);
  for (const query of targets(queries)) panel.withTarget(query);
  return panel;
}

function numberPanel({ title, unit, queries, limit }: PanelSpec): StatBuilder {
  const panel = new StatBuilder().title(title).unit(unit).datasource(datasource).thresholds(thresholds(limit));
  for (const query of targets(queries)) panel.withTarget(query.instant());
  return panel;
}

function targets(queries: PanelSpec["queries"]): DataqueryBuilder[] {
  return Object.entries(queries).map(([legend, expression], index) =>
    new DataqueryBuilder()
      .datasource(datasource)
      .expr(expression)
      .legendFormat(legend)
      .refId(String.fromCharCode("A".charCodeAt(0) + index)),
  );
}

function thresholds(limit: number | undefined): ThresholdsConfigBuilder {
  const steps = [{ value: null, color: "green" }, ...(limit === undefined ? [] : [{ value: limit, color: "red" }])];
  return new ThresholdsConfigBuilder().mode(ThresholdsMode.Absolute).steps(steps);
}
