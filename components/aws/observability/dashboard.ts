import * as pulumi from "@pulumi/pulumi";
import type { AlarmSpec, Figure } from "./alarms";

/** Widgets in a row of 24 columns. */
const PER_ROW = 3;
const SIZE = { width: 24 / PER_ROW, height: 6 } as const;

/**
 * The body of a dashboard with one graph for each alarm and the line it must not cross, under a heading for each part of the system. Made of
 * the alarms: what wakes somebody is what he then looks at.
 */
export function dashboardBody(title: string, region: string, specs: readonly AlarmSpec[]): pulumi.Output<string> {
  const groups = new Map<string, AlarmSpec[]>();
  for (const spec of specs) groups.set(heading(spec), [...(groups.get(heading(spec)) ?? []), spec]);
  const widgets: object[] = [text(`# ${title}`, 0)];
  let y = 1;
  for (const [name, members] of groups) {
    widgets.push(text(`## ${name}`, y));
    y += 1;
    members.forEach((spec, index) => {
      const place = { x: (index % PER_ROW) * SIZE.width, y: y + Math.floor(index / PER_ROW) * SIZE.height };
      widgets.push({ type: "metric", ...place, ...SIZE, properties: graph(spec, region) });
    });
    y += Math.ceil(members.length / PER_ROW) * SIZE.height;
  }
  return pulumi.jsonStringify({ widgets });
}

/** Part of the system an alarm belongs to, by its namespace. */
function heading({ figure }: AlarmSpec): string {
  const { namespace } = "a" in figure ? figure.a : figure;
  return HEADINGS[namespace] ?? namespace;
}

const HEADINGS: Readonly<Record<string, string | undefined>> = {
  "AWS/ApplicationELB": "Requests",
  "AWS/ECS": "Services",
  "ECS/ContainerInsights": "Services",
  ContainerInsights: "Services",
  "AWS/RDS": "Postgres",
  "AWS/ElastiCache": "Redis",
  "AWS/SQS": "Events",
  "AWS/Kafka": "Events",
  "AWS/S3": "Files",
};

function text(markdown: string, y: number): object {
  return { type: "text", x: 0, y, width: 24, height: 1, properties: { markdown } };
}

function graph({ name, figure, above, below }: AlarmSpec, region: string): object {
  const metrics =
    "a" in figure
      ? [
          [{ expression: figure.expression, label: name, id: "value" }],
          line(figure.a, { id: "a", visible: false }),
          line(figure.b, { id: "b", visible: false }),
        ]
      : [line(figure, { label: name })];
  const value = above ?? below;
  return { title: name, region, view: "timeSeries", period: 60, metrics, annotations: { horizontal: [{ label: "alarm", value }] } };
}

function line({ namespace, metric, dimensions, statistic }: Figure, options: object): unknown[] {
  return [namespace, metric, ...Object.entries(dimensions).flat(), { stat: statistic, ...options }];
}
