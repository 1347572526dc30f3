import assert from "node:assert/strict";
import type { PassThrough, Readable } from "node:stream";
import type Docker from "dockerode";
import { LABELS } from "../../../toolchain/lib/docker";
import { movesRows, runningMoves, stopUnfinishedMoves, tellMoves } from "../../../toolchain/lib/moves";

const container = (Id: string, service: string, State: string, Status: string) => ({
  ...{ Id, Names: [`/${Id}`], State, Status, Labels: { [LABELS.service]: service } },
  ...{ Mounts: [{ Name: Id === "elsewhere" ? "other-data" : "shop-data" }], NetworkSettings: { Networks: {} } },
});
const stack = { name: "shop", known: new Set(["shop-data"]) };

describe("F1 how far a move of rows is", () => {
  const copy = container("copy", "data-move", "running", "Up 3 seconds (health: starting)");

  /** An engine with these containers. @param lastLine what each look at a log finds, by id */
  function engine(containers: () => readonly object[], lastLine: (id: string) => string): Docker {
    return {
      listContainers: () => Promise.resolve(containers()),
      getContainer: (id: string) => ({
        modem: { demuxStream: (from: Readable, out: PassThrough) => void from.on("data", (part: Buffer) => out.write(part)) },
        logs: async () => Promise.resolve(Buffer.from(lastLine(id))),
      }),
    } as unknown as Docker;
  }

  it("is announced where an update takes rows along: both ways, not with an image of one's own, not without rows, not for the first update", () => {
    const moves = (before: string | undefined, phase: string, config = {}): boolean => movesRows(before, { phase, config });
    assert.deepEqual([moves("cluster", "database"), moves("database", "cluster", { "phased-stack:port": "80" })], [true, true]);
    assert.deepEqual([moves(undefined, "database"), moves("cluster", "cluster"), moves("cloud", "database")], [false, false, false]);
    const given = [{ "phased-stack:moveData": "false" }, { "phased-stack:image": "localhost/mine" }];
    assert.deepEqual(
      given.map((config) => moves("cluster", "database", config)),
      [false, false],
    );
  });

  it("is what its container said last; one that is done, has ended or was removed meanwhile is none", async () => {
    const infos = [
      copy,
      container("gone", "data-move", "running", "Up 3 seconds (health: starting)"),
      container("done", "data-move-back", "running", "Up 2 hours (healthy)"),
      container("app", "app", "running", "Up 3 seconds (health: starting)"),
    ];
    const docker = engine(
      () => infos,
      (id) => {
        if (id === "gone") throw Object.assign(new Error("no such container"), { statusCode: 404 });
        return `${id}: half of it\n`;
      },
    );
    assert.deepEqual(await runningMoves(docker, infos as never), [{ name: "copy", progress: "copy: half of it" }]);
  });

  it("is said while an update waits for it, each line once, until the update has ended", async () => {
    const lines = ["", "10 of 100 rows", "10 of 100 rows", "90 of 100 rows"];
    let looks = 0;
    const said: string[] = [];
    let haveAll: () => void;
    const all = new Promise<void>((resolve) => (haveAll = resolve));
    const docker = engine(
      () => [copy],
      () => {
        looks += 1;
        if (looks > lines.length + 1) haveAll();
        return lines[Math.min(looks, lines.length) - 1] ?? "";
      },
    );
    const stop = tellMoves(docker, stack, (line) => said.push(line), 1);
    await all;
    await stop();
    assert.deepEqual(said, ["copy: 10 of 100 rows", "copy: 90 of 100 rows"]);
    const last = looks;
    await new Promise((resolve) => setTimeout(resolve, 20));
    assert.equal(looks, last, "nobody looks any more");
  });

  it("that cannot be read is said once, and ends nothing", async () => {
    const said: string[] = [];
    const docker = { listContainers: () => Promise.reject(new Error("the engine is away")) } as unknown as Docker;
    let hasSaid: () => void;
    const first = new Promise<void>((resolve) => (hasSaid = resolve));
    const say = (line: string): void => {
      said.push(line);
      hasSaid();
    };
    const stop = tellMoves(docker, stack, say, 1);
    await first;
    await stop();
    assert.deepEqual(said, ["how far the copy is cannot be read any more: the engine is away"]);
  });
});

describe("F1 a move of rows whose update was cancelled", () => {
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
