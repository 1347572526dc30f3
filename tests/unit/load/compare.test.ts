import assert from "node:assert/strict";
import type Docker from "dockerode";
import { compareOf, coresOf } from "../../../toolchain/load/compare";

describe("C9 what npm run verify -- --compare compares on", () => {
  const engine = { info: () => Promise.resolve({ NCPU: 4 }) } as unknown as Docker;

  it("nothing, this machine, or one with so many cores", () => {
    assert.deepEqual(
      [compareOf(undefined), compareOf(true), compareOf("8"), compareOf("32")],
      [undefined, {}, { cores: 8 }, { cores: 32 }],
    );
  });

  for (const wrong of ["", "abc", "0", "-2", "2.5", "33", "Infinity"]) {
    it(`${JSON.stringify(wrong)} is refused before anything is sent`, () => {
      assert.throws(
        () => compareOf(wrong),
        new RegExp(`^UserError: --compare "${wrong}": allowed are whole numbers of cores from 1 to 32, or none for those of this machine$`),
      );
    });
  }

  it("the cores of the engine where none are named; fewer than it has cannot be", async () => {
    assert.deepEqual(await coresOf(engine), { engineCores: 4, machineCores: 4 });
    assert.deepEqual(await coresOf(engine, 8), { engineCores: 4, machineCores: 8 });
    await assert.rejects(
      coresOf(engine, 2),
      /^UserError: --compare 2: allowed are 4 and more, because the Docker engine has that many cores$/,
    );
  });
});
