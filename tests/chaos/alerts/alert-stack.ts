import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { setTimeout as delay } from "node:timers/promises";
import type { Stack } from "@pulumi/pulumi/automation";
import type Docker from "dockerode";
import { stringify, parse } from "yaml";
import { execIn } from "../../../toolchain/lib/docker";
import { DatabaseStack } from "../../support/database-stack";
import { containersOf, docker, leftovers } from "../../support/docker";
import { fasterAlertmanager, fasterPrometheus, fasterRules } from "../../support/faster-monitoring";
import { copyProject, freePort, type ProjectCopy } from "../../support/project";
import { PrometheusClient } from "../../support/prometheus";
import { eventually } from "../../support/services/container";
import { ensureKafkaImage } from "../../support/services/kafka";
import { standIn, type StandInChanges } from "../../support/stand-in";
import { type StackAnswer, StackClient } from "../../support/stack-client";
import type { Undo } from "./alert-case";
import { type Receiver, startReceiver } from "./receiver";

/** Where rules are in the image, and the file with what the stack is meant to have. */
const RULES = "/etc/prometheus/rules";
const EXPECTED = `${RULES}/expected.yml`;

/** Longest wait for a container that was started again, milliseconds. */
const HEALTHY_MS = 300_000;

/** Small: pools that are used up by a few requests, a Redis that is full of a few keys. The client may ask as often as it likes. */
const CONFIG = {
  ...{ phase: "database", monitoring: "true", kafka: "true", postgresNodes: "2", appInstances: "2", workers: "2", dbPoolSize: "16" },
  ...{
    redisLimitsMb: "16",
    redisCacheMb: "16",
    apiRequestsPerSecond: "0",
    appEnvironment: JSON.stringify({ RATE_LIMITS: "off" }),
    memoryBudgetMb: "8192",
  },
} as const;

/** The stack that faults are made in, how it is asked, and what is done to it. */
export class AlertStack {
  readonly data: DatabaseStack;
  private readonly standIns: Docker.Container[] = [];

  private constructor(
    readonly stack: Stack,
    private readonly project: ProjectCopy,
    readonly prometheus: PrometheusClient,
    readonly client: StackClient,
    readonly adminToken: string,
    /** Where its alerts go to. */
    readonly receiver: Receiver,
  ) {
    this.data = new DatabaseStack(stack.name);
  }

  /** `pulumi up`, then Prometheus and Alertmanager give way to their stand-ins; see alerts.test.ts for what differs. */
  static async up(): Promise<AlertStack> {
    await ensureKafkaImage();
    const receiver = await startReceiver();
    const project = copyProject();
    const prometheusPort = String(await freePort());
    const ports = { port: String(await freePort()), prometheusPort, alertmanagerPort: String(await freePort()) };
    const stack = await project.createStack({ ...CONFIG, ...ports });
    await stack.setConfig("phased-stack:alertWebhookUrl", { value: receiver.webhookUrl, secret: true });
    await stack.setConfig("phased-stack:alertHeartbeatUrl", { value: receiver.heartbeatUrl, secret: true });
    const { outputs } = await stack.up();
    const found = new AlertStack(
      ...([stack, project, new PrometheusClient(`http://127.0.0.1:${prometheusPort}`)] as const),
      ...([new StackClient(String(outputs["appUrl"]?.value)), String(outputs["adminToken"]?.value), receiver] as const),
    );
    await found.hurry();
    await found.client.signUp();
    return found;
  }

  /** Everything it consists of is gone afterwards. */
  async remove(): Promise<void> {
    this.client.close();
    for (const container of this.standIns) await container.remove({ force: true, v: true });
    await this.stack.destroy();
    await this.stack.workspace.removeStack(this.stack.name);
    assert.deepEqual(await leftovers(this.stack.name), []);
    this.project.remove();
    this.receiver.close();
  }

  private async hurry(): Promise<void> {
    const alertmanager = await this.data.container("alertmanager");
    this.standIns.push(await standIn(alertmanager, { files: { "/etc/prometheus/alertmanager.yml": fasterAlertmanager } }));
    const prometheus = await this.data.container("prometheus");
    const { stdout } = await execIn(prometheus, ["find", RULES, "-name", "*.yml"]);
    const rules = stdout.trim().split("\n");
    assert.ok(rules.includes(EXPECTED), stdout);
    const files = { "/etc/prometheus/prometheus.yml": fasterPrometheus, ...Object.fromEntries(rules.map((file) => [file, fasterRules])) };
    this.standIns.push(await standIn(prometheus, { files: { ...files, [EXPECTED]: (text) => withReady(fasterRules(text)) } }));
  }

