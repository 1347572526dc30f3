import assert from "node:assert/strict";

import type { Properties } from "../../toolchain/standins/shared/values";
import { containerCases } from "./docker-cases";
import { BASE, CONTAINER, DockerSuite, NETWORK, REMOTE_IMAGE, VOLUME, docker, idle, running, title, unique } from "./docker-support";

describe(title("resources"), function () {
  this.timeout(30_000);
  const suite = new DockerSuite();

  describe("every property takes effect, is stable, and changes as the official plugin decides", () => {
    for (const { property, value, seen, expected, other, change, beside } of containerCases) {
      it(`${property} = ${JSON.stringify(value)}: another value is ${change === "replace" ? "a replacement" : "an update"}`, async () => {
        const inputs = { ...idle(), ...beside, [property]: value };
        await suite.withResource(CONTAINER, inputs, async (state) => {
          assert.deepEqual(seen(await docker.getContainer(state.id).inspect()), expected);
          assert.deepEqual((await suite.plugin.diff(CONTAINER, state, inputs, inputs)).detailed, {}, "the same inputs are no change");
          const refreshed = await suite.plugin.read(CONTAINER, state.id, state, inputs);
          assert.deepEqual((await suite.plugin.diff(CONTAINER, refreshed!, inputs, inputs)).detailed, {}, "nor after a refresh");
          const diff = await suite.plugin.diff(CONTAINER, state, inputs, { ...inputs, [property]: other });
          assert.equal(diff.changes, "some");
          assert.deepEqual(diff.replaces, change === "replace" ? [property] : []);
          assert.equal(diff.deleteBeforeReplace, change === "replace", "containers are deleted before they are replaced");
        });
      });
    }
  });

  describe("networks and volumes", () => {
    it("a container joins networks with aliases and a fixed address, and leaves the default one", async () => {
      const inputs = { name: unique(), ipamConfigs: [{ subnet: "10.213.47.0/24" }], labels: [{ label: "a", value: "b" }], internal: true };
      await suite.withResource(NETWORK, inputs, async (network) => {
        const info = (await docker.getNetwork(network.id).inspect()) as { Labels: unknown; Internal: boolean };
        assert.deepEqual([info.Labels, info.Internal], [{ a: "b" }, true]);
        assert.deepEqual((await suite.plugin.diff(NETWORK, network, inputs, inputs)).detailed, {});
        const attached = {
          ...running("sleep 60"),
          networkMode: "bridge",
          networksAdvanced: [{ name: network.id, aliases: ["app"], ipv4Address: "10.213.47.9" }],
        };
        await suite.withResource(CONTAINER, attached, async (container) => {
          const { Networks } = (await docker.getContainer(container.id).inspect()).NetworkSettings;
          assert.deepEqual(Object.keys(Networks), [inputs.name]);
          assert.equal(Networks[inputs.name]!.IPAddress, "10.213.47.9");
          assert.ok((Networks[inputs.name]!.Aliases as string[]).includes("app"));
          const [data] = container.outputs["networkDatas"] as Properties[];
          assert.deepEqual([data!["networkName"], data!["ipAddress"]], [inputs.name, "10.213.47.9"]);
        });
      });
    });

    for (const [property, before, after] of [
      ["driver", "bridge", "ipvlan"],
      ["internal", false, true],
      ["labels", [{ label: "a", value: "b" }], [{ label: "a", value: "c" }]],
      ["options", { "com.docker.network.bridge.enable_icc": "true" }, { "com.docker.network.bridge.enable_icc": "false" }],
    ] as const) {
      it(`Network ${property}: a change replaces it`, async () => {
        const inputs = { name: unique(), [property]: before } as Properties;
        await suite.withResource(NETWORK, inputs, async (state) => {
          const diff = await suite.plugin.diff(NETWORK, state, inputs, { ...inputs, [property]: after } as Properties);
          assert.deepEqual(diff.replaces, [property]);
        });
      });
    }

    it("Volume: exists, keeps its data over containers, is imported by name, and is gone afterwards", async () => {
      const inputs = { name: unique(), labels: [{ label: "a", value: "b" }] };
      const state = await suite.plugin.create(VOLUME, inputs);
      assert.equal(state.id, inputs.name);
      const mounts = [{ type: "volume", source: state.id, target: "/data" }];
      await suite.withResource(CONTAINER, { ...running("echo kept > /data/file"), mounts, attach: true, mustRun: false }, () =>
        Promise.resolve(),
      );
      const reader = { ...running("cat /data/file"), mounts, attach: true, logs: true, mustRun: false };
      await suite.withResource(CONTAINER, reader, (container) => {
        assert.equal(container.outputs["containerLogs"], "kept\n");
        assert.equal(container.outputs["exitCode"], 0);
        return Promise.resolve();
      });
      const imported = await suite.plugin.read(VOLUME, inputs.name);
      assert.deepEqual(imported!.inputs, { name: inputs.name, driver: "local", labels: inputs.labels });
      assert.deepEqual((await suite.plugin.diff(VOLUME, state, inputs, { ...inputs, driverOpts: { type: "tmpfs" } })).replaces, [
        "driverOpts",
      ]);
      await suite.plugin.delete(VOLUME, state, inputs);
      assert.equal(await suite.plugin.read(VOLUME, state.id, state, inputs), undefined);
    });

    it("names are made from the resource's name, kept, and made anew for a replacement", async () => {
      const first = await suite.plugin.checked(NETWORK, {});
      assert.match(first["name"] as string, /^test-[0-9a-f]{7}$/);
      const again = await suite.plugin.check(NETWORK, {}, { ...first, name: "test-0000000" });
      assert.equal(again.inputs["name"], "test-0000000");
    });
  });

  describe("uploads", () => {
    it("content, contentBase64, source and permissions reach the file system before the start", async () => {
      const uploads = [
        { file: "/tmp/text", content: "plain\n" },
        { file: "/tmp/binary", contentBase64: Buffer.from([0, 1, 255]).toString("base64") },
        { file: "/tmp/source", source: __filename, permissions: "0600" },
        { file: "/tmp/tool", content: "#!/bin/sh\necho ran\n", executable: true },
      ];
      const script = "cat /tmp/text; od -An -tx1 /tmp/binary; stat -c %a /tmp/text /tmp/source /tmp/tool; /tmp/tool; wc -c < /tmp/source";
      const inputs = { ...running(script), uploads, attach: true, logs: true, mustRun: false };
      await suite.withResource(CONTAINER, inputs, async (state) => {
        const lines = (state.outputs["containerLogs"] as string).trim().split("\n");
        assert.deepEqual(lines.slice(0, 6), ["plain", " 00 01 ff", "644", "600", "744", "ran"]);
        assert.ok(Number(lines[6]) > 1000);
        const diff = await suite.plugin.diff(CONTAINER, state, inputs, { ...inputs, uploads: [{ file: "/tmp/text", content: "other" }] });
        assert.deepEqual(diff.replaces, ["uploads"]);
      });
    });
  });

  describe("life of a container", () => {
    it("memory without memorySwap shows an update of memorySwap on the next up, and equal values do not", async () => {
      const trap = { ...running("sleep 60"), memory: 64 };
      await suite.withResource(CONTAINER, trap, async (state) => {
        assert.deepEqual((await suite.plugin.diff(CONTAINER, state, trap, trap)).detailed, { memorySwap: "delete" });
        assert.deepEqual((await suite.plugin.diff(CONTAINER, state, trap, trap)).replaces, []);
      });
      const set = { ...running("sleep 60"), memory: 64, memorySwap: 64 };
      await suite.withResource(CONTAINER, set, async (state) => {
        assert.equal((await suite.plugin.diff(CONTAINER, state, set, set)).changes, "none");
      });
    });

    it("a capability without CAP_ is a replacement after a refresh, as Docker's client adds it", async () => {
      const inputs = { ...idle(), capabilities: { adds: ["NET_ADMIN"] } };
      await suite.withResource(CONTAINER, inputs, async (state) => {
        assert.equal((await suite.plugin.diff(CONTAINER, state, inputs, inputs)).changes, "none");
        const refreshed = await suite.plugin.read(CONTAINER, state.id, state, inputs);
        assert.deepEqual(refreshed!.outputs["capabilities"], { adds: ["CAP_NET_ADMIN"], drops: [] });
        assert.deepEqual((await suite.plugin.diff(CONTAINER, refreshed!, inputs, inputs)).replaces, ["capabilities"]);
      });
    });

    it("memory, CPU shares and restart policy are updated in place, in Docker too", async () => {
      const inputs = { ...running("sleep 60"), memory: 64, memorySwap: 64, cpuShares: 100 };
      const news = { ...inputs, memory: 96, memorySwap: 96, cpuShares: 200, restart: "on-failure" };
      await suite.withResource(CONTAINER, inputs, async (state) => {
        const updated = await suite.plugin.update(CONTAINER, state, inputs, news);
        const info = await docker.getContainer(state.id).inspect();
        const { Memory, CpuShares, RestartPolicy } = info.HostConfig;
        assert.deepEqual([Memory, CpuShares, RestartPolicy!.Name], [96 * 1024 * 1024, 200, "on-failure"]);
        assert.equal((await suite.plugin.diff(CONTAINER, updated, news, news)).changes, "none");
      });
    });

    it("two generations stand side by side: what deleteBeforeReplace: false needs", async () => {
      const inputs = { ...running("sleep 60"), destroyGraceSeconds: 1 };
      await suite.withResource(CONTAINER, inputs, async (old) => {
        await suite.withResource(CONTAINER, { ...inputs, name: unique() }, async (fresh) => {
          const states = await Promise.all([old.id, fresh.id].map((id) => docker.getContainer(id).inspect()));
          assert.deepEqual(
            states.map(({ State }) => State.Running),
            [true, true],
          );
        });
      });
    });

    it("stopped by hand: a refresh tells, and the update starts it again", async () => {
      const inputs = running("sleep 60");
      await suite.withResource(CONTAINER, inputs, async (state) => {
        await docker.getContainer(state.id).stop({ t: 0 });
        const refreshed = await suite.plugin.read(CONTAINER, state.id, state, inputs);
        assert.equal(refreshed!.outputs["mustRun"], false);
        assert.equal(refreshed!.inputs["mustRun"], false);
        assert.deepEqual((await suite.plugin.diff(CONTAINER, refreshed!, inputs, inputs)).detailed, { mustRun: "update" });
        await suite.plugin.update(CONTAINER, refreshed!, inputs, inputs);
        assert.equal((await docker.getContainer(state.id).inspect()).State.Running, true);
      });
    });

    it("removed by hand: a refresh drops it, and deleting it again is no error", async () => {
      const inputs = running("sleep 60");
      await suite.withResource(CONTAINER, inputs, async (state) => {
        await docker.getContainer(state.id).remove({ force: true });
        assert.equal(await suite.plugin.read(CONTAINER, state.id, state, inputs), undefined);
      });
    });

    it("import by id brings the inputs along", async () => {
      const inputs = { ...running("sleep 60"), memory: 64, memorySwap: 64 };
      await suite.withResource(CONTAINER, inputs, async (state) => {
        const imported = await suite.plugin.read(CONTAINER, state.id);
        const { image, name, command, networkMode, memory, memorySwap } = imported!.inputs;
        assert.deepEqual({ image, name, command, networkMode, memory, memorySwap }, inputs);
        assert.equal(await suite.plugin.read(CONTAINER, inputs.name), undefined, "a name is no id");
      });
    });

    it("the program gets destroyGraceSeconds to end", async () => {
      const volume = { name: unique() };
      await suite.withResource(VOLUME, volume, async () => {
        const mounts = [{ type: "volume", source: volume.name, target: "/data" }];
        const script = 'trap "echo drained > /data/end; exit 0" TERM; echo up > /data/start; while :; do sleep 0.1; done';
        const inputs = {
          ...running(script),
          mounts,
          destroyGraceSeconds: 10,
          wait: true,
          healthcheck: { tests: ["CMD", "test", "-e", "/data/start"], interval: "1s" },
        };
        await suite.withResource(CONTAINER, inputs, () => Promise.resolve());
        await suite.withResource(CONTAINER, { ...running("cat /data/end"), mounts, attach: true, logs: true, mustRun: false }, (reader) => {
          assert.equal(reader.outputs["containerLogs"], "drained\n");
          return Promise.resolve();
        });
      });
    });
  });

  it("RemoteImage uses an image that is there and keeps it with keepLocally", async () => {
    const inputs = { name: BASE, keepLocally: true };
    await suite.withResource(REMOTE_IMAGE, inputs, async (state) => {
      const { Id } = await docker.getImage(BASE).inspect();
      assert.deepEqual([state.id, state.outputs["imageId"]], [`${Id}${BASE}`, Id]);
      assert.equal((await suite.plugin.diff(REMOTE_IMAGE, state, inputs, inputs)).changes, "none");
      assert.deepEqual((await suite.plugin.diff(REMOTE_IMAGE, state, inputs, { ...inputs, triggers: { a: "b" } })).replaces, ["triggers"]);
    });
    await docker.getImage(BASE).inspect();
  });
});
