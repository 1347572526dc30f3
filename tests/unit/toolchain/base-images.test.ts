import assert from "node:assert/strict";
import { chmodSync, mkdirSync, writeFileSync } from "node:fs";
import path from "node:path";
import { Readable } from "node:stream";
import { mock } from "node:test";
import { extract } from "tar-stream";
import { KAFKA_BASE_IMAGE, kafkaContext } from "../../../components/local/kafka";
import type { Progress } from "../../../toolchain/lib/progress";
import { baseImage, buildImage, DEBIAN_IMAGE, STANDIN_LABEL } from "../../../toolchain/machine/base-images";
import { kafkaImageStep } from "../../../toolchain/machine/kafka-image";
import { type FakeEngine, fakeEngine, refuse, report } from "./fake-engine";
import { inDirectory, recorder, withEnv } from "./support";

const IMAGE = "debian:trixie-slim";
const PULL = "POST /images/create";

describe("base images", () => {
  let engine: FakeEngine;
  let standIns: number;
  const step = () =>
    baseImage(IMAGE, engine.client, () => {
      standIns += 1;
      return Promise.resolve();
    });
  beforeEach(async () => {
    engine = await fakeEngine();
    standIns = 0;
  });
  afterEach(() => engine.close());

  it("one that is there is fine, one without labels too, a stand-in says what it is, and how to get the official one", async () => {
    for (const labels of [null, {}, { maintainer: "somebody" }]) {
      engine.images.set(IMAGE, labels);
      assert.deepEqual(await step().check(), { kind: "ok", detail: "present" });
    }
    engine.images.set(IMAGE, { [STANDIN_LABEL]: "true" });
    const standIn = await step().check();
    assert.equal(standIn.kind, "stand-in");
    assert.match(standIn.kind === "stand-in" ? standIn.fix : "", /prepare-machine -- --official$/);
    engine.images.clear();
    const missing = await step().check();
    assert.deepEqual([missing.kind, missing.detail], ["missing", "not on this Docker Engine"]);
  });

  it("an engine that does not answer is no missing image: the fix is another one", async () => {
    await engine.close();
    const state = await step().check();
    assert.equal(state.kind, "missing");
    assert.match(state.detail, /^not known: .*ECONNREFUSED/);
    assert.equal(state.kind === "missing" ? state.fix : "", "start Docker first");
  });

  it("what is there is not pulled again; a stand-in only when the official one is asked for", async () => {
    const progress = recorder();
    engine.images.set(IMAGE, null);
    await step().ensure({ progress, official: true });
    engine.images.set(IMAGE, { [STANDIN_LABEL]: "true" });
    await step().ensure({ progress, official: false });
    assert.ok(!engine.asked.includes(PULL), engine.asked.join());
    engine.pull = (response) => refuse(response, 500, "registry: no route to host");
    await step().ensure({ progress, official: true });
    assert.equal(engine.asked.filter((request) => request === PULL).length, 1);
    assert.equal(standIns, 0, "the stand-in that is there stays");
    assert.deepEqual(progress.lines, ["cannot be pulled (registry: no route to host)"]);
  });

  it("one that can be pulled is pulled, and no stand-in is made", async () => {
    const progress = recorder();
    const pulled: string[] = [];
    engine.pull = (response, image) => {
      pulled.push(image);
      report(
        response,
        { status: "Pulling from library/debian", id: "trixie-slim" },
        { status: "Downloading", id: "a1", progress: "[=>] 1MB" },
      );
    };
    await step().ensure({ progress, official: false });
    assert.deepEqual([pulled, standIns, progress.lines], [[IMAGE], 0, []]);
    assert.ok(progress.details.includes("a1 Downloading [=>] 1MB"), progress.details.join("; "));
  });

  for (const [how, answer] of Object.entries({
    "the engine refuses": (response) => refuse(response, 404, "manifest unknown"),
    "it breaks off in the middle, which the engine reports in an answer that ends well": (response) =>
      report(response, { status: "Downloading" }, { error: "manifest unknown" }),
  } satisfies Record<string, FakeEngine["pull"]>)) {
    it(`a stand-in is made when ${how}, and says why`, async () => {
      const progress = recorder();
      engine.pull = answer;
      await step().ensure({ progress, official: false });
      assert.equal(standIns, 1);
      assert.deepEqual(progress.lines, [
        "cannot be pulled (manifest unknown)",
        `stand-in for the official image ${IMAGE}, built here from Debian packages`,
      ]);
    });
  }

  it("a registry that says nothing for 20 s is given up, and the connection with it", async () => {
    const progress = recorder();
    let hangs!: () => void;
    const hanging = new Promise<void>((resolve) => (hangs = resolve));
    let closed!: () => void;
    const abandoned = new Promise<void>((resolve) => (closed = resolve));
    engine.pull = (response) => {
      response.on("close", closed);
      response.writeHead(200, { "content-type": "application/json" });
      response.write(`${JSON.stringify({ status: "Waiting" })}\r\n`);
    };
    const watched: Progress = {
      line: progress.line,
      detail: (text) => {
        if (text === "Waiting") hangs();
      },
    };
    mock.timers.enable({ apis: ["setTimeout"] });
    try {
      const done = step().ensure({ progress: watched, official: false });
      await hanging;
      // The timer of the silence begins anew with every sign of life, right before it is told.
      mock.timers.tick(19_000);
      assert.equal(standIns, 0);
      mock.timers.tick(1000);
      await done;
    } finally {
      mock.timers.reset();
    }
    await abandoned;
    assert.equal(standIns, 1);
    assert.match(progress.lines[0] ?? "", /^cannot be pulled \(no answer from the registry for 20(?:\.0)? ?s\)$/);
  });

  it("a build that fails is an error with the engine's words, although its answer ends well", async () => {
    const docker = await engine.client();
    const context = (): NodeJS.ReadableStream => Readable.from([Buffer.alloc(1024)]);
    engine.build = (response) =>
      report(response, { stream: "Step 1/2" }, { error: "The command '/bin/sh -c false' returned a non-zero code: 1" });
    await assert.rejects(buildImage(docker, context(), "x:1", 60_000, recorder()), /^Error: The command .* returned a non-zero code: 1$/);
    const progress = recorder();
    engine.build = (response) => report(response, { stream: "Step 1/2" });
    await buildImage(docker, context(), "x:1", 60_000, progress);
    assert.deepEqual(progress.details, ["Step 1/2"]);
  });
});

