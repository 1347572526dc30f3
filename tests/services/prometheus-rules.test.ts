import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { promisify } from "node:util";
import { alertmanagerContext, HEARTBEAT_RECEIVER, WATCHDOG_ALERT } from "../../components/local/alertmanager";
import { prometheusContext, type ScrapeTargets } from "../../components/local/prometheus";
import { serviceImage } from "../support/services/container";

const DIRECTORY = path.join(__dirname, "prometheus");

/** The numbers that tests of rules about the app count with. */
const TARGETS: ScrapeTargets = {
  apps: { app: { instances: 3, memoryMb: 320 }, jobs: { instances: 1, memoryMb: 480 } },
  appPort: 3001,
  alertmanager: { host: "alertmanager", port: 9093 },
  loadBalancer: { host: "load-balancer", port: 8404 },
  database: {
    nodes: ["pg-1", "pg-2", "pg-3"],
    postgresPort: 5432,
    patroniPort: 8008,
    etcd: [{ host: "etcd-1", port: 2379 }],
    postgresProxy: { host: "postgres-proxy", port: 8404 },
    postgresOperator: { host: "postgres-operator", port: 9105 },
    redis: [{ host: "redis-cache", port: 6379 }],
    kafka: true,
  },
};

/** Runs a tool of an image with a text as its standard input; rejects with what it said when it is not content. */
async function tool(image: string, command: readonly string[], input = ""): Promise<void> {
  const args = ["run", "--rm", "--interactive", "--network", "none", "--label", "phased-stack.service=promtool", "--entrypoint"];
  const running = promisify(execFile)("docker", [...args, command[0] ?? "", image, ...command.slice(1)]);
  running.child.stdin?.end(input);
  await running.catch((error: unknown) => {
    const { stdout, stderr } = error as { readonly stdout: string; readonly stderr: string };
    throw new Error(`${command.join(" ")}:\n${stdout}${stderr}`, { cause: error });
  });
}

describe("B8 alert rules on Prometheus' own tools", function () {
  // Building the image takes a minute on two busy cores, once.
  this.timeout(300_000);
  let image: string;

  before(async () => {
    // The build runs `promtool check config`, which reads the rules as well.
    image = await serviceImage("prometheus", prometheusContext(TARGETS));
  });

  for (const file of readdirSync(DIRECTORY)) {
    it(`B8 each alert of ${file.replace(".test.yml", ".yml")} fires when it should, after as long as it should, and not otherwise`, async () => {
      await tool(image, ["promtool", "test", "rules", "/dev/stdin"], readFileSync(path.join(DIRECTORY, file), "utf8"));
    });
  }

  for (const settings of [true, false].flatMap((webhook) => [true, false].map((heartbeat) => ({ webhook, heartbeat })))) {
    const { webhook, heartbeat } = settings;
    it(`B8 with webhook ${webhook} and heartbeat ${heartbeat} Alertmanager takes its configuration, and only the alert that always fires leads to the heartbeat`, async () => {
      // The build runs `amtool check-config`.
      const alertmanager = await serviceImage("alertmanager", alertmanagerContext(settings));
      const route = async (receiver: string, labels: readonly string[]): Promise<void> =>
        await tool(alertmanager, [
          ...["amtool", "config", "routes", "test", "--config.file=/etc/prometheus/alertmanager.yml", `--verify.receivers=${receiver}`],
          ...labels,
        ]);
      await route(heartbeat ? HEARTBEAT_RECEIVER : "nobody", [`alertname=${WATCHDOG_ALERT}`, "severity=none", "service=prometheus"]);
      for (const labels of [
        ["alertname=ServiceDown", "severity=critical", "service=redis"],
        ["alertname=HeartbeatNotDelivered", "severity=warning", "service=alertmanager"],
      ])
        await route(webhook ? "webhook" : "nobody", labels);
      await assert.rejects(route("webhook", [`alertname=${WATCHDOG_ALERT}`]), /did not match/);
    });
  }

  it("B8 Alertmanager knows the authorities that sign certificates: an address of https is what people have", async () => {
    const alertmanager = await serviceImage("alertmanager", alertmanagerContext({ webhook: true, heartbeat: true }));
    await tool(alertmanager, ["test", "-s", "/etc/ssl/certs/ca-certificates.crt"]);
  });
});
