import assert from "node:assert/strict";
import { setTimeout as delay } from "node:timers/promises";
import type { Stack } from "@pulumi/pulumi/automation";
import { KAFKA_PASSWORDS } from "../../components/local/kafka";
import { execIn } from "../../toolchain/lib/docker";
import type { DataPlaneStatus } from "../../toolchain/lib/data-plane";
import { stackContainers } from "../../toolchain/lib/docker-app";
import { stackStatus } from "../../toolchain/lib/docker-status";
import { restartKafka } from "../../toolchain/lib/kafka-restart";
import { brokerContainers, clusterState, kafkaStatus, type KafkaStatus } from "../../toolchain/lib/kafka-status";
import { stackOnDocker } from "../../toolchain/lib/update-recovery";
import { DatabaseStack } from "../support/database-stack";
import { containersOf, docker, leftovers } from "../support/docker";
import { copyProject, freePort, type ProjectCopy } from "../support/project";
import { eventually } from "../support/services/container";
import { ensureKafkaImage } from "../support/services/kafka";
import { type Seen, underLoad } from "../support/stack-load";

const NAMES = ["kafka-1", "kafka-2", "kafka-3"];

/** A broker on a busy host may take this long to start and to have everything in sync. */
const IN_SYNC_MS = 180_000;

/** Three brokers start, one after the other, on the cores that the orders need; what is asserted is that nobody is refused, not how much it carries. */
const WRITES_PER_SECOND = 8;

/** Each acknowledged order is one event, and each event has one effect: a line of its company's activity, and one in the statistics. */
const UNSEEN = `SELECT count(*) FROM orders o WHERE NOT EXISTS (SELECT 1 FROM company_activity a
  WHERE a.company_id = o.company_id AND a.type = 'order.created' AND a.summary LIKE 'Order ' || o.number || ' of %')`;
const SURPLUS = "SELECT coalesce((SELECT sum(orders) FROM order_statistics), 0) - (SELECT count(*) FROM orders)";
const GAPS = `SELECT count(*) FROM (SELECT company_id FROM company_activity GROUP BY company_id HAVING count(*) <> max(number)) AS gaps`;

