import assert from "node:assert/strict";
import { ConfigError, loadConfig } from "../../../app/src/config";
import { clientOptions } from "../../../app/src/events/kafka";
import { renderServerProperties } from "../../../components/local/kafka";

function violations(environment: Readonly<Record<string, string>>): readonly string[] {
  try {
    loadConfig({ NODE_ENV: "test", ...environment });
    return [];
  } catch (error) {
    assert.ok(error instanceof ConfigError);
    return error.violations;
  }
}

describe("B5 configuration of Kafka", () => {
  it("B5 is off without brokers, and has the numbers of the feature with them", () => {
    assert.equal(loadConfig({ NODE_ENV: "test" }).kafka, undefined);
    const { kafka, phase } = loadConfig({ NODE_ENV: "test", KAFKA_BROKERS: "kafka-1:9092,kafka-2:9092,kafka-3:9092" });
    assert.equal(phase, "database");
    assert.deepEqual(kafka, {
      brokers: ["kafka-1:9092", "kafka-2:9092", "kafka-3:9092"],
      topic: "company-events",
      group: "phased-stack",
      partitions: 12,
      replicationFactor: 3,
      tls: undefined,
      sasl: undefined,
    });
    assert.equal(loadConfig({ NODE_ENV: "test", KAFKA_BROKERS: "one:9092" }).kafka?.replicationFactor, 1);
  });

  it("B5 names what is wrong and never shows the password", () => {
    assert.match(violations({ KAFKA_BROKERS: "kafka" }).join(), /^KAFKA_BROKERS: "kafka" is not allowed; use host:port/);
    const incomplete = violations({ KAFKA_BROKERS: "k:1", KAFKA_SASL_PASSWORD: "hush-hush" }).join();
    assert.match(incomplete, /KAFKA_SASL_MECHANISM, KAFKA_SASL_USERNAME: not set, but a login at Kafka needs all of/);
    assert.doesNotMatch(incomplete, /hush/);
    assert.match(violations({ KAFKA_BROKERS: "k:1", KAFKA_TLS_CA_FILE: "/nowhere" }).join(), /KAFKA_TLS_CA_FILE: set without TLS/);
    assert.match(
      violations({ KAFKA_BROKERS: "k:1", KAFKA_TLS: "true", KAFKA_TLS_CA_FILE: "/nowhere" }).join(),
      /KAFKA_TLS_CA_FILE: cannot read \/nowhere \(ENOENT\)/,
    );
  });

  it("A14 a login at MSK by IAM needs encryption and a region, and no password", () => {
    const iam = { KAFKA_BROKERS: "b-1:9098", KAFKA_SASL_MECHANISM: "AWS_MSK_IAM" };
    const whole = { ...iam, KAFKA_TLS: "true", AWS_REGION: "eu-central-1" };
    assert.deepEqual(loadConfig({ NODE_ENV: "test", ...whole }).kafka?.sasl, { mechanism: "AWS_MSK_IAM", region: "eu-central-1" });
    assert.deepEqual(violations(iam), [
      "KAFKA_SASL_MECHANISM: AWS_MSK_IAM needs encryption, because a token is as good as a password; set KAFKA_TLS to true.",
      "AWS_REGION: not set, but KAFKA_SASL_MECHANISM AWS_MSK_IAM needs the region of the brokers, such as eu-central-1.",
    ]);
    const withPassword = violations({ ...whole, KAFKA_SASL_PASSWORD: "hush-hush" }).join();
    assert.match(withPassword, /^KAFKA_SASL_PASSWORD: set with KAFKA_SASL_MECHANISM AWS_MSK_IAM, which logs in as a role/);
    assert.doesNotMatch(withPassword, /hush/);
  });

  it("A14 the token for MSK is signed anew for each connection, for the region, and holds for 15 minutes", async () => {
    const login = { AWS_ACCESS_KEY_ID: "AKIDEXAMPLE", AWS_SECRET_ACCESS_KEY: "hush-hush" };
    const before = { ...process.env };
    Object.assign(process.env, login);
    try {
      const { kafka } = loadConfig({
        ...{ NODE_ENV: "test", KAFKA_BROKERS: "b-1:9098", KAFKA_TLS: "true" },
        ...{ KAFKA_SASL_MECHANISM: "AWS_MSK_IAM", AWS_REGION: "eu-central-1" },
      });
      assert.ok(kafka);
      const { sasl } = clientOptions(kafka, "test");
      assert.equal(sasl?.mechanism, "OAUTHBEARER");
      assert.ok(typeof sasl.token === "function");
      const url = new URL(Buffer.from(await sasl.token(), "base64url").toString());
      assert.equal(url.host, "kafka.eu-central-1.amazonaws.com");
      assert.equal(url.searchParams.get("Action"), "kafka-cluster:Connect");
      assert.equal(url.searchParams.get("X-Amz-Expires"), "900");
      assert.match(url.searchParams.get("X-Amz-Credential") ?? "", /^AKIDEXAMPLE\/\d{8}\/eu-central-1\/kafka-cluster\/aws4_request$/);
      assert.doesNotMatch(url.href, /hush/);
    } finally {
      for (const name of Object.keys(login)) {
        if (before[name] === undefined) Reflect.deleteProperty(process.env, name);
        else process.env[name] = before[name];
      }
    }
  });

  it("B5 three brokers keep three copies and acknowledge with two, one broker keeps one", () => {
    const three = renderServerProperties({ nodeId: 2, hosts: ["a", "b", "c"] });
    assert.match(three, /^controller.quorum.voters=1@a:9093,2@b:9093,3@c:9093$/m);
    assert.match(three, /^default.replication.factor=3$/m);
    assert.match(three, /^min.insync.replicas=2$/m);
    assert.match(three, /^num.partitions=12$/m);
    assert.match(three, /^unclean.leader.election.enable=false$/m);
    assert.match(renderServerProperties({ nodeId: 1, hosts: ["a"] }), /^min.insync.replicas=1$/m);
    assert.throws(() => renderServerProperties({ nodeId: 4, hosts: ["a", "b", "c"] }), /nodeId 4 is not allowed; use a number from 1 to 3/);
  });
});
