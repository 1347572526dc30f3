import assert from "node:assert/strict";
import type Docker from "dockerode";
import { changedContainers, changedProperties } from "../../../toolchain/lib/changed-containers";

const MIB = 1024 ** 2;
const DEPLOYED = { memory: 256, cpuShares: 8192, cpus: "0.5", restart: "unless-stopped", image: "sha256:1" };
const HOST: Docker.HostConfig = { Memory: 256 * MIB, CpuShares: 8192, NanoCpus: 5e8, RestartPolicy: { Name: "unless-stopped" } };

describe("F9 npm run up notices containers that somebody changed while they ran", () => {
  it("what docker update changes is told apart from what was deployed", () => {
    assert.deepEqual(changedProperties(DEPLOYED, HOST), []);
    assert.deepEqual(changedProperties(DEPLOYED, { ...HOST, Memory: 512 * MIB }), ["memory"]);
    assert.deepEqual(changedProperties(DEPLOYED, { ...HOST, CpuShares: 2, NanoCpus: 0, RestartPolicy: { Name: "no" } }), [
      "cpuShares",
      "cpus",
      "restart",
    ]);
    assert.deepEqual(
      changedProperties({ memory: 256, cpus: "" }, { ...HOST, NanoCpus: 9e9 }),
      [],
      "what the state does not have is anyone's",
    );
  });

  const info = (id: string): Docker.ContainerInfo => ({ Id: id, Names: [`/app-${id}`], Labels: {} }) as Docker.ContainerInfo;
  const docker = (hosts: Readonly<Record<string, Docker.HostConfig | Error>>): Docker =>
    ({
      getContainer: (id: string) => ({
        inspect: () => (hosts[id] instanceof Error ? Promise.reject(hosts[id]) : Promise.resolve({ HostConfig: hosts[id] })),
      }),
    }) as unknown as Docker;
  const state = (...ids: string[]) => ({
    deployment: { resources: ids.map((id) => ({ urn: id, type: "docker:index/container:Container", id, outputs: DEPLOYED })) },
  });

  it("names each with what was changed; others' and those that are gone meanwhile are left alone", async () => {
    const gone = Object.assign(new Error("no such container"), { statusCode: 404 });
    const engine = docker({ "1": { ...HOST, Memory: 512 * MIB }, "2": HOST, "3": gone });
    const found = await changedContainers(engine, state("1", "2", "3"), [info("1"), info("2"), info("3"), info("of nobody")]);
    assert.deepEqual(found, ["app-1 was changed by hand (memory)"]);
  });

  it("an engine that does not answer is no container without changes", async () => {
    await assert.rejects(changedContainers(docker({ "1": new Error("connection lost") }), state("1"), [info("1")]), /connection lost/);
  });
});
