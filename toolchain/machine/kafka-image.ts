import { createHash } from "node:crypto";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";
import type Docker from "dockerode";
import { KAFKA_BASE_IMAGE } from "../../components/local/kafka";
import { dockerClient } from "../lib/docker";
import { UserError } from "../lib/errors";
import { exec, which } from "../lib/exec";
import { cacheDir } from "../lib/paths";
import type { Progress } from "../lib/progress";
import { baseImage, baseImageSteps, buildImage, DEBIAN_IMAGE, STANDIN_LABEL } from "./base-images";
import { aptInstall, canInstallPackages, thisHost } from "./host";
import type { Step } from "./types";

/** Kafka's server with everything it needs at run time: 45 jars, 43 MB; and what writes its log. */
const ARTIFACTS = [
  { group: "org.apache.kafka", artifact: "kafka_2.13", version: KAFKA_BASE_IMAGE.slice(KAFKA_BASE_IMAGE.lastIndexOf(":") + 1) },
  { group: "org.apache.logging.log4j", artifact: "log4j-slf4j-impl", version: "2.24.3" },
] as const;
const COPY_GOAL = "org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies";
/** 64 MB with Maven's own plugin at a slow 100 kB/s. */
const DOWNLOAD_TIMEOUT_MS = 15 * 60_000;
/** The image build installs a Java runtime of 60 MB from Debian's mirror. */
const BUILD_TIMEOUT_MS = 15 * 60_000;

/**
 * The official image of Kafka, or where it cannot be pulled a stand-in of the same name: Kafka's own jars by Maven, which reads
 * its mirrors from its own settings and verifies every checksum, on Debian with Debian's Java runtime.
 */
export function kafkaImageStep(docker: () => Promise<Docker> = () => dockerClient(), name: string = KAFKA_BASE_IMAGE): Step {
  return baseImage(
    name,
    docker,
    async (engine, progress, context) => {
      for (const step of baseImageSteps(docker).filter(({ id }) => id.endsWith(DEBIAN_IMAGE))) {
        if ((await step.check()).kind === "missing") await step.ensure(context);
      }
      await buildKafka(engine, name, progress);
    },
    "Kafka's jars and Debian packages",
  );
}

