import assert from "node:assert/strict";
import type Docker from "dockerode";
import { LABELS } from "../../../toolchain/lib/docker";
import { removeOrphans, stopUnfinishedMoves } from "../../../toolchain/lib/update-recovery";

describe("F1 a move of rows whose update was cancelled", () => {
  const container = (Id: string, service: string, State: string, Status: string) => ({
    ...{ Id, Names: [`/${Id}`], State, Status, Labels: { [LABELS.service]: service } },
    ...{ Mounts: [{ Name: Id === "elsewhere" ? "other-data" : "shop-data" }], NetworkSettings: { Networks: {} } },
  });
  const stack = { name: "shop", known: new Set(["shop-data"]) };

  /** An engine with these containers. @param refusals status codes with which it answers `stop`, by id */
  function engine(containers: readonly object[], refusals: Readonly<Record<string, number>> = {}) {
    const stopped: string[] = [];
    const stop = (id: string): Promise<void> => {
      stopped.push(id);
      const statusCode = refusals[id];
      return statusCode === undefined ? Promise.resolve() : Promise.reject(Object.assign(new Error("refused"), { statusCode }));
    };
    const docker = {
      listContainers: () => Promise.resolve(containers),
      getContainer: (id: string) => ({ stop: () => stop(id) }),
    } as unknown as Docker;
    return { docker, stopped };
  }

  it("is stopped, whichever way it goes, also where it stands still; what is done, has ended, or is another stack's stays", async () => {
    const { docker, stopped } = engine([
      container("copy", "data-move", "running", "Up 3 seconds (health: starting)"),
      container("back", "data-move-back", "paused", "Up 3 seconds (Paused)"),
      container("done", "data-move-open", "running", "Up 2 hours (healthy)"),
      container("failed", "data-move", "exited", "Exited (1) 2 minutes ago"),
      container("app", "app", "running", "Up 3 seconds (health: starting)"),
      container("elsewhere", "data-move", "running", "Up 3 seconds (health: starting)"),
    ]);
    assert.deepEqual(await stopUnfinishedMoves(docker, stack), ["back", "copy"]);
    assert.deepEqual(stopped, ["back", "copy"]);
  });

  it("may come to its end by itself meanwhile; an engine that refuses is told of", async () => {
    const copy = container("copy", "data-move", "running", "Up 3 seconds (health: starting)");
    assert.deepEqual(await stopUnfinishedMoves(engine([copy], { copy: 304 }).docker, stack), ["copy"]);
    await assert.rejects(stopUnfinishedMoves(engine([copy], { copy: 500 }).docker, stack), /refused/);
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
