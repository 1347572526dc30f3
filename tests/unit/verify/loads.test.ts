import assert from "node:assert/strict";
import { loadsFile } from "../../../toolchain/load/files";
import { PROFILES, profilesNamed } from "../../../toolchain/load/profiles";
import type { LoadResult } from "../../../toolchain/load/result";
import type { LoadTarget } from "../../../toolchain/load/run";
import { hasMissed, type LoadProof, proveUnderLoad, rowsUnderLoad } from "../../../toolchain/verify/loads";
import type { Row } from "../../../toolchain/verify/types";
import { exampleResult } from "../../support/load-result";

const row = (verdict: Row["verdict"]): Row => ({ id: "C9", title: "ratio", target: "≥ 2", verdict, measured: "2.4", seconds: 9 });
// Nobody asks it: what sends is the test's.
const TARGET = {} as LoadTarget;

describe("F6 npm run verify -- --load with several profiles", () => {
  let events: string[];
  let seen: LoadProof[];
  const prove = (list: string, compare: boolean, resultOf: (name: string) => LoadResult | Error): Promise<LoadProof> =>
    proveUnderLoad(profilesNamed(list, "--load"), TARGET, {
      compare,
      quiet: true,
      onLoad: (proof) => seen.push(proof),
      send({ name }) {
        events.push(name);
        const result = resultOf(name);
        return result instanceof Error ? Promise.reject(result) : Promise.resolve(result);
      },
      compareWith() {
        events.push("compare");
        return Promise.resolve(row("pass"));
      },
      rest() {
        events.push("rest");
        return Promise.resolve();
      },
    });
  const found = (profile: string): LoadResult => ({ ...exampleResult(), profile });

  beforeEach(() => {
    events = [];
    seen = [];
  });

  it("sends one after the other, at rest between them, and compares once at the end", async () => {
    const proof = await prove("b-5000-users,smoke", true, found);
    assert.deepEqual(events, ["smoke", "rest", "b-5000-users", "compare"]);
    assert.deepEqual(
      proof.loads.map(({ profile }) => profile),
      ["smoke", "b-5000-users"],
    );
    assert.deepEqual(proof.compared, [row("pass")]);
    // After each, so that a report is there whatever becomes of the next.
    assert.deepEqual(
      seen.map(({ loads, compared }) => [loads.length, compared.length]),
      [
        [1, 0],
        [2, 0],
        [2, 1],
      ],
    );
  });

  it("what was found before one that could not be sent has been handed on", async () => {
    await assert.rejects(
      prove("all", false, (name) => (name === "smoke" ? found(name) : new Error("refused"))),
      /refused/,
    );
    assert.deepEqual(
      seen.map(({ loads }) => loads.map(({ profile }) => profile)),
      [["smoke"]],
    );
  });

  it("none follows one that was interrupted, nor a comparison", async () => {
    const proof = await prove("all", true, (name) => ({ ...found(name), interrupted: true }));
    assert.deepEqual(events, ["smoke"]);
    assert.equal(proof.loads.length, 1);
  });

  it("all targets are in one table with the names of their profiles; those of one load are in its own", () => {
    const loads = [found("smoke"), found("b-5000-users")];
    const titles = rowsUnderLoad({ loads, compared: [row("pass")] }).map(({ title }) => title);
    assert.equal(titles.length, 2 * exampleResult().rows.length + 1);
    assert.ok(titles.includes("smoke: p95 latency") && titles.includes("b-5000-users: p95 latency") && titles.includes("ratio"));
    assert.deepEqual(rowsUnderLoad({ loads: loads.slice(0, 1), compared: [] }), []);
  });

  it("a target that one of them missed is a failure, and so is the comparison", () => {
    const met = { ...exampleResult(), rows: [row("pass"), row("skip")] };
    assert.equal(hasMissed({ loads: [met, met], compared: [row("pass")] }), false);
    assert.equal(hasMissed({ loads: [met, exampleResult()], compared: [] }), true);
    assert.equal(hasMissed({ loads: [met], compared: [row("fail")] }), true);
  });

  it("the report is named after the profiles", () => {
    const named = (list: string): string => loadsFile("dev", profilesNamed(list, "--load")).replace(/^.*\//, "");
    assert.equal(named("smoke"), "dev-smoke.html");
    assert.equal(named("d-1000-concurrent,smoke"), "dev-smoke+d-1000-concurrent.html");
    assert.equal(named("all"), "dev-all.html");
    assert.equal(loadsFile("dev", PROFILES), loadsFile("dev", profilesNamed("all", "--load")));
  });
});
