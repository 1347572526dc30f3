import assert from "node:assert/strict";
import fc from "fast-check";
import { type BrokerSettings, kafkaContext, kafkaMemory, renderServerProperties } from "../../../components/local/kafka";
import { oddText, unlessRefused } from "./odd-text";

/** `server.properties` as Java reads it, for values without escapes. */
function read(text: string): Map<string, string> {
  const settings = new Map<string, string>();
  for (const line of text.trimEnd().split(/\r\n|\r|\n/)) {
    const [, name, value] = /^([a-z.]+)=([^\s\\#!"']*)$/.exec(line) ?? assert.fail(`no setting: ${JSON.stringify(line)}`);
    assert.ok(!settings.has(name!), `${name} is there twice`);
    settings.set(name!, value!);
  }
  return settings;
}

const three: BrokerSettings = { nodeId: 1, hosts: ["kafka-1", "kafka-2", "kafka-3"] };
const NAMES = [...read(renderServerProperties(three)).keys()];

describe("B5 server.properties", () => {
  it("B5 whatever the number of brokers, a write that is acknowledged survives the loss of one that can be lost (property)", () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 9 }), (count) => {
        const hosts = Array.from({ length: count }, (_, index) => `kafka-${index + 1}`);
        const brokers = hosts.map((_, index) => read(renderServerProperties({ nodeId: index + 1, hosts })));
        assert.deepEqual(
          brokers.map((broker) => broker.get("node.id")),
          hosts.map((_, index) => String(index + 1)),
        );
        assert.equal(new Set(brokers.map((broker) => broker.get("controller.quorum.voters"))).size, 1);
        for (const broker of brokers) {
          const number = (name: string): number => Number(broker.get(name));
          assert.ok(number("default.replication.factor") <= count);
          assert.ok(number("min.insync.replicas") <= Math.max(1, number("default.replication.factor") - 1), "one may be away");
          if (count >= 3) assert.equal(number("min.insync.replicas"), 2);
          for (const copies of ["offsets.topic", "transaction.state.log", "share.coordinator.state.topic"])
            assert.equal(number(`${copies}.replication.factor`), number("default.replication.factor"));
          assert.equal(broker.get("unclean.leader.election.enable"), "false");
        }
      }),
    );
  });

  it("B5 clients outside of the network get a listener of their own, which says their address", () => {
    const inside = read(renderServerProperties(three));
    const outside = read(renderServerProperties({ ...three, external: "127.0.0.1:19092" }));
    assert.equal(inside.get("advertised.listeners"), "INTERNAL://kafka-1:9092");
    assert.equal(outside.get("advertised.listeners"), "INTERNAL://kafka-1:9092,EXTERNAL://127.0.0.1:19092");
    assert.equal(outside.get("listeners"), "INTERNAL://:9092,EXTERNAL://:9094,CONTROLLER://:9093");
    assert.deepEqual([...outside.keys()], NAMES);
  });

  it("B5 whatever the names, the file has the same settings, or they are refused in one sentence (property)", () => {
    fc.assert(
      fc.property(fc.constantFrom("host", "external"), oddText, (field, text) => {
        const given = field === "host" ? { ...three, hosts: [text, "kafka-2", "kafka-3"] } : { ...three, external: text };
        const rendered = unlessRefused(() => renderServerProperties(given));
        if (rendered === undefined) return;
        const settings = read(rendered);
        assert.deepEqual([...settings.keys()], NAMES);
        assert.equal(settings.get("controller.quorum.voters")!.split(",").length, 3);
        assert.ok(settings.get("advertised.listeners")!.includes(text));
        assert.match(text, /^[a-z0-9.-]+(?::\d+)?$/i);
      }),
    );
    assert.throws(
      () => renderServerProperties({ ...three, hosts: ["a\nadmin=1", "b", "c"] }),
      /^RangeError: hosts: "a\\nadmin=1" is not allowed;/,
    );
    assert.throws(
      () => renderServerProperties({ ...three, external: "localhost" }),
      /external: "localhost" is not allowed; use host:port\./,
    );
  });

  it("numbers that are none are refused, naming field, value and what is allowed", () => {
    for (const wrong of [0, -1, 1.5, Number.NaN, Infinity]) {
      for (const field of ["partitions", "retentionHours"] as const)
        assert.throws(
          () => renderServerProperties({ ...three, [field]: wrong }),
          new RegExp(`^RangeError: ${field}: .+ is not allowed; use a whole number from 1`),
        );
      assert.throws(() => renderServerProperties({ ...three, nodeId: wrong }), /nodeId .+ is not allowed; use a number from 1 to 3/);
    }
  });

  it("B5 the container holds the heap and what a broker needs beside it (property)", () => {
    fc.assert(
      fc.property(fc.integer({ min: 192, max: 65_536 }), (heapMb) => {
        const { containerMb, heapOptions } = kafkaMemory(heapMb);
        assert.equal(heapOptions, `-Xms${heapMb}m -Xmx${heapMb}m`);
        assert.ok(containerMb >= heapMb + 256);
      }),
    );
    for (const wrong of [0, 191, 256.5, Number.NaN])
      assert.throws(() => kafkaMemory(wrong), /heapMb: .+ is not allowed; use a whole number of MiB from 192\./);
  });

  it("the image takes its configuration from where it is put, and its script may be executed", () => {
    const files = new Map(kafkaContext().map((file) => [file.path, file]));
    assert.equal(files.get("start.sh")?.executable, true);
    const script = Buffer.from(files.get("start.sh")!.content).toString();
    assert.match(script, /^config=\/etc\/kafka-broker\/server\.properties$/m);
    assert.ok(script.includes(`[[ ! -f ${read(renderServerProperties(three)).get("log.dirs")}/meta.properties ]]`));
  });
});
