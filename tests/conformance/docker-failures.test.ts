import assert from "node:assert/strict";

import type { Properties } from "../../toolchain/standins/shared/values";
import { CONTAINER, DockerSuite, NETWORK, PREFIX, docker, idle, running, title, unique } from "./docker-support";
import { Plugin, PluginError, underTest } from "./harness";

describe(title("waiting and failing"), function () {
  this.timeout(30_000);
  const suite = new DockerSuite();

  const healthcheck = (command: string): Properties => ({ tests: ["CMD-SHELL", command], interval: "1s" });

  /** The failure of a create that left something behind, which is removed. */
  async function failedCreate(inputs: Properties): Promise<PluginError> {
    const failure = await suite.plugin.create(CONTAINER, inputs).then(
      () => assert.fail("the container came up"),
      (error: unknown) => error,
    );
    assert.ok(failure instanceof PluginError, String(failure));
    assert.ok(failure.initialization !== undefined, "the container exists, so the engine has to keep it in the state");
    const { id, outputs } = failure.initialization;
    assert.equal((await docker.getContainer(id).inspect()).Id, id);
    await suite.plugin.delete(CONTAINER, { id, outputs }, inputs);
    return failure;
  }

  it("wait holds until the container is healthy", async () => {
    const inputs = {
      ...running("sleep 2; touch /tmp/ready; sleep 60"),
      wait: true,
      waitTimeout: 20,
      healthcheck: healthcheck("test -e /tmp/ready"),
    };
    await suite.withResource(CONTAINER, inputs, async ({ id }) => {
      assert.equal((await docker.getContainer(id).inspect()).State.Health!.Status, "healthy");
    });
  });

  it("a container that stays unhealthy fails after waitTimeout and is kept in the state", async () => {
    const inputs = {
      ...running("echo cannot reach the database; sleep 60"),
      wait: true,
      waitTimeout: 3,
      healthcheck: healthcheck("echo refused; exit 1"),
    };
    const failure = await failedCreate(inputs);
    assert.match(failure.message, /container failed to be in healthy state/);
    if (underTest === "official") return;
    assert.match(failure.message, /cannot reach the database/, "the log's last lines");
    assert.match(failure.message, /its check answered 1: refused/);
  });

  it("a container without a health check cannot be waited for", async () => {
    const failure = await failedCreate({ ...running("sleep 60"), wait: true, waitTimeout: 5 });
    assert.match(failure.message, /does not have a healthcheck defined/);
  });

  it("a program that ends while it is waited for fails at once, with its exit code and log", async function () {
    if (underTest === "official") this.skip(); // It waits for the whole waitTimeout.
    const started = Date.now();
    const inputs = { ...running("echo missing SESSION_SECRET; exit 3"), wait: true, waitTimeout: 25, healthcheck: healthcheck("true") };
    const failure = await failedCreate(inputs);
    assert.match(failure.message, /ended with exit code 3[^]*missing SESSION_SECRET/);
    assert.ok(Date.now() - started < 10_000);
  });

  it("cancelling ends a wait at once and keeps the container in the state", async function () {
    if (underTest === "official") this.skip(); // Its Cancel does nothing.
    const own = await Plugin.start("docker", {});
    try {
      const inputs = { ...running("sleep 60"), wait: true, waitTimeout: 60, healthcheck: healthcheck("exit 1") };
      const failing = own.create(CONTAINER, inputs).catch((error: unknown) => error);
      const events = await docker.getEvents({ filters: { event: ["start"] }, since: Math.floor(Date.now() / 1000) - 1 });
      for await (const chunk of events) if (String(chunk).includes(inputs.name)) break;
      await own.cancel();
      const failure = await failing;
      assert.ok(failure instanceof PluginError && failure.initialization !== undefined, String(failure));
      assert.match(failure.message, /cancelled/);
    } finally {
      await own.stop();
    }
  });

  it("a port that is taken: Docker's words, and the port", async () => {
    const network = { name: unique() };
    await suite.withResource(NETWORK, network, async ({ id }) => {
      const attached = { networkMode: "bridge", networksAdvanced: [{ name: id }] };
      const holder = { ...running("sleep 60"), ...attached, ports: [{ internal: 80, ip: "127.0.0.1" }] };
      await suite.withResource(CONTAINER, holder, async (state) => {
        const [port] = state.outputs["ports"] as Properties[];
        const external = port!["external"] as number;
        const rival = { ...running("sleep 60"), ...attached, ports: [{ internal: 80, external, ip: "127.0.0.1" }] };
        const failure = await failedCreate(rival);
        assert.match(failure.message, /port is already allocated/);
        assert.ok(failure.message.includes(`127.0.0.1:${external}`));
      });
    });
  });

  it("a program that is not in the image, and an image that does not exist", async () => {
    assert.match(
      (await failedCreate({ ...running(""), command: ["no-such-program"] })).message,
      /Unable to start container: .*no-such-program/,
    );
    const inputs = { ...idle(), image: `localhost:1/${PREFIX}:none` };
    await assert.rejects(suite.plugin.create(CONTAINER, inputs), /Unable to create container with image localhost:1/);
  });

  for (const [what, inputs, message] of [
    ["restart", { restart: "sometimes" }, /sometimes.*on-failure/],
    ["memory", { memory: -1 }, /-1.*cannot be lower than 0/],
    ["a duration", { healthcheck: { tests: ["CMD", "true"], interval: "5 seconds" } }, /5 seconds.* duration/],
    ["an unknown property", { porst: [] }, /unknown key.*porst/i],
    ["a mount's type", { mounts: [{ type: "nfs", target: "/x" }] }, /nfs.*tmpfs/],
    ["a port without its inner side", { ports: [{ external: 80 }] }, /internal/],
  ] as const) {
    it(`Check refuses ${what} in one sentence`, async () => {
      const { failures } = await suite.plugin.check(CONTAINER, { ...idle(), ...inputs } as Properties);
      assert.equal(failures.length, 1);
      assert.match(failures[0]!, message);
    });
  }

  it("what the stand-in leaves out is refused by name", async function () {
    if (underTest === "official") this.skip(); // It has them.
    const { failures } = await suite.plugin.check(CONTAINER, { ...idle(), gpus: "all" });
    assert.match(failures.join(), /"gpus" is not part of this docker stand-in/);
    await assert.rejects(
      suite.plugin.check("docker:index/service:Service", {}),
      /docker:index\/service:Service is not part of this docker stand-in/,
    );
  });

  it("an unreachable Docker is named with its setting", async () => {
    await assert.rejects(Plugin.start("docker", { host: "unix:///nonexistent/docker.sock" }), (error: Error) => {
      if (underTest === "standin")
        assert.match(error.message, /unix:\/\/\/nonexistent\/docker\.sock.*docker:host.*pulumi config set docker:host/s);
      return /failed to connect to any docker daemon/.test(error.message);
    });
  });
});
