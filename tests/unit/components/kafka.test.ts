import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { Kafka, type KafkaArgs, renderServerProperties } from "../../../components/local/kafka";
import { canary, isMarkedSecret, Recorder, type Registered, settled, valueOf } from "../../support/pulumi-mocks";

const CONTAINER = "docker:index/container:Container";

/** A URN is an identity: changing one here replaces the resource, and with it the data, on users' stacks. */
const FROZEN_URNS = [
  ...["1", "2", "3"].flatMap((broker) => [
    `Kafka$docker:index/container:Container::kafka-${broker}`,
    `Kafka$docker:index/volume:Volume::kafka-${broker}-data`,
  ]),
  "Kafka$phased-stack:local:Image$docker:index/image:Image::kafka-image-build",
  "Kafka$phased-stack:local:Image::kafka-image",
  "Kafka$phased-stack:local:SecretFiles$docker:index/container:Container::kafka-secrets-writer",
  "Kafka$phased-stack:local:SecretFiles$docker:index/volume:Volume::kafka-secrets-volume",
  "Kafka$phased-stack:local:SecretFiles$random:index/randomPassword:RandomPassword::kafka-secrets-app-password",
  "Kafka$phased-stack:local:SecretFiles$random:index/randomPassword:RandomPassword::kafka-secrets-broker-password",
  "Kafka$phased-stack:local:SecretFiles::kafka-secrets",
  "Kafka$random:index/randomId:RandomId::kafka-cluster-id",
  "Kafka::kafka",
].map((rest) => `urn:pulumi:dev::phased-stack::phased-stack:local:${rest}`);

