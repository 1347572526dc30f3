import assert from "node:assert/strict";
import { LOOK_MS, NOTICE_MS, PostgresSeal, type Looked, type Standing } from "../../../app/src/db/postgres-seal";

const OPEN: Looked = { free: 1, sealed: 0 };
const HELD: Looked = { free: 0, sealed: 0 };
const SEALED: Looked = { free: 1, sealed: 1 };
/** Whoever copied has its lock still in the moment in which it seals. */
const JUST_SEALED: Looked = { free: 0, sealed: 1 };

describe("A10 F1 whether a Postgres is written", () => {
  it("is held, sealed and open again as it is looked at, and told when it changes", async () => {
    const told: Standing[] = [];
    const answers = [OPEN, HELD, HELD, JUST_SEALED, SEALED, OPEN, HELD, OPEN];
    const seal = new PostgresSeal(() => Promise.resolve(answers.shift() ?? OPEN), { onChange: (standing) => told.push(standing) });
    const seen: Standing[] = [];
    while (answers.length > 0) {
      await seal.look();
      seen.push(seal.standing);
    }
    assert.deepEqual(seen, ["open", "held", "held", "sealed", "sealed", "open", "held", "open"]);
    assert.deepEqual(told, ["held", "sealed", "open", "held", "open"]);
  });

  it("a look without an answer changes nothing, and the next one counts", async () => {
    const errors: unknown[] = [];
    const answers: (Looked | Error)[] = [SEALED, new Error("away"), OPEN];
    const ask = (): Promise<Looked> => {
      const answer = answers.shift() ?? OPEN;
      return answer instanceof Error ? Promise.reject(answer) : Promise.resolve(answer);
    };
    const seal = new PostgresSeal(ask, { onError: (error) => errors.push((error as Error).message) });
    await seal.look();
    await seal.look();
    assert.deepEqual([seal.standing, errors], ["sealed", ["away"]]);
    await seal.look();
    assert.equal(seal.standing, "open");
  });

  it("many who come while somebody looks ask once", async () => {
    let asked = 0;
    let answer: (looked: Looked) => void = () => undefined;
    const seal = new PostgresSeal(() => {
      asked += 1;
      return new Promise<Looked>((resolve) => (answer = resolve));
    });
    const looks = [seal.look(), seal.look(), seal.look()];
    answer(HELD);
    await Promise.all(looks);
    assert.deepEqual([asked, seal.standing], [1, "held"]);
  });

  it("looks by itself until it is stopped", async () => {
    let asked = 0;
    let third: () => void = () => undefined;
    const thrice = new Promise<void>((resolve) => (third = resolve));
    const ask = (): Promise<Looked> => {
      asked += 1;
      if (asked === 3) third();
      return Promise.resolve(OPEN);
    };
    const seal = new PostgresSeal(ask, { everyMs: 5 });
    await seal.start();
    await thrice;
    seal.stop();
    const before = asked;
    await new Promise((resolve) => setTimeout(resolve, 30));
    assert.equal(asked, before);
  });

  it("whoever moves the rows waits until every instance has looked", () => {
    assert.ok(NOTICE_MS >= 2 * LOOK_MS);
  });
});
