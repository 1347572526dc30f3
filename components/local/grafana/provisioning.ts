import { stringify } from "yaml";
import { DATASOURCE_UID } from "./dashboards";

/** Directory of the dashboards' files in Grafana's image. */
export const DASHBOARDS_DIRECTORY = "/etc/grafana/dashboards";

/** Provisioning of the one data source. @param prometheus its address inside the network @param intervalSeconds between two looks of Prometheus */
export function renderDatasource(prometheus: string, intervalSeconds: number): string {
  return stringify({
    apiVersion: 1,
    datasources: [
      {
        name: "Prometheus",
        type: "prometheus",
        uid: DATASOURCE_UID,
        url: prometheus,
        access: "proxy",
        isDefault: true,
        editable: false,
        // The shortest window a rate is asked for follows from it.
        jsonData: { timeInterval: `${intervalSeconds}s`, httpMethod: "POST" },
      },
    ],
  });
}

/** Provisioning of the dashboards: read from files, which is where they are changed. */
export function renderDashboardProvider(): string {
  return stringify({
    apiVersion: 1,
    providers: [
      {
        name: "phased-stack",
        type: "file",
        allowUiUpdates: false,
        disableDeletion: true,
        options: { path: DASHBOARDS_DIRECTORY },
      },
    ],
  });
}
