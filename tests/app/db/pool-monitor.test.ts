import assert from "node:assert/strict";
import fc from "fast-check";
import { judgePool } from "../../../app/src/db/pool-monitor";
import { PrimaryHistory } from "../../../app/src/db/replica-lag";
import { markNumber } from "../../../app/src/db/write-mark";
import { pauseBound, retrying } from "../../../app/src/db/retry";
import { KeyedLine } from "../../../app/src/db/keyed-line";

describe("D4 pool monitor", () => {
  it("80 % is a warning, 95 % critical, and a queue that stays a warning", () => {
    assert.equal(judgePool(0.79, 0), "ok");
    assert.equal(judgePool(0.8, 0), "warning");
    assert.equal(judgePool(0.95, 0), "critical");
    assert.equal(judgePool(0.1, 0.4), "ok");
    assert.equal(judgePool(0.1, 0.5), "warning");
  });
});

describe("E8 lag of a replica", () => {
  it("positions of the log compare as Postgres compares them (property)", () => {
    const part = fc.bigInt({ min: 0n, max: 0xffffffffn });
    const text = (high: bigint, low: bigint): string => `${high.toString(16).toUpperCase()}/${low.toString(16).toUpperCase()}`;
    fc.assert(fc.property(part, part, (high, low) => markNumber(text(high, low)) === high * 2n ** 32n + low));
    assert.ok(markNumber("1/0") > markNumber("0/FFFFFFFF"));
  });

  it("is the time since the primary was first seen beyond the replica, whatever a clock says; an idle primary makes nobody late", () => {
    const history = new PrimaryHistory();
    assert.equal(history.lag(0n, 1000), 0);
    history.record(0, 10n);
    history.record(100, 20n);
    history.record(200, 20n);
    history.record(300, 30n);
    assert.deepEqual(
      [30n, 25n, 20n, 19n, 10n, 9n].map((position) => history.lag(position, 1000)),
      [0, 700, 700, 900, 900, 1000],
    );
    history.record(400, 5n);
    assert.equal(history.lag(5n, 1000), 0, "after a failover another log counts");
  });
});

describe("C1 retries", () => {
  it("pauses double up to a second and are drawn from nothing to that (property)", () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 1000 }),
        (retry) => pauseBound(retry) <= 1000 && pauseBound(retry) >= Math.min(1000, pauseBound(retry - 1 || 1)),
      ),
    );
    assert.deepEqual([1, 2, 3].map(pauseBound), [10, 20, 40]);
  });

  it("stops at what is not worth it, and when the time is over, with the last error", async () => {
    let attempts = 0;
    const failing = (budgetMs: number, retryable: boolean): Promise<unknown> => {
      attempts = 0;
      return retrying(
        () => {
          attempts += 1;
          return Promise.reject(new Error(`attempt ${attempts}`));
        },
        { budgetMs, retryable: () => retryable, random: () => 0 },
      );
    };
    await assert.rejects(failing(1000, false), /attempt 1/);
    await assert.rejects(failing(20, true), (error) => (error as Error).message === `attempt ${attempts}` && attempts > 1);
    let told = 0;
    const result = await retrying(() => (told < 3 ? Promise.reject(new Error("not yet")) : Promise.resolve("done")), {
      budgetMs: 5000,
      retryable: () => true,
      onRetry: () => (told += 1),
    });
    assert.deepEqual([result, told], ["done", 3]);
  });
});

describe("C1 a line for each key", () => {
  it("lets one at a time pass for a key, in order, and others at once; nobody is left behind (property)", async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.constantFrom("a", "b", "c"), { maxLength: 30 }), async (keys) => {
        const line = new KeyedLine();
        const inside = new Map<string, number>();
        const order: number[] = [];
        await Promise.all(
          keys.map(async (key, index) => {
            const leave = await line.enter(key, 10_000);
            inside.set(key, (inside.get(key) ?? 0) + 1);
            assert.equal(inside.get(key), 1);
            order.push(index);
            await Promise.resolve();
            inside.set(key, 0);
            leave?.();
          }),
        );
        for (const key of new Set(keys)) {
          const own = order.filter((index) => keys[index] === key);
          assert.deepEqual(
            own,
            [...own].sort((one, two) => one - two),
          );
        }
        assert.equal(order.length, keys.length);
      }),
    );
  });

  it("gives up after the wait without holding up the next", async () => {
    const line = new KeyedLine();
    const leave = await line.enter("a", 1000);
    assert.equal(await line.enter("a", 5), undefined);
    const next = line.enter("a", 1000);
    leave?.();
    assert.equal(typeof (await next), "function");
  });
});
