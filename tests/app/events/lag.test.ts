import assert from "node:assert/strict";
import pino from "pino";
import { loadConfig } from "../../../app/src/config";
import { LagMonitor } from "../../../app/src/events/lag";
import { consumerLag } from "../../../app/src/events/metrics";

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
});