/** The jars in the user's cache directory: downloaded once; what an interrupted run fetched stays in Maven's repository. */
export async function kafkaJars(progress: Progress, directory: string = cacheDir()): Promise<string> {
  const [kafka] = ARTIFACTS;
  const key = createHash("sha256").update(JSON.stringify(ARTIFACTS)).digest("hex").slice(0, 8);
  const target = path.join(directory, `kafka-${kafka.version}-${key}`);
  if (existsSync(target)) {
    progress.detail(`using ${target}`);
    return target;
  }
  const maven = await mavenCommand(progress);
  mkdirSync(directory, { recursive: true });
  const work = mkdtempSync(path.join(directory, "kafka-download-"));
  try {
    writeFileSync(path.join(work, "pom.xml"), pom());
    const jars = path.join(work, "libs");
    const fix = "check the mirrors in Maven's settings.xml, or pull the official image on a machine that can and load it here";
    await exec(maven, ["--batch-mode", "--strict-checksums", COPY_GOAL, `-DoutputDirectory=${jars}`, "-DincludeScope=runtime"], {
      cwd: work,
      timeoutMs: DOWNLOAD_TIMEOUT_MS,
      onLine: progress.detail,
      fix,
    });
    if (!readdirSync(jars).some((name) => name.startsWith("kafka-clients-"))) throw new UserError("Maven brought no jars of Kafka", fix);
    // In one step: what has the name is whole.
    renameSync(jars, target);
    return target;
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}

/** The smallest project that depends on Kafka. */
export function pom(): string {
  const dependencies = ARTIFACTS.map(
    ({ group, artifact, version }) =>
      `<dependency><groupId>${group}</groupId><artifactId>${artifact}</artifactId><version>${version}</version></dependency>`,
  );
  return [
    '<project xmlns="http://maven.apache.org/POM/4.0.0">',
    "<modelVersion>4.0.0</modelVersion>",
    "<groupId>phased-stack</groupId><artifactId>kafka-jars</artifactId><version>1</version><packaging>pom</packaging>",
    `<dependencies>${dependencies.join("")}</dependencies>`,
    "</project>",
    "",
  ].join("\n");
}

/** A `mvn` command: from PATH, else Debian's package. */
async function mavenCommand(progress: Progress): Promise<string> {
  const onPath = which("mvn");
  if (onPath) return onPath;
  const fix = `install Maven (package maven) and try again, or load the image from a machine that can pull it: docker save ${KAFKA_BASE_IMAGE} | ssh THIS_MACHINE docker load`;
  if (!canInstallPackages(thisHost())) throw new UserError("Maven is needed to fetch Kafka and is not on PATH", fix);
  await aptInstall(["maven"], progress);
  const installed = which("mvn");
  if (!installed) throw new UserError("the package maven brought no mvn command onto PATH", fix);
  return installed;
}

/** The scripts of the official image that ours calls, and no more. */
const SCRIPTS: Readonly<Record<string, string>> = {
  "kafka-storage.sh": 'exec java -Xmx128m -Dlog4j2.level=WARN -cp "/opt/kafka/libs/*" kafka.tools.StorageTool "$@"',
  "kafka-server-start.sh":
    'exec java ${KAFKA_HEAP_OPTS:--Xmx1G -Xms1G} -XX:+UseG1GC -XX:+ExitOnOutOfMemoryError -Djava.awt.headless=true -Dlog4j2.configurationFile=/opt/kafka/config/log4j2.yaml -cp "/opt/kafka/libs/*" kafka.Kafka "$@"',
};

/** Everything to standard output, as the official image does. */
const LOG_CONFIG = [
  "Configuration:",
  "  Appenders:",
  "    Console:",
  "      name: STDOUT",
  "      PatternLayout:",
  '        pattern: "[%d] %p %m (%c)%n"',
  "  Loggers:",
  "    Root:",
  "      level: INFO",
  "      AppenderRef:",
  "        - ref: STDOUT",
  "",
].join("\n");

async function buildKafka(docker: Docker, name: string, progress: Progress): Promise<void> {
  const { pack } = await import("tar-stream");
  const jars = await kafkaJars(progress);
  const dockerfile = [
    `FROM ${DEBIAN_IMAGE}`,
    // Java's package puts its manual pages up for selection and fails where the slim image has no directory for them.
    "RUN mkdir -p /usr/share/man/man1 && apt-get update && apt-get install --yes --no-install-recommends openjdk-21-jre-headless && rm -rf /var/lib/apt/lists/*",
    "RUN groupadd --gid 1000 appuser && useradd --uid 1000 --gid appuser --shell /bin/bash --create-home appuser",
    "COPY kafka /opt/kafka",
    "USER appuser",
    "EXPOSE 9092",
    `LABEL ${STANDIN_LABEL}=true`,
    "",
  ].join("\n");
  progress.detail("building");
  const context = pack();
  context.entry({ name: "Dockerfile" }, dockerfile);
  context.entry({ name: "kafka/config/log4j2.yaml" }, LOG_CONFIG);
  for (const [script, command] of Object.entries(SCRIPTS)) {
    context.entry({ name: `kafka/bin/${script}`, mode: 0o755 }, `#!/usr/bin/env bash\n${command}\n`);
  }
  for (const jar of readdirSync(jars)) context.entry({ name: `kafka/libs/${jar}` }, readFileSync(path.join(jars, jar)));
  context.finalize();
  await buildImage(docker, context as unknown as NodeJS.ReadableStream, name, BUILD_TIMEOUT_MS, progress);
}
