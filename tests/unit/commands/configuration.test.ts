import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { mkdirSync, readFileSync, readdirSync, writeFileSync } from "node:fs";
import path from "node:path";
import { SECRET_FIELDS } from "../../../stacks/config/secrets";
import { stackDockerHost } from "../../../toolchain/lib/docker-context";
import { UserError } from "../../../toolchain/lib/errors";
import { plainConfig, refuseOtherBackend, SECRET_KEYS, setConfig } from "../../../toolchain/lib/outputs";
import { inDirectory } from "../toolchain/support";

/** A configuration file with this content. */
const withFile = (content: string, test: (file: string) => void): Promise<void> =>
  inDirectory((directory) => {
    const file = path.join(directory, "Pulumi.shop.yaml");
    writeFileSync(file, content);
    test(file);
    assert.deepEqual(readdirSync(directory), ["Pulumi.shop.yaml"], "no drafts stay");
  });

describe("npm run up -- --config", () => {
  it("sets values and keeps the rest, also where there were none", async () => {
    await withFile("# ours\nconfig:\n  phased-stack:phase: cluster # why\n", (file) => {
      setConfig("shop", ["port=3002", "docker:host=ssh://a@b"], file);
      assert.match(readFileSync(file, "utf8"), /^# ours\nconfig:\n {2}phased-stack:phase: cluster # why\n/);
      assert.deepEqual(plainConfig(file), { "phased-stack:phase": "cluster", "phased-stack:port": "3002", "docker:host": "ssh://a@b" });
    });
    await withFile("config:\n", (file) => {
      setConfig("shop", ["port=3002"], file);
      assert.deepEqual(plainConfig(file), { "phased-stack:port": "3002" });
    });
  });

  it("takes no secret: it would lie in a file that is committed; then nothing else is set either", async () => {
    assert.deepEqual([...SECRET_KEYS].sort(), Object.keys(SECRET_FIELDS).sort());
    await withFile("config: {}\n", (file) => {
      for (const key of ["alertWebhookUrl", "phased-stack:databaseUrl"]) {
        assert.throws(
          () => setConfig("shop", ["port=3002", `${key}=https://example.com/TOKEN`], file),
          (error) => {
            assert.ok(error instanceof UserError);
            assert.match(error.message, /would put a secret into Pulumi\.shop\.yaml as plain text; nothing was set$/);
            assert.doesNotMatch(`${error.message}${error.hint ?? ""}`, /TOKEN/);
            return true;
          },
        );
      }
      assert.equal(readFileSync(file, "utf8"), "config: {}\n");
    });
  });

  it("tells a file that is not YAML in one line", () =>
    withFile("config:\n\t- x: [", (file) => {
      for (const work of [() => plainConfig(file), () => setConfig("shop", ["port=3002"], file)]) {
        assert.throws(work, (error) => error instanceof UserError && /^Pulumi\.shop\.yaml is not valid YAML: [^\n]+$/.test(error.message));
      }
    }));
});

describe("a stack that is looked for in the wrong backend", () => {
  it("is not said to be absent while this clone's own state has it", () =>
    inDirectory((directory) => {
      const stacks = path.join(directory, "state", ".pulumi", "stacks", "phased-stack");
      mkdirSync(stacks, { recursive: true });
      const write = (resources: readonly object[]): void =>
        writeFileSync(path.join(stacks, "dev.json"), JSON.stringify({ version: 3, checkpoint: { latest: { resources } } }));
      refuseOtherBackend("dev", directory);
      write([]);
      refuseOtherBackend("dev", directory);
      write([{}]);
      assert.throws(
        () => refuseOtherBackend("dev", directory),
        (error) => error instanceof UserError && /has no stack dev, but this clone's own state/.test(error.message),
      );
      refuseOtherBackend("shop", directory);
    }));
});

describe("the engine that a stack names", () => {
  it("is that of its context first, as for the docker plugin, then docker:host", () =>
    inDirectory((directory) => {
      const meta = path.join(directory, ".docker", "contexts", "meta", createHash("sha256").update("far").digest("hex"));
      mkdirSync(meta, { recursive: true });
      const context = { Endpoints: { docker: { Host: "ssh://deploy@far.example.com" } } };
      writeFileSync(path.join(meta, "meta.json"), JSON.stringify(context));
      const HOME = directory;
      const config = { "docker:host": "unix:///run/other.sock" };
      assert.equal(stackDockerHost({}, { HOME }), undefined);
      assert.equal(stackDockerHost(config, { HOME, DOCKER_CONTEXT: "" }), "unix:///run/other.sock");
      assert.equal(stackDockerHost(config, { HOME, DOCKER_CONTEXT: "default" }), "unix:///run/other.sock");
      assert.equal(stackDockerHost(config, { HOME, DOCKER_CONTEXT: "far" }), "ssh://deploy@far.example.com");
      assert.equal(stackDockerHost({ ...config, "docker:context": "far" }, { HOME }), "ssh://deploy@far.example.com");
      assert.throws(() => stackDockerHost({}, { HOME, DOCKER_CONTEXT: "gone" }), /the Docker context "gone" is not known/);
    }));
});