describe("B5 F2 phase database with Kafka", function () {
  this.timeout(900_000);
  let project: ProjectCopy;
  let stack: Stack;
  let data: DatabaseStack;
  let url: string;
  let adminToken: string;

  before(async () => {
    await ensureKafkaImage();
    project = copyProject();
    const port = String(await freePort());
    stack = await project.createStack({ phase: "database", kafka: "true", port, postgresNodes: "2", appInstances: "2", workers: "1" });
    data = new DatabaseStack(stack.name);
    const { outputs } = await stack.up();
    url = String(outputs["appUrl"]?.value);
    adminToken = String(outputs["adminToken"]?.value);
    assert.equal(outputs["kafkaBrokers"]?.value, "kafka-1:9092,kafka-2:9092,kafka-3:9092");
  });

  after(async () => {
    await stack?.destroy();
    await stack?.workspace.removeStack(stack.name);
    if (stack !== undefined) assert.deepEqual(await leftovers(stack.name), []);
    project?.remove();
  });

  const containers = async () => stackContainers(docker, stackOnDocker(stack.name, await stack.exportStack()));
  const kafka = async (): Promise<KafkaStatus> => kafkaStatus(await clusterState(docker, await containersOf(stack.name)), NAMES, null);
  const inSync = (): Promise<void> =>
    eventually(
      "all copies are in sync",
      async () => {
        const { brokers, underReplicated } = await kafka();
        return underReplicated === 0 && brokers.every(({ present }) => present);
      },
      IN_SYNC_MS,
      1000,
    );
  const dataPlane = async (): Promise<DataPlaneStatus> => {
    const outputs = { phase: "database", url };
    const status = await stackStatus(docker, { name: stack.name, exported: await stack.exportStack() }, outputs);
    return status.data ?? assert.fail("no data plane");
  };
  const figure = async (query: string): Promise<number> => Number(await data.sql(await data.primary(), query));

  /** What happens to Kafka is nobody's concern who orders: all are answered, and every event has its effect once. */
  async function assertNothingLost(seen: Seen): Promise<void> {
    const told = JSON.stringify({ ...seen, failures: seen.failures.slice(0, 3) });
    assert.deepEqual([seen.lost, seen.failures.length], [[], 0], told);
    assert.ok(seen.acknowledged > 100, told);
    await eventually("every order's event had its effect", async () => (await figure(UNSEEN)) === 0, 120_000, 1000);
    assert.equal(await figure("SELECT count(*) FROM event_outbox"), 0);
    assert.equal(await figure(SURPLUS), 0, "an event had its effect twice");
    assert.equal(await figure(GAPS), 0, "a company's stream has a gap");
  }

  it("B5 three brokers with three copies of every partition; secrets are files that only brokers see; a second up changes nothing", async () => {
    const { summary } = await stack.up();
    assert.deepEqual(Object.keys(summary.resourceChanges ?? {}), ["same"]);
    await inSync();
    const state = await clusterState(docker, await containersOf(stack.name));
    const events = state.partitions.filter(({ topic }) => topic === "company-events");
    assert.equal(events.length, 12);
    assert.ok(events.every(({ replicas }) => replicas.length === 3));
    const brokers = brokerContainers(await containers());
    assert.deepEqual([...brokers.keys()], NAMES);
    const raw = project.rawState(stack.name);
    for (const { Id } of brokers.values()) {
      const broker = docker.getContainer(Id);
      const printed = async (...command: string[]): Promise<string> => (await execIn(broker, command)).stdout.trim();
      assert.equal(await printed("stat", "-c", "%a %U", "/run/secrets"), "750 appuser");
      const inspected = JSON.stringify(await broker.inspect());
      for (const name of KAFKA_PASSWORDS) {
        const secret = await printed("cat", `/run/secrets/${name}`);
        assert.ok(secret.length === 48 && !inspected.includes(secret) && !raw.includes(secret), name);
      }
      const { HostConfig: host, Config: config } = await broker.inspect();
      assert.deepEqual([host.ReadonlyRootfs, host.CapDrop, config.User], [true, ["ALL"], "appuser"]);
    }
  });

  it("B5 a broker killed under writes: no order fails, events flow on with two, and every one has its effect once", async () => {
    const seen = await underLoad(
      data,
      url,
      adminToken,
      async () => {
        const { brokers } = await kafka();
        const [most] = [...brokers].sort((one, two) => two.leads - one.leads);
        const info = brokerContainers(await containers()).get(most!.name);
        assert.ok(info);
        const handled = await figure("SELECT count(*) FROM event_handled");
        await docker.getContainer(info.Id).kill();
        await eventually("the others noticed", async () => (await kafka()).brokers.some(({ present }) => !present), 60_000, 500);
        await eventually("events flow with two", async () => (await figure("SELECT count(*) FROM event_handled")) > handled + 100, 60_000);
        const { kafka: status } = await dataPlane();
        assert.equal(status?.value?.brokers.find(({ name }) => name === most!.name)?.present, false);
        await docker.getContainer(info.Id).start();
        await inSync();
      },
      WRITES_PER_SECOND,
    );
    await assertNothingLost(seen);
  });

  it("B5 the lag is seen in status and /metrics while nobody reads, and goes to 0", async () => {
    const consumer = await data.container("consumer");
    await consumer.stop();
    const seen = await underLoad(data, url, adminToken, () => delay(15_000), WRITES_PER_SECOND);
    // The relay looks every 10 s.
    await eventually("status tells of a lag", async () => ((await dataPlane()).kafka?.value?.lag ?? 0) > 100, 60_000, 1000);
    assert.ok((await metricLag()) > 100);
    await consumer.start();
    await assertNothingLost(seen);
    await eventually("there is no lag", async () => (await dataPlane()).kafka?.value?.lag === 0, 90_000, 1000);
  });

  /** Of the process that knows: the one that publishes. */
  async function metricLag(): Promise<number> {
    const script = `fetch("http://127.0.0.1:3001/metrics", { headers: { authorization: "Bearer " + process.argv[1] } })
      .then((answer) => answer.text()).then((text) => console.log(text))`;
    let lag = 0;
    for (const service of ["app", "jobs"]) {
      for (const { Id } of await containersOf(stack.name, service)) {
        const { stdout } = await execIn(docker.getContainer(Id), ["node", "-e", script, adminToken]);
        const values = [...stdout.matchAll(/^kafka_consumer_lag\{[^}]*\} (\d+)$/gm)].map(([, value]) => Number(value));
        lag = Math.max(
          lag,
          values.reduce((sum, value) => sum + value, 0),
        );
      }
    }
    return lag;
  }

  it("F2 restart kafka goes broker by broker, never two at a time; nothing fails and nothing is lost", async () => {
    const lines: string[] = [];
    const { result, least } = await fewestRunning(() =>
      underLoad(data, url, adminToken, async () => restartKafka(docker, await containers(), (line) => lines.push(line)), WRITES_PER_SECOND),
    );
    assert.equal(lines.length, 3, lines.join("\n"));
    assert.ok(least >= 2, `${least} brokers ran`);
    await assertNothingLost(result);
  });

  it("F2 another setting through pulumi up replaces broker by broker, with their data", async () => {
    const before = (await containersOf(stack.name, "kafka")).map(({ Id }) => Id).sort();
    await stack.setConfig("phased-stack:kafkaRetentionHours", { value: "24" });
    const { result, least } = await fewestRunning(() => underLoad(data, url, adminToken, () => stack.up(), WRITES_PER_SECOND));
    const after = (await containersOf(stack.name, "kafka")).map(({ Id }) => Id).sort();
    assert.ok(after.length === 3 && after.every((id) => !before.includes(id)), "every broker is another container");
    assert.ok(least >= 2, `${least} brokers ran`);
    await inSync();
    await assertNothingLost(result);
  });

  /** Runs something, and counts how many brokers run meanwhile at least. */
  async function fewestRunning<Result>(work: () => Promise<Result>): Promise<{ result: Result; least: number }> {
    let [done, least] = [false, Infinity];
    const counting = (async () => {
      while (!done) {
        const running = (await containersOf(stack.name, "kafka")).filter(({ State }) => State === "running");
        least = Math.min(least, running.length);
        await delay(200);
      }
    })();
    try {
      return { result: await work(), least };
    } finally {
      done = true;
      await counting;
    }
  }
});
