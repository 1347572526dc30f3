import assert from "node:assert/strict";
import fc from "fast-check";
import { encodeSamples, LatencyDigest, mergeDigests } from "../../../app/src/observability/tenant-metrics-digest";

const durations = fc.array(fc.double({ min: 0.1, max: 60_000, noNaN: true }), { minLength: 1, maxLength: 200 });

function digestOf(values: readonly number[]): LatencyDigest {
  const digest = new LatencyDigest();
  for (const value of values) digest.record(value);
  return digest;
}

describe("company metrics: digest of response times", () => {
  it("E7 a quantile is at most 6.25 % and a tenth of a millisecond off (property)", () => {
    fc.assert(
      fc.property(durations, fc.constantFrom(0.5, 0.95, 0.99, 1), (values, share) => {
        const sorted = [...values].sort((one, other) => one - other);
        const exact = sorted[Math.ceil(share * sorted.length) - 1] ?? 0;
        const found = digestOf(values).quantileMs(share) ?? -1;
        assert.ok(Math.abs(found - exact) <= exact * 0.0625 + 0.11, `${found} for ${exact}`);
      }),
    );
    assert.equal(new LatencyDigest().quantileMs(0.95), null);
  });

  it("E7 written and read, and merged in any order, it is the same (property)", () => {
    fc.assert(
      fc.property(durations, durations, (one, other) => {
        const together = digestOf([...one, ...other]).encode();
        assert.equal(mergeDigests(digestOf(one).encode(), digestOf(other).encode()), together);
        assert.equal(mergeDigests(encodeSamples(other), encodeSamples(one)), together);
        assert.equal(new LatencyDigest().add(together).encode(), together);
        assert.equal(new LatencyDigest().add(together).count, one.length + other.length);
      }),
    );
  });

  it("takes what cannot be for the nearest that can, and leaves damaged text out", () => {
    const digest = digestOf([-5, 0, 1e12]);
    assert.equal(digest.count, 3);
    assert.ok((digest.quantileMs(1) ?? 0) >= 560_000);
    assert.equal(new LatencyDigest().add("").add("zz").add("::,x:,5:-1").count, 0);
    assert.equal(new LatencyDigest().add("!,a:2").count, 2);
  });

  it("counts the requests of a busy week exactly", () => {
    const digest = new LatencyDigest().add("a:zzzzzzz").add("a:zzzzzzz");
    assert.equal(digest.count, 2 * (36 ** 7 - 1));
  });
});
