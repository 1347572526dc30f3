import assert from "node:assert/strict";
import { Kafka, type KafkaArgs } from "../../../../components/aws/events/kafka";
import { Queue } from "../../../../components/aws/events/queue";
import { Recorder, settled, valueOf } from "../../../support/pulumi-mocks";
import { assertWellMade, CONTEXT, statementsOf, withProvider } from "./support";

const KAFKA: KafkaArgs = {
  context: CONTEXT,
  subnetIds: ["data-1", "data-2", "data-3"],
  securityGroupId: "sg-broker",
  kmsKeyArn: "arn:data-key",
  brokerType: "kafka.m7g.large",
  brokers: 3,
  storageGb: 100,
  partitions: 12,
  logs: { retentionDays: 30, kmsKeyArn: "arn:logs-key" },
  protect: true,
};

describe("events of the cloud phase", () => {
  let recorder: Recorder;
  beforeEach(async () => {
    recorder = await Recorder.install();
  });

  describe("A14 B5 Kafka", () => {
    it("keeps three copies in three zones, private, over TLS, with IAM and nothing else", async () => {
      const kafka = new Kafka("kafka", KAFKA, withProvider());
      await settled();
      const { inputs, protect } = recorder.get("kafka-cluster");
      assert.deepEqual(inputs["clientAuthentication"], { sasl: { iam: true }, unauthenticated: false });
      assert.deepEqual(inputs["encryptionInfo"], {
        encryptionAtRestKmsKeyArn: "arn:data-key",
        encryptionInTransit: { clientBroker: "TLS", inCluster: true },
      });
      const group = inputs["brokerNodeGroupInfo"] as Record<string, unknown>;
      assert.deepEqual(
        [group["clientSubnets"], group["connectivityInfo"]],
        [["data-1", "data-2", "data-3"], { publicAccess: { type: "DISABLED" } }],
      );
      assert.equal(protect, true);
      const properties = String(recorder.get("kafka-settings").inputs["serverProperties"]).trim().split("\n");
      for (const line of [
        "min.insync.replicas=2",
        "default.replication.factor=3",
        "unclean.leader.election.enable=false",
        "num.partitions=12",
      ]) {
        assert.ok(properties.includes(line), line);
      }
      assert.match(await valueOf(kafka.brokers), /:9098,.*:9098/);
      assertWellMade(recorder);
    });

    it("is refused with fewer zones or uneven brokers", () => {
      assert.throws(() => new Kafka("kafka", { ...KAFKA, subnetIds: ["a", "b"] }), /3 brokers in 2 zones; allowed: 3 zones/);
      assert.throws(() => new Kafka("kafka", { ...KAFKA, brokers: 4 }), /4 brokers in 3 zones; allowed: .* a multiple of 3 brokers/);
    });
  });

  describe("A14 Queue", () => {
    it("is encrypted, spoken to over TLS, patient, and puts aside what failed five times", async () => {
      new Queue("queue", { context: CONTEXT, kmsKeyArn: "arn:messages-key", handlerSeconds: 30 }, withProvider());
      await settled();
      const { inputs } = recorder.get("queue-events");
      assert.deepEqual([inputs["kmsMasterKeyId"], inputs["visibilityTimeoutSeconds"]], ["arn:messages-key", 180]);
      assert.deepEqual(JSON.parse(String(inputs["redrivePolicy"])), {
        deadLetterTargetArn: "arn:aws:sqs:eu-central-1:123456789012:queue/queue-dead-1a2b3c4",
        maxReceiveCount: 5,
      });
      assert.equal(recorder.get("queue-dead").inputs["kmsMasterKeyId"], "arn:messages-key");
      for (const name of ["queue-events-tls", "queue-dead-tls"]) {
        const [statement] = statementsOf(recorder.get(name));
        assert.deepEqual([statement?.["Effect"], statement?.["Condition"]], ["Deny", { Bool: { "aws:SecureTransport": "false" } }]);
      }
      assertWellMade(recorder);
    });
  });
});