/** Files of a packed context: text and mode. */
async function unpacked(tar: Buffer): Promise<Map<string, { readonly text: string; readonly mode: number }>> {
  const files = new Map<string, { text: string; mode: number }>();
  const reader = extract();
  Readable.from([tar]).pipe(reader);
  for await (const entry of reader) {
    const parts: Buffer[] = [];
    for await (const part of entry) parts.push(part as Buffer);
    files.set(entry.header.name, { text: Buffer.concat(parts).toString(), mode: entry.header.mode ?? 0 });
  }
  return files;
}

describe("B5 the stand-in of Kafka's image", () => {
  it("B5 has the jars and every script that our image calls, on Debian, as the official image's user", () =>
    inDirectory(async (directory) => {
      const engine = await fakeEngine();
      const maven = path.join(directory, "mvn");
      writeFileSync(
        maven,
        `#!/bin/bash\nfor part in "$@"; do case $part in -DoutputDirectory=*) jars=\${part#*=};; esac; done\nmkdir -p "$jars"; echo jar > "$jars/kafka-clients-4.jar"\n`,
      );
      chmodSync(maven, 0o755);
      mkdirSync(path.join(directory, "cache"));
      engine.images.set(DEBIAN_IMAGE, null);
      engine.pull = (response) => refuse(response, 500, "no route to host");
      const built: string[] = [];
      engine.build = (response, image) => {
        built.push(image);
        report(response, { stream: "done" });
      };
      const environment = { PATH: `${directory}:${process.env["PATH"] ?? ""}`, PHASED_STACK_CACHE: path.join(directory, "cache") };
      try {
        await withEnv(environment, () => kafkaImageStep(engine.client).ensure({ progress: recorder(), official: false }));
        assert.deepEqual(built, [KAFKA_BASE_IMAGE]);
        const files = await unpacked(engine.bodies.get("/build")!);
        const dockerfile = files.get("Dockerfile")!.text;
        assert.match(dockerfile, new RegExp(`^FROM ${DEBIAN_IMAGE}$`, "m"));
        assert.match(dockerfile, new RegExp(`^LABEL ${STANDIN_LABEL}=true$`, "m"), "so that it is never taken for the official one");
        const own = new Map(kafkaContext().map((file) => [file.path, Buffer.from(file.content).toString()]));
        const user = /^USER (\w+)$/m.exec(own.get("Dockerfile")!.slice(own.get("Dockerfile")!.lastIndexOf("USER ")))?.[1];
        assert.ok(user !== undefined && dockerfile.includes(`useradd --uid 1000 --gid ${user}`));
        const called = [...own.get("start.sh")!.matchAll(/\/opt\/kafka\/(bin\/[\w-]+\.sh)/g)].map(([, script]) => script!);
        assert.ok(called.length >= 2);
        for (const script of called) assert.equal(files.get(`kafka/${script}`)?.mode, 0o755, script);
        assert.equal(files.get("kafka/libs/kafka-clients-4.jar")?.text, "jar\n");
      } finally {
        await engine.close();
      }
    }));
});
