import assert from "node:assert/strict";
import type Docker from "dockerode";
import { knownObjects, pendingOperations, removeOrphans, resourceName } from "../../../toolchain/lib/update-recovery";
import { parseEvents } from "../../../toolchain/lib/update-run";

describe("what Pulumi leaves behind", () => {
  const EXPORTED = {
    deployment: {
      resources: [
        {
          urn: "urn:pulumi:dev::shop::phased-stack:local:App$docker:index/container:Container::dev-app-1",
          type: "docker:index/container:Container",
          id: "abc",
          outputs: { name: "dev-app-1-77" },
        },
        {
          urn: "urn:pulumi:dev::shop::random:index/randomPassword:RandomPassword::secret",
          type: "random:index/randomPassword:RandomPassword",
          id: "none",
        },
      ],
      pending_operations: [
        {
          type: "creating",
          resource: { urn: "urn:pulumi:dev::shop::docker:index/network:Network::dev-net", type: "docker:index/network:Network" },
        },
      ],
    },
  };

  it("operations of unknown outcome are read from the exported stack", () => {
    assert.deepEqual(pendingOperations(EXPORTED), [
      { operation: "creating", urn: "urn:pulumi:dev::shop::docker:index/network:Network::dev-net" },
    ]);
    assert.deepEqual(pendingOperations({}), []);
    assert.equal(resourceName("urn:pulumi:dev::shop::docker:index/network:Network::dev-net"), "dev-net");
  });

  it("Docker objects are known by id and by name, other resources do not count", () => {
    assert.deepEqual([...knownObjects(EXPORTED)], ["abc", "dev-app-1-77"]);
  });

  it("errors and counts come out of the event log, also of one that was cut off", () => {
    const log = [
      JSON.stringify({ diagnosticEvent: { message: "Bind for 0.0.0.0:1 failed", severity: "error" } }),
      JSON.stringify({ diagnosticEvent: { message: "only a note", severity: "info" } }),
      JSON.stringify({ summaryEvent: { resourceChanges: { create: 3, same: 2 } } }),
      '{"diagnosticEvent": {"mess',
    ].join("\n");
    assert.deepEqual(parseEvents(log), { errors: ["Bind for 0.0.0.0:1 failed"], changes: { create: 3, same: 2 }, cancelled: false });
    assert.deepEqual(parseEvents(""), { errors: [], changes: {}, cancelled: false });
    assert.ok(parseEvents('{"stdoutEvent":{"message":"^C received; cancelling."}}').cancelled);
  });
});

describe("C5 a container that an update which was killed left behind", () => {
  it("ends in its own way before it is removed: it may be answering requests", async () => {
    const calls: string[] = [];
    const docker = {
      getContainer: (id: string) => ({
        stop: () => {
          calls.push(`stop ${id}`);
          return id === "created" ? Promise.reject(Object.assign(new Error("not running"), { statusCode: 304 })) : Promise.resolve();
        },
        remove: () => Promise.resolve(calls.push(`remove ${id}`)),
      }),
    } as unknown as Docker;
    await removeOrphans(docker, [{ id: "app", name: "app-0" }]);
    await removeOrphans(docker, [{ id: "created", name: "app-1" }]);
    assert.deepEqual(calls, ["stop app", "remove app", "stop created", "remove created"]);
  });
});
