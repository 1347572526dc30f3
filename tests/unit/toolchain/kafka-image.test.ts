import assert from "node:assert/strict";
import { chmodSync, existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { KAFKA_BASE_IMAGE, kafkaContext } from "../../../components/local/kafka";
import { machineSteps } from "../../../toolchain/machine";
import { kafkaJars, pom } from "../../../toolchain/machine/kafka-image";

const silent = { detail: (): void => undefined, line: (): void => undefined };

describe("B5 base image of Kafka", () => {
  let directory: string;
  const before = process.env["PATH"];
  beforeEach(() => (directory = mkdtempSync(path.join(tmpdir(), "phased-kafka-"))));
  afterEach(() => {
    process.env["PATH"] = before;
    rmSync(directory, { recursive: true, force: true });
  });

  /** A `mvn` of the test's own; `$jars` is where it is told to put them. */
  function fakeMaven(script: string): void {
    const file = path.join(directory, "mvn");
    writeFileSync(file, `#!/bin/bash\nfor part in "$@"; do case $part in -DoutputDirectory=*) jars=\${part#*=};; esac; done\n${script}\n`);
    chmodSync(file, 0o755);
    process.env["PATH"] = `${directory}:${before ?? ""}`;
  }

  it("B5 the Dockerfile, the stand-in and the jars are of one version", () => {
    const dockerfile = Buffer.from(kafkaContext().find((file) => file.path === "Dockerfile")!.content).toString();
    assert.match(dockerfile, new RegExp(`^FROM ${KAFKA_BASE_IMAGE.replaceAll(".", "\\.")}$`, "m"));
    assert.ok(pom().includes(`<artifactId>kafka_2.13</artifactId><version>${KAFKA_BASE_IMAGE.split(":")[1]!}</version>`));
  });

  it("B5 a machine needs it for a stack of phase database with Kafka, and for no other", () => {
    const images = (options: Parameters<typeof machineSteps>[0]): string[] =>
      machineSteps(options)
        .groups.flatMap((steps) => steps.map(({ id }) => id))
        .filter((id) => id.includes("kafka"));
    assert.deepEqual(images({ phase: "database", kafka: true }), [`image-${KAFKA_BASE_IMAGE}`]);
    for (const options of [{ phase: "database" }, { phase: "cluster", kafka: true }, { phase: "cloud", kafka: true }] as const)
      assert.deepEqual(images(options), []);
  });

  it("B5 jars are fetched once, with verified checksums, and an interrupted fetch leaves nothing that looks whole", async () => {
    const cache = path.join(directory, "cache");
    fakeMaven(`mkdir -p "$jars"; touch "$jars/kafka-clients-4.jar"; echo "connection reset"; exit 1`);
    await assert.rejects(kafkaJars(silent, cache), /mvn|connection reset/);
    assert.deepEqual(readdirSync(cache), []);
    fakeMaven(
      `[[ " $* " == *" --strict-checksums "* ]] || exit 9; mkdir -p "$jars"; touch "$jars/kafka-clients-4.jar"; echo x >> "${directory}/calls"`,
    );
    const jars = await kafkaJars(silent, cache);
    assert.ok(existsSync(path.join(jars, "kafka-clients-4.jar")));
    assert.equal(await kafkaJars(silent, cache), jars);
    assert.deepEqual(readdirSync(cache), [path.basename(jars)]);
  });

  it("B5 a Maven that brings something else is an error that says what to do", async () => {
    fakeMaven(`mkdir -p "$jars"; touch "$jars/other.jar"`);
    await assert.rejects(kafkaJars(silent, path.join(directory, "cache")), /no jars of Kafka/);
  });
});
