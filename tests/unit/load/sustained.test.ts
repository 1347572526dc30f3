import assert from "node:assert/strict";
import fc from "fast-check";
import { profileNamed, PROFILES, profilesNamed } from "../../../toolchain/load/profiles";
import { holds, RateSearch } from "../../../toolchain/load/sustained";

/** Searches the capacity of something that carries so many requests a second. @param fluke the step that fails although the rate is carried */
function search(capacity: number, fluke?: number): { readonly found: number; readonly atMost: boolean; readonly steps: number } {
  const one = new RateSearch();
  let steps = 0;
  for (let rate = one.next; rate !== undefined; rate = one.next) {
    one.tried(rate, rate <= capacity && steps !== fluke);
    steps += 1;
  }
  return { found: one.sustained, atMost: one.isAtMost, steps };
}

describe("the rate that is carried", () => {
  it("C9 is found to a tenth from below, in few steps, whatever it is", () => {
    fc.assert(
      fc.property(fc.integer({ min: 50, max: 2999 }), (capacity) => {
        const { found, atMost, steps } = search(capacity);
        assert.ok(found <= capacity && found >= capacity * 0.9, `${found} of ${capacity}`);
        assert.equal(atMost, false);
        // At most three rates are missed, each of them twice.
        assert.ok(steps <= 19, `${steps} steps`);
      }),
    );
  });

  it("C9 a rate that is missed once and carried when it is tried again was carried: one fluke changes nothing", () => {
    fc.assert(
      fc.property(fc.integer({ min: 50, max: 2999 }), fc.nat(18), (capacity, fluke) => {
        const { found, steps } = search(capacity, fluke);
        const undisturbed = search(capacity);
        assert.equal(found, undisturbed.found);
        assert.ok(steps <= undisturbed.steps + 1, `${steps} steps`);
      }),
    );
  });

  it("C9 a rate that is missed twice is missed: it is not tried a third time", () => {
    const one = new RateSearch();
    one.tried(50, true);
    one.tried(70, false);
    assert.equal(one.next, 70);
    one.tried(70, false);
    assert.equal(one.next, 60);
    assert.equal(one.isAtMost, false);
  });

  it("C9 says when it found nothing, and when it found no end", () => {
    assert.equal(search(10_000).found, 3000);
    assert.equal(search(10_000).atMost, true);
    const { found } = search(5);
    assert.ok(found <= 5);
  });

  it("C9 a rate is carried when nearly nothing fails and no backlog grows", () => {
    assert.equal(holds({ due: 1000, failed: 0, p95: 499 }), true);
    assert.equal(holds({ due: 1000, failed: 1, p95: 10 }), false);
    assert.equal(holds({ due: 1000, failed: 0, p95: 500 }), false);
    assert.equal(holds({ due: 0, failed: 0, p95: 0 }), false);
  });

  it("F6 an unknown profile is refused with all there are", () => {
    assert.throws(() => profileNamed("b", "--load"), /^UserError: --load "b": allowed are smoke, a-500-users, .*e-10000-companies$/);
  });

  it("F6 several of a list come once each and in their own order, and `all` is every one", () => {
    const names = (list: string): string[] => profilesNamed(list, "--load").map(({ name }) => name);
    assert.deepEqual(names("smoke"), ["smoke"]);
    assert.deepEqual(names("b-5000-users, smoke,b-5000-users"), ["smoke", "b-5000-users"]);
    assert.deepEqual(
      names("all"),
      PROFILES.map(({ name }) => name),
    );
  });

  for (const list of ["", "smoke,", "all,smoke", "smoke,c", "SMOKE"]) {
    it(`F6 a list with a name that there is not is refused with all there are: ${JSON.stringify(list)}`, () => {
      assert.throws(
        () => profilesNamed(list, "--load"),
        /^UserError: --load: no profile "\w*"; allowed are all, or a comma-separated list of smoke, a-500-users, .*e-10000-companies$/,
      );
    });
  }
});
