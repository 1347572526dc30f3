import assert from "node:assert/strict";
import { canary, valueOf } from "../../support/pulumi-mocks";
import { databaseProgram, envsOf } from "./database-support";
import { FROZEN_URNS, KAFKA_URNS, urns } from "./database-urns";

describe("phase database with Kafka", function () {
  this.timeout(60_000);
  const program = databaseProgram();

  it("B5 with Kafka it has brokers and who reads their events, and all else keeps its URN", async () => {
    const { recorder, outputs } = await program.run({ kafka: "true" });
    assert.deepEqual(recorder.resources.map(({ urn }) => urn).sort(), urns([...FROZEN_URNS, ...KAFKA_URNS]));
    assert.equal(await valueOf(outputs["kafkaBrokers"]!), "kafka-1:9092,kafka-2:9092,kafka-3:9092");
    for (const name of ["app-0", "jobs-0", "consumer-0"]) {
      const { KAFKA_BROKERS, KAFKA_SASL_MECHANISM, KAFKA_SASL_USERNAME, KAFKA_SASL_PASSWORD_FILE } = envsOf(recorder, name);
      assert.deepEqual(
        [KAFKA_BROKERS, KAFKA_SASL_MECHANISM, KAFKA_SASL_USERNAME, KAFKA_SASL_PASSWORD_FILE],
        ["kafka-1:9092,kafka-2:9092,kafka-3:9092", "SCRAM-SHA-512", "app", "/run/secrets/kafka_password"],
      );
    }
    assert.equal(envsOf(recorder, "consumer-0")["ROLE"], "consumer");
    const uploads = recorder.get("app-secrets-writer").inputs["uploads"] as { file: string; content: string }[];
    assert.equal(uploads.find(({ file }) => file === "/run/secrets/kafka_password")?.content, canary("kafka-secrets-app-password"));
    for (const password of ["app", "broker"])
      for (const resource of recorder.resources)
        assert.ok(!resource.plain.includes(canary(`kafka-secrets-${password}-password`)), resource.name);
  });

  it("B5 without Kafka the app is told of none, and has no password for it", async () => {
    const { recorder } = await program.run({ kafkaRetentionHours: "24" });
    assert.ok(Object.keys(envsOf(recorder, "app-0")).every((name) => !name.startsWith("KAFKA_")));
    assert.ok(!JSON.stringify(recorder.get("secrets-writer").inputs["uploads"]).includes("kafka"));
  });

  it("B5 protected data are the brokers' volumes, the cluster's id and the passwords in them", async () => {
    const { recorder } = await program.run({ kafka: "true", protect: "true" });
    const kept = recorder.resources.filter(({ name, protect }) => name.startsWith("kafka-") && protect).map(({ name }) => name);
    const expected = ["kafka-1-data", "kafka-2-data", "kafka-3-data", "kafka-cluster-id"];
    assert.deepEqual(kept.sort(), [...expected, "kafka-secrets-app-password", "kafka-secrets-broker-password"]);
  });
});
