import assert from "node:assert/strict";
import { setImmediate as turn } from "node:timers/promises";
import { mock } from "node:test";
import pino from "pino";
import type { Database } from "../../../app/src/db/database";
import { PURGE_ROWS } from "../../../app/src/events/effects";
import { purgeRegularly } from "../../../app/src/events/reading";

const TEN_MINUTES = 600_000;

describe("B5 forgetting old events now and then", () => {
  beforeEach(() => mock.timers.enable({ apis: ["setInterval"] }));
  afterEach(() => mock.timers.reset());

  it("B5 is done every ten minutes and never twice at a time, goes on after a failure, and ends with the signal between two statements", async () => {
    const answers: ((removed: number | Error) => void)[] = [];
    const run = (): Promise<number> =>
      new Promise((resolve, reject) => answers.push((answer) => (answer instanceof Error ? reject(answer) : resolve(answer))));
    const said: string[] = [];
    const logger = pino({}, { write: (line: string) => void said.push((JSON.parse(line) as { msg: string }).msg) });
    const stop = new AbortController();
    const answer = async (removed: number | Error): Promise<void> => {
      answers.at(-1)!(removed);
      await turn();
    };
    purgeRegularly({ run } as unknown as Database, logger, stop.signal);
    assert.equal(answers.length, 0);
    mock.timers.tick(TEN_MINUTES);
    mock.timers.tick(TEN_MINUTES);
    assert.equal(answers.length, 1, "the one before is not over");
    await answer(new Error("the database is away"));
    assert.deepEqual(said, ["old events could not be forgotten"]);
    mock.timers.tick(TEN_MINUTES);
    assert.equal(answers.length, 2);
    await answer(PURGE_ROWS);
    assert.equal(answers.length, 3, "there is more");
    stop.abort();
    await answer(PURGE_ROWS);
    mock.timers.tick(TEN_MINUTES);
    assert.equal(answers.length, 3);
    assert.equal(said.length, 1);
  });
});
