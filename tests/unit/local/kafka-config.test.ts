import assert from "node:assert/strict";
import fc from "fast-check";
import {
  brokerOrder,
  type BrokerSettings,
  KAFKA_PASSWORDS,
  KAFKA_SECRETS_DIRECTORY,
  kafkaConfigPath,
  kafkaContext,
  kafkaHeapMb,
  kafkaHosts,
  kafkaMemory,
  LEAST_KAFKA_MB,
  renderServerProperties,
} from "../../../components/local/kafka";
import { contextTag } from "../../../components/local/image/context-hash";
import { oddText, unlessRefused } from "./odd-text";

/** `server.properties` as Java reads it, for values without escapes and without spaces around them. */
function read(text: string): Map<string, string> {
  const settings = new Map<string, string>();
  for (const line of text.trimEnd().split(/\r\n|\r|\n/)) {
    const [, name, value] = /^([a-z0-9.-]+)=(\S|\S[^\\]*\S)$/.exec(line) ?? assert.fail(`no setting: ${JSON.stringify(line)}`);
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
    const [own, state] = ["CLIENTS://kafka-1:9092,BROKERS://kafka-1:9095", "STATE://127.0.0.1:9096"];
    assert.equal(inside.get("advertised.listeners"), `${own},${state}`);
    assert.equal(outside.get("advertised.listeners"), `${own},EXTERNAL://127.0.0.1:19092,${state}`);
    assert.equal(outside.get("listeners"), `CLIENTS://:9092,BROKERS://:9095,EXTERNAL://:9094,${state},CONTROLLERS://:9093`);
    assert.deepEqual([...outside.keys()], NAMES);
  });

  it("B5 nobody gets in without a login but from within the container; passwords are read from files that the brokers' secrets have", () => {
    for (const settings of [three, { ...three, external: "127.0.0.1:19092" }]) {
      const lines = read(renderServerProperties(settings));
      const protocols = new Map(
        lines
          .get("listener.security.protocol.map")!
          .split(",")
          .map((pair) => pair.split(":") as [string, string]),
      );
      for (const listener of lines.get("listeners")!.split(",")) {
        const [name = "", bind = ""] = listener.split("://");
        assert.equal(protocols.get(name), bind.startsWith("127.0.0.1:") ? "PLAINTEXT" : "SASL_PLAINTEXT", listener);
        if (protocols.get(name) === "PLAINTEXT") continue;
        const mechanism = lines.get(`listener.name.${name.toLowerCase()}.sasl.enabled.mechanisms`);
        assert.equal(mechanism, ["BROKERS", "CONTROLLERS"].includes(name) ? "PLAIN" : "SCRAM-SHA-512");
        assert.ok(lines.has(`listener.name.${name.toLowerCase()}.${mechanism.toLowerCase()}.sasl.jaas.config`), name);
      }
      const files = [...[...lines.values()].join("\n").matchAll(/\$\{dir:([^:}]+):([^}]+)\}/g)].map(([, directory, file]) => [
        directory,
        file,
      ]);
      assert.ok(files.length > 0);
      for (const [directory, file] of files) {
        assert.equal(directory, KAFKA_SECRETS_DIRECTORY);
        assert.ok((KAFKA_PASSWORDS as readonly (string | undefined)[]).includes(file));
      }
    }
  });

  it("B5 records go by age and by size, in whole files that are smaller than what is kept, and offsets outlive them (property)", () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 87_600 }), fc.integer({ min: 4, max: 1_048_576 }), (retentionHours, retentionMb) => {
        const lines = read(renderServerProperties({ ...three, retentionHours, retentionMb }));
        const number = (name: string): number => Number(lines.get(name));
        assert.equal(number("log.retention.hours"), retentionHours);
        assert.equal(number("log.retention.bytes"), retentionMb * 2 ** 20);
        // A week more, because a file of records is a week long; it has to fit into 31 bits.
        const offsetsHours = number("offsets.retention.minutes") / 60;
        assert.ok(offsetsHours >= retentionHours + 168 && offsetsHours * 60 < 2 ** 31, `${offsetsHours}`);
        const segment = number("log.segment.bytes");
        // Kafka takes no less than 1 MiB, and no more than fits into 31 bits.
        assert.ok(segment >= 2 ** 20 && segment <= 2 ** 30 && segment * 4 <= retentionMb * 2 ** 20, `${segment}`);
      }),
    );
    assert.equal(read(renderServerProperties(three)).get("log.retention.bytes"), String(256 * 2 ** 20));
  });

  it("B5 no topic appears by itself, and none is deleted unless that is wanted", () => {
    const lines = read(renderServerProperties(three));
    assert.deepEqual([lines.get("auto.create.topics.enable"), lines.get("delete.topic.enable")], ["false", "false"]);
    assert.equal(read(renderServerProperties({ ...three, deletableTopics: true })).get("delete.topic.enable"), "true");
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
      for (const field of ["partitions", "retentionHours", "retentionMb"] as const)
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
        // A very large container gives the rest to the page cache.
        assert.equal(kafkaHeapMb(containerMb), Math.min(heapMb, 6144));
      }),
    );
    assert.doesNotThrow(() => kafkaMemory(kafkaHeapMb(LEAST_KAFKA_MB)));
    assert.throws(() => kafkaMemory(kafkaHeapMb(LEAST_KAFKA_MB - 1)), /heapMb: 191 is not allowed/);
    for (const wrong of [0, 191, 256.5, Number.NaN])
      assert.throws(() => kafkaMemory(wrong), /heapMb: .+ is not allowed; use a whole number of MiB from 192\./);
  });

  it("B5 an update never takes away a broker while another one is missing, and starts all together where no majority runs (property)", () => {
    const hosts = kafkaHosts();
    fc.assert(
      fc.property(fc.option(fc.subarray([...hosts, "kafka-9"]), { nil: undefined }), (running) => {
        const { oneByOne, order } = brokerOrder(hosts, running);
        assert.deepEqual([...order].sort(), [...hosts]);
        const up = new Set(running === undefined ? hosts : hosts.filter((host) => running.includes(host)));
        assert.equal(oneByOne, up.size >= 2);
        if (!oneByOne) return;
        for (const host of order) {
          up.delete(host);
          assert.ok(up.size >= 2, `${host} was touched while only ${[...up].join()} ran`);
          up.add(host);
        }
      }),
    );
  });

  it("the image has a configuration for each broker; a change of one is another image", () => {
    const hosts = kafkaHosts();
    const configs = kafkaContext({ hosts }).filter(({ path }) => path.endsWith(".properties"));
    assert.deepEqual(
      configs.map(({ path }) => path),
      hosts.map((host) => `config/${host}.properties`),
    );
    for (const [index, { content }] of configs.entries())
      assert.equal(Buffer.from(content).toString(), renderServerProperties({ hosts, nodeId: index + 1 }));
    assert.notEqual(contextTag(kafkaContext({ hosts })), contextTag(kafkaContext({ hosts, retentionHours: 24 })));
  });

  it("the image takes its configuration from where it is put, and its script may be executed", () => {
    const files = new Map(kafkaContext().map((file) => [file.path, file]));
    assert.equal(files.get("start.sh")?.executable, true);
    const script = Buffer.from(files.get("start.sh")!.content).toString();
    assert.match(script, /^config=\/etc\/kafka-broker\/\$KAFKA_BROKER\.properties$/m);
    assert.equal(kafkaConfigPath("kafka-1"), "/etc/kafka-broker/kafka-1.properties");
    assert.ok(script.includes(`[[ ! -f ${read(renderServerProperties(three)).get("log.dirs")}/meta.properties ]]`));
  });
});
