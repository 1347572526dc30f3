import assert from "node:assert/strict";
import fc from "fast-check";
import { RespawnBudget } from "../../../app/src/cluster/respawn-budget";

describe("restart budget", () => {
  it("A2 the first restart is immediate, later ones back off up to 5 s, the eleventh within a minute is refused", () => {
    let now = 1000;
    const budget = new RespawnBudget(10, 60_000, () => now);
    const delays = Array.from({ length: 10 }, () => {
      const respawn = budget.take();
      now += 10;
      return respawn.granted ? respawn.delayMs : NaN;
    });
    assert.deepEqual(delays, [0, 100, 200, 400, 800, 1600, 3200, 5000, 5000, 5000]);
    assert.deepEqual(budget.take(), { granted: false, retryInMs: 59_900 });
    assert.equal(budget.used, 10);
    now = 61_000;
    assert.deepEqual(budget.take(), { granted: true, delayMs: 5000 });
    now = 200_000;
    assert.equal(budget.used, 0);
    assert.deepEqual(budget.take(), { granted: true, delayMs: 0 });
    assert.equal(budget.total, 12);
  });

  it("A2 no window of a minute ever holds more than the limit, and a refusal says when the next one is granted", () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 12 }), fc.array(fc.integer({ min: 0, max: 20_000 }), { maxLength: 80 }), (limit, steps) => {
        let now = 0;
        const budget = new RespawnBudget(limit, 60_000, () => now);
        const granted: number[] = [];
        for (const step of steps) {
          now += step;
          const respawn = budget.take();
          if (respawn.granted) granted.push(now);
          else if (limit > 0) {
            now += respawn.retryInMs;
            assert.ok(budget.take().granted, "granted at the announced time");
            granted.push(now);
          }
        }
        for (const start of granted) assert.ok(granted.filter((time) => time >= start && time < start + 60_000).length <= limit);
      }),
    );
  });
});