  /** Stops all running containers of services, at once. @returns how they are started again, which is when they are healthy */
  async stop(...services: string[]): Promise<Undo> {
    const found = (await Promise.all(services.map((service) => containersOf(this.data.name, service)))).flat();
    const containers = found.filter(({ State }) => State === "running").map(({ Id }) => docker.getContainer(Id));
    assert.ok(containers.length >= services.length, `${services.join(", ")}: ${containers.length} run`);
    return this.stopAll(containers);
  }

  async stopAll(containers: readonly Docker.Container[]): Promise<Undo> {
    await Promise.all(containers.map((container) => container.stop({ t: 10 })));
    return async () => {
      await Promise.all(containers.map((container) => container.start()));
      await Promise.all(containers.map(healthy));
    };
  }

  /** What a command prints in a container. */
  async exec(container: Docker.Container, command: readonly string[], timeoutMs?: number): Promise<string> {
    const { exitCode, stdout, stderr } = await execIn(container, command, timeoutMs);
    assert.equal(exitCode, 0, `${command.join(" ").slice(0, 200)}: ${stderr || stdout}`);
    return stdout.trim();
  }

  /** A copy of a service's running container takes its place. @returns the copy, and how the original comes back */
  async standIn(service: string, changes: StandInChanges): Promise<{ readonly container: Docker.Container; readonly undo: Undo }> {
    const original = await this.data.container(service);
    const container = await standIn(original, changes);
    this.standIns.push(container);
    const undo: Undo = async () => {
      await container.remove({ force: true, v: true });
      this.standIns.splice(this.standIns.indexOf(container), 1);
      await original.start();
      await healthy(original);
    };
    return { container, undo };
  }

  /** Sessions of a superuser on a node of Postgres, each with a transaction that begins with the statement and stays open. @returns how they end */
  async session(node: string, statement: string, count = 1): Promise<Undo> {
    const name = `alert-${randomUUID()}`;
    const psql = `PGAPPNAME=${name} entrypoint.sh psql -d app -X -c "BEGIN; ${statement}; SELECT pg_sleep(3600)"`;
    const exec = await (await this.data.node(node)).exec({ Cmd: ["bash", "-c", `for i in {1..${count}}; do ${psql} & done; wait`] });
    await exec.start({ Detach: true });
    const mine = `FROM pg_stat_activity WHERE application_name = '${name}'`;
    await eventually(`${count} sessions`, async () => {
      return Number(await this.data.sql(node, `SELECT count(*) ${mine} AND wait_event = 'PgSleep'`)) === count;
    });
    return () => this.data.sql(node, `SELECT pg_terminate_backend(pid) ${mine}`);
  }

  /** A request as platform administrator. */
  async administer(method: string, path: string): Promise<StackAnswer["body"]> {
    const client = new StackClient(this.client.url);
    try {
      const { status, text, body } = await client.ask(method, path, { headers: { authorization: `Bearer ${this.adminToken}` } });
      assert.ok(status < 300, `${method} ${path}: ${status} ${text}`);
      return body;
    } finally {
      client.close();
    }
  }

  /** So many requests at any time, whatever becomes of them. @returns how it ends */
  load(count: number, path: () => string): Undo {
    let over = false;
    const loop = async (): Promise<void> => {
      while (!over) await this.client.ask("GET", path()).catch(() => delay(100));
    };
    const loops = Promise.all(Array.from({ length: count }, loop));
    return () => {
      over = true;
      return loops;
    };
  }

  /** So many requests at once, whatever becomes of them. */
  async knock(count: number, method: string, path: string, json?: unknown): Promise<void> {
    const ask = { ...(json !== undefined && { json }) };
    await Promise.allSettled(Array.from({ length: count }, () => this.client.ask(method, path, ask)));
  }
}

async function healthy(container: Docker.Container): Promise<void> {
  const name = (await container.inspect()).Name;
  await eventually(`${name} is healthy`, async () => (await container.inspect()).State.Health?.Status === "healthy", HEALTHY_MS, 500);
}

/** What would be expected with an image of the user's own beside what is expected, so that its rule has something to go by. */
function withReady(text: string): string {
  const { groups } = parse(text) as { groups: { rules: { record: string; expr: string; labels: { service: string } }[] }[] };
  const instances = groups
    .flatMap(({ rules }) => rules)
    .find(({ record, labels }) => record.endsWith("instances:expected") && labels.service === "app");
  assert.ok(instances, text);
  groups[0]?.rules.push({ ...instances, record: "stack:app_ready:expected" });
  return stringify({ groups });
}
