import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import path from "node:path";
import { parse } from "yaml";
import { dashboards, type DashboardSettings, GRAFANA_BASE_IMAGE, grafanaContext, panelQueries } from "../../../components/local/grafana";

const ROOT = path.resolve(__dirname, "../../..");
const ALL: DashboardSettings = { database: true, kafka: true };
const CLUSTER: DashboardSettings = { database: false, kafka: false };

interface Place {
  readonly x: number;
  readonly y: number;
  readonly w: number;
  readonly h: number;
}
interface Panel {
  readonly type: string;
  readonly title: string;
  readonly gridPos?: Place;
  readonly datasource?: { readonly type: string; readonly uid: string };
  readonly targets?: readonly { readonly expr: string; readonly refId: string }[];
}
/** The JSON that Grafana reads. */
const rendered = (settings: DashboardSettings): Record<string, { uid: string; title: string; editable: boolean; panels: Panel[] }> =>
  JSON.parse(JSON.stringify(dashboards(settings))) as never;

/** The squares of the grid that a panel covers. */
const places = ({ x, y, w, h }: Place): string[] =>
  Array.from({ length: w * h }, (_, index) => `${x + (index % w)},${y + Math.floor(index / w)}`);

describe("B9 dashboards", () => {
  it("are Application, Infrastructure, Services and Business, and have a row for Kafka where there is Kafka", () => {
    assert.deepEqual(
      Object.values(rendered(ALL)).map(({ title }) => title),
      ["Application", "Infrastructure", "Services", "Business"],
    );
    const rows = (settings: DashboardSettings): string[] =>
      rendered(settings)
        ["services"]!.panels.filter(({ type }) => type === "row")
        .map(({ title }) => title);
    assert.deepEqual(rows(ALL), ["Load balancer", "Postgres", "PgBouncer", "Redis", "etcd", "Kafka"]);
    assert.deepEqual(rows({ database: true, kafka: false }), ["Load balancer", "Postgres", "PgBouncer", "Redis", "etcd"]);
    assert.deepEqual(rows(CLUSTER), ["Load balancer"]);
  });

  it("no panel lies on another one or outside, each has a query of its own letter, and reads the one data source", () => {
    for (const { title, uid, editable, panels } of Object.values(rendered(ALL))) {
      assert.match(uid, /^phased-stack-[a-z]+$/);
      assert.equal(editable, false, title);
      const taken = new Map<string, string>();
      for (const { type, title: panel, gridPos, targets = [], datasource } of panels) {
        assert.ok(gridPos, `${title}/${panel} has no place`);
        assert.ok(gridPos.x >= 0 && gridPos.x + gridPos.w <= 24, `${title}/${panel}: ${JSON.stringify(gridPos)}`);
        for (const place of places(gridPos)) {
          assert.equal(taken.get(place), undefined, `${title}/${panel} lies on another one`);
          taken.set(place, panel);
        }
        if (type === "row") continue;
        assert.deepEqual(datasource, { type: "prometheus", uid: "prometheus" }, panel);
        assert.ok(targets.length > 0, panel);
        assert.equal(new Set(targets.map(({ refId }) => refId)).size, targets.length, panel);
      }
    }
  });

  it("phase cluster asks for nothing that only phase database has", () => {
    const absent = /patroni_|pg_|pgbouncer_|redis_|etcd_|kafka_|\bjobs\b|db_pool/;
    assert.deepEqual(
      panelQueries(CLUSTER).filter(({ expression }) => absent.test(expression)),
      [],
    );
    assert.ok(panelQueries(CLUSTER).length > 40 && panelQueries(ALL).length > 85);
  });
});

describe("B9 image of Grafana", () => {
  const prometheus = { host: "prometheus", port: 9090, intervalSeconds: 15 };
  const files = Object.fromEntries(
    grafanaContext({ dashboards: ALL, prometheus }).map((file) => [file.path, Buffer.from(file.content).toString()]),
  );

  it("is the official one with data source and dashboards, and runs as its user", () => {
    assert.deepEqual(Object.keys(files).sort(), [
      "Dockerfile",
      ...["application", "business", "infrastructure", "services"].map((name) => `dashboards/${name}.json`),
      "provisioning/dashboards/phased-stack.yml",
      "provisioning/datasources/prometheus.yml",
    ]);
    const dockerfile = readFileSync(path.join(ROOT, "components/local/grafana/Dockerfile"), "utf8");
    assert.match(dockerfile, new RegExp(`^FROM ${GRAFANA_BASE_IMAGE.replaceAll(".", "\\.")}$`, "m"));
    assert.match(dockerfile, /^USER 472$/m);
    const { datasources } = parse(files["provisioning/datasources/prometheus.yml"] ?? "") as { datasources: Record<string, unknown>[] };
    assert.deepEqual(
      datasources.map(({ uid, url }) => [uid, url]),
      [["prometheus", "http://prometheus:9090"]],
    );
    const { providers } = parse(files["provisioning/dashboards/phased-stack.yml"] ?? "") as { providers: { options: { path: string } }[] };
    assert.equal(providers[0]?.options.path, "/etc/grafana/dashboards");
    assert.ok(dockerfile.includes(`COPY dashboards ${providers[0]?.options.path}`));
  });
});