describe("B5 component Kafka", () => {
  let recorder: Recorder;
  let directory: string;
  beforeEach(async () => {
    recorder = await Recorder.install();
    directory = mkdtempSync(path.join(tmpdir(), "phased-kafka-"));
  });
  afterEach(() => rmSync(directory, { recursive: true, force: true }));

  const make = async (change: Partial<KafkaArgs> = {}): Promise<Kafka> => {
    const kafka = new Kafka("kafka", {
      memoryMb: 640,
      protect: false,
      networkName: "net-1",
      platform: "linux/amd64",
      contextDirectory: path.join(directory, "kafka"),
      ...change,
    });
    await settled();
    return kafka;
  };
  const brokers = (): Registered[] => ["kafka-1", "kafka-2", "kafka-3"].map((name) => recorder.get(name));

  it("B5 keeps its URNs, and tells others plain names", async () => {
    const kafka = await make();
    assert.deepEqual(recorder.resources.map(({ urn }) => urn).sort(), [...FROZEN_URNS].sort());
    assert.deepEqual(kafka.hosts, ["kafka-1", "kafka-2", "kafka-3"]);
    assert.deepEqual(
      kafka.brokers,
      kafka.hosts.map((host) => ({ host, port: 9092 })),
    );
    assert.equal(await isMarkedSecret(kafka.appPassword), true);
    assert.equal(await valueOf(kafka.appPassword), canary("kafka-secrets-app-password"));
    assert.equal(kafka.nodes.containers.length, 3);
  });

  it("B5 each broker has its name, its volume, its heap, its limits, and nothing it has no need of", async () => {
    await make({ cpus: 1.5 });
    for (const [index, { inputs, deleteBeforeReplace }] of brokers().entries()) {
      const host = `kafka-${index + 1}`;
      const envs = inputs["envs"] as string[];
      assert.ok(envs.includes(`KAFKA_BROKER=${host}`) && envs.includes("KAFKA_HEAP_OPTS=-Xms256m -Xmx256m"), envs.join());
      assert.deepEqual(inputs["networksAdvanced"], [{ name: "net-1", aliases: [host] }]);
      assert.deepEqual(inputs["volumes"], [
        { volumeName: `${host}-data-1a2b3c4`, containerPath: "/var/lib/kafka/data" },
        { volumeName: "kafka-secrets-volume-1a2b3c4", containerPath: "/run/secrets", readOnly: true },
      ]);
      assert.deepEqual([inputs["memory"], inputs["memorySwap"], inputs["cpus"]], [640, 640, "1.5"]);
      assert.deepEqual([inputs["readOnly"], inputs["capabilities"], inputs["ports"]], [true, { drops: ["ALL"] }, undefined]);
      assert.deepEqual([inputs["wait"], deleteBeforeReplace], [true, true], "one volume, one broker; healthy before the next");
    }
    assert.match(readFileSync(path.join(directory, "kafka/Dockerfile"), "utf8"), /^USER appuser\nVOLUME/m);
  });

  it("B5 passwords are in files and in no environment, and the configuration in the image has none", async () => {
    await make({ retentionHours: 24 });
    const canaries = ["app", "broker"].map((name) => canary(`kafka-secrets-${name}-password`));
    for (const resource of recorder.resources)
      for (const value of canaries) assert.ok(!resource.plain.includes(value), `${resource.name} shows ${value}`);
    for (const value of canaries) assert.ok(recorder.get("kafka-secrets-writer").secrets.includes(value));
    const file = readFileSync(path.join(directory, "kafka/config/kafka-2.properties"), "utf8");
    const hosts = ["kafka-1", "kafka-2", "kafka-3"];
    assert.equal(file, renderServerProperties({ hosts, nodeId: 2, retentionHours: 24 }));
  });

  /** Names of the brokers a broker waits for. */
  const before = ({ dependencies }: Registered): string[] =>
    dependencies.map((urn) => urn.split("::").at(-1) ?? "").filter((name) => /^kafka-\d$/.test(name));

  it("F2 an update goes broker by broker, one that does not run first; without a majority all start together", async () => {
    await make({ running: ["kafka-1", "kafka-3"] });
    assert.deepEqual(brokers().map(before), [["kafka-2"], [], ["kafka-1"]]);
    for (const running of [[], ["kafka-2"]]) {
      recorder = await Recorder.install();
      await make({ running });
      assert.deepEqual(brokers().map(before), [[], [], []], running.join());
    }
    recorder = await Recorder.install();
    await make();
    assert.deepEqual(brokers().map(before), [[], ["kafka-1"], ["kafka-2"]]);
  });

  it("B5 volumes, cluster id and passwords are protected where data are; a new label costs no data", async () => {
    await make({ protect: true });
    const kept = recorder.resources.filter(({ protect }) => protect).map(({ name }) => name);
    const volumes = ["kafka-1-data", "kafka-2-data", "kafka-3-data"];
    assert.deepEqual(kept.sort(), [...volumes, "kafka-cluster-id", "kafka-secrets-app-password", "kafka-secrets-broker-password"]);
    for (const name of volumes) {
      const { retainOnDelete, ignoreChanges } = recorder.get(name);
      assert.deepEqual([retainOnDelete, ignoreChanges], [true, ["labels"]]);
    }
  });

  it("B5 another size or setting changes the brokers and their image, and neither their id nor their data", async () => {
    await make();
    const first = recorder;
    recorder = await Recorder.install();
    await make({ memoryMb: 1024, retentionMb: 512 });
    const changed = recorder.resources
      .filter(({ name, inputs }) => JSON.stringify(first.get(name).inputs) !== JSON.stringify(inputs))
      .map(({ name }) => name);
    assert.deepEqual(changed.sort(), ["kafka-1", "kafka-2", "kafka-3", "kafka-image-build", "kafka-secrets-writer"]);
    assert.deepEqual(recorder.get("kafka-secrets-writer").ignoreChanges, ["image"]);
    assert.equal(recorder.ofType(CONTAINER).length, 4);
  });

  it("B5 what a user edits with transform is what is made; a container too small for a broker is refused", async () => {
    await make({ transform: { container: { restart: "no" }, clusterId: { keepers: { generation: "2" } } } });
    assert.ok(brokers().every(({ inputs }) => inputs["restart"] === "no"));
    assert.deepEqual(recorder.get("kafka-cluster-id").inputs["keepers"], { generation: "2" });
    await assert.rejects(make({ memoryMb: 500 }), /heapMb: 116 is not allowed; use a whole number of MiB from 192\./);
  });
});
