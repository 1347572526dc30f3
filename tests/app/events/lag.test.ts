import assert from "node:assert/strict";
import pino from "pino";
import { loadConfig } from "../../../app/src/config";
import { LagMonitor } from "../../../app/src/events/lag";
import { consumerLag, kafkaBrokers } from "../../../app/src/events/metrics";
import { registry } from "../../../app/src/observability/metrics";
import { type MetricsSnapshot, renderSnapshots } from "../../../app/src/observability/metrics-merge";
import { eventually } from "../../support/services/container";

describe("B5 several monitors of the lag in one process", () => {
  it("B5 one that ends takes nothing away from those that still look; the last one does", async () => {
    // Nobody listens there: what the monitors themselves see changes no figure of a partition.
    const { kafka } = loadConfig({ NODE_ENV: "test", KAFKA_BROKERS: "127.0.0.1:1" });
    const [first, second, unstarted] = ["first", "second", "unstarted"].map((id) => new LagMonitor(kafka!, pino({ level: "silent" }), id));
    const partitions = async (): Promise<number> => (await consumerLag.get()).values.length;
    first!.start();
    second!.start();
    try {
      consumerLag.set({ topic: "company-events", partition: "0" }, 7);
      await first!.close();
      assert.equal(await partitions(), 1);
      await unstarted!.close();
      assert.equal(await partitions(), 1);
    } finally {
      await second!.close();
    }
    assert.equal(await partitions(), 0, "what was seen last would stand for ever");
  });

  it("B5 B8 who has not looked at the brokers says nothing, who finds none says 0, and who ends says nothing again", async () => {
    const { kafka } = loadConfig({ NODE_ENV: "test", KAFKA_BROKERS: "127.0.0.1:1" });
    const monitor = new LagMonitor(kafka!, pino({ level: "silent" }), "only");
    const brokers = async (): Promise<number[]> => (await kafkaBrokers.get()).values.map(({ value }) => value);
    // As it is scraped, of all workers of an instance.
    const scraped = async (...snapshots: MetricsSnapshot[]): Promise<string[]> =>
      (await renderSnapshots(snapshots)).split("\n").filter((line) => line.startsWith("kafka_brokers"));
    const silent = await registry.getMetricsAsJSON();
    assert.deepEqual([await brokers(), await scraped(silent)], [[], []]);
    monitor.start();
    try {
      await eventually("it has looked", async () => (await brokers()).length > 0);
      assert.deepEqual(await brokers(), [0]);
      assert.deepEqual(await scraped(silent, await registry.getMetricsAsJSON()), ["kafka_brokers 0"]);
    } finally {
      await monitor.close();
    }
    assert.deepEqual(await brokers(), []);
  });
});
