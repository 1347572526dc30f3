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
  const prove = (
    list: string,
    compare: { readonly cores?: number } | undefined,
    resultOf: (name: string) => LoadResult | Error,
  ): Promise<LoadProof> =>
    proveUnderLoad(profilesNamed(list, "--load"), TARGET, {
      compare,
      quiet: true,
      onLoad: (proof) => seen.push(proof),
      send({ name }) {
        events.push(name);
        const result = resultOf(name);
        return result instanceof Error ? Promise.reject(result) : Promise.resolve(result);
      },
      compareWith(_target, options) {
        events.push(`compare on ${options?.cores ?? "this machine's"} cores`);
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

  it("sends one after the other and compares once at the end, each when the machine is at rest: the first comes after checks", async () => {
    const proof = await prove("b-5000-users,smoke", { cores: 8 }, found);
    assert.deepEqual(events, ["rest", "smoke", "rest", "b-5000-users", "rest", "compare on 8 cores"]);
    assert.deepEqual(
      proof.loads.map(({ profile }) => profile),
      ["smoke", "b-5000-users"],
    );
    assert.deepEqual(proof.compared, [row("pass")]);
    assert.equal(proof.notSent, undefined);
    // Before and after each, so that a report is there whatever becomes of the next, and says what is not in it.
    assert.deepEqual(
      seen.map(({ loads, compared, notSent }) => [loads.length, compared.length, notSent?.names ?? []]),
      [
        [0, 0, ["smoke", "b-5000-users", "--compare"]],
        [1, 0, ["b-5000-users", "--compare"]],
        [2, 0, ["--compare"]],
        [2, 1, []],
      ],
    );
  });

  it("what was found before one that could not be sent has been handed on, with what is missing and why", async () => {
    await assert.rejects(
      prove("smoke,a-500-users,b-5000-users", {}, (name) => (name === "smoke" ? found(name) : new Error("sign-up was refused"))),
      /^Error: sign-up was refused$/,
    );
    assert.deepEqual(
      seen.at(-1)?.loads.map(({ profile }) => profile),
      ["smoke"],
    );
    assert.deepEqual(seen.at(-1)?.notSent, { names: ["a-500-users", "b-5000-users", "--compare"], reason: "sign-up was refused" });
  });

  it("a comparison that ends with an error takes nothing from the loads before it", async () => {
    const failing = proveUnderLoad(profilesNamed("smoke", "--load"), TARGET, {
      ...{ compare: {}, quiet: true, onLoad: (proof) => seen.push(proof), rest: () => Promise.resolve() },
      send: ({ name }) => Promise.resolve(found(name)),
      compareWith: () => Promise.reject(new Error("no port is free")),
    });
    await assert.rejects(failing, /^Error: no port is free$/);
    const last = seen.at(-1);
    assert.deepEqual([last?.loads.length, last?.notSent], [1, { names: ["--compare"], reason: "no port is free" }]);
  });

  it("none follows one that was interrupted, nor a comparison", async () => {
    const proof = await prove("all", {}, (name) => ({ ...found(name), interrupted: true }));
    assert.deepEqual(events, ["rest", "smoke"]);
    assert.equal(proof.loads.length, 1);
    const rest = PROFILES.map(({ name }) => name).filter((name) => name !== "smoke");
    assert.deepEqual(proof.notSent, { names: [...rest, "--compare"], reason: "interrupted" });
    assert.equal(seen.at(-1), proof);
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
