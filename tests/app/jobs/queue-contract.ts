import assert from "node:assert/strict";
import { PermanentJobError } from "../../../app/src/jobs/queue";
import { eventually } from "../../support/services/container";
import { gate, OTHER, QUEUE, type QueueBackend, reaches, state, works } from "./queue-contract-rig";
import { workersContract } from "./queue-contract-workers";

export type { QueueBackend } from "./queue-contract-rig";

/** What every driver has to do. `backend` is called inside of hooks and tests only. */
export function describeQueueContract(title: string, backend: () => QueueBackend): void {
  describe(`JobQueue contract: ${title}`, function () {
    this.timeout(60_000);
    afterEach(() => backend().reset());

    it("D5 a job runs with its payload and leaves its result; its end is told once", async () => {
      const queue = await backend().open();
      const id = await queue.add(QUEUE, { income: 5, nested: { a: [1, "ü"] } });
      assert.equal(await state(queue, id), "waiting");
      const settled = await works(queue, { [QUEUE]: (job) => Promise.resolve({ got: job.payload, attempt: job.attempt }) });
      await reaches(queue, id, "completed");
      const record = await queue.get(id);
      assert.deepEqual(record?.result, { got: { income: 5, nested: { a: [1, "ü"] } }, attempt: 1 });
      assert.equal(record.progress, 100);
      assert.equal(record.attemptsStarted, 1);
      assert.ok(record.finishedAt !== null && record.finishedAt >= record.createdAt);
      await eventually("told", () => settled.length === 1);
      assert.equal(settled[0]?.state, "completed");
      assert.equal(settled[0].id, id);
    });

    it("D5 a failed attempt is tried again, with all its attempts used it is a dead letter", async () => {
      const queue = await backend().open();
      const attempts: number[] = [];
      const settled = await works(queue, {
        [QUEUE]: (job) => {
          attempts.push(job.attempt);
          return job.payload["recovers"] === true && job.attempt === 2
            ? Promise.resolve({ fine: true })
            : Promise.reject(new Error("no luck"));
        },
      });
      const good = await queue.add(QUEUE, { recovers: true }, { attempts: 3 });
      await reaches(queue, good, "completed");
      assert.deepEqual(attempts, [1, 2]);
      const bad = await queue.add(QUEUE, {}, { attempts: 3 });
      await reaches(queue, bad, "failed");
      assert.deepEqual(attempts, [1, 2, 1, 2, 3]);
      assert.equal((await queue.get(bad))?.error, "no luck");
      await eventually("told", () => settled.length === 2);
      assert.deepEqual(
        settled.map((job) => [job.id, job.state, job.error]),
        [
          [good, "completed", null],
          [bad, "failed", "no luck"],
        ],
      );
    });

    it("A15 the backlog is what could be taken now: waiting and due in all queues, nothing that is paused, later, or over", async () => {
      const queue = await backend().open();
      assert.equal(await queue.backlog(), 0);
      await queue.add(QUEUE, {});
      await queue.add(QUEUE, {}, { priority: "high" });
      await queue.add(OTHER, {}, { priority: "low" });
      await queue.add(QUEUE, {}, { delayMs: 600_000 });
      assert.equal(await queue.backlog(), 3);
      // Nobody works here, so nobody moves it.
      await queue.add(QUEUE, {}, { delayMs: 50 });
      await eventually("the delayed one is due", async () => (await queue.backlog()) === 4);
      await queue.pause(QUEUE);
      assert.equal(await queue.backlog(), 1);
      await queue.resume(QUEUE);
      await works(queue, { [QUEUE]: () => Promise.resolve({}), [OTHER]: () => Promise.resolve({}) });
      await eventually("all is done but what is for later", async () => (await queue.backlog()) === 0);
    });

    it("D5 what cannot succeed is a dead letter after one attempt", async () => {
      const queue = await backend().open();
      await works(queue, { [QUEUE]: () => Promise.reject(new PermanentJobError("poison")) });
      const id = await queue.add(QUEUE, {}, { attempts: 5 });
      await reaches(queue, id, "failed");
      assert.equal((await queue.get(id))?.attemptsStarted, 1);
    });

    it("D5 dead letters are listed newest first, put back with all attempts, or forgotten", async () => {
      const queue = await backend().open();
      let broken = true;
      await works(queue, { [QUEUE]: () => (broken ? Promise.reject(new Error("broken")) : Promise.resolve({ fixed: true })) });
      const first = await queue.add(QUEUE, { n: 1 }, { attempts: 1 });
      await reaches(queue, first, "failed");
      const second = await queue.add(QUEUE, { n: 2 }, { attempts: 1 });
      await reaches(queue, second, "failed");
      assert.deepEqual(
        (await queue.deadLetters(QUEUE, 10)).map(({ id }) => id),
        [second, first],
      );
      assert.deepEqual(
        (await queue.deadLetters(QUEUE, 1, 1)).map(({ id }) => id),
        [first],
      );
      assert.deepEqual(await queue.deadLetters(OTHER, 10), []);
      broken = false;
      assert.equal(await queue.retry(first), true);
      await reaches(queue, first, "completed");
      assert.equal((await queue.get(first))?.attemptsStarted, 1);
      assert.equal(await queue.retry(first), false, "only dead letters");
      assert.equal(await queue.discard(second), true);
      assert.equal(await queue.get(second), undefined);
      assert.equal(await queue.discard(second), false);
      assert.deepEqual(await queue.deadLetters(QUEUE, 10), []);
    });

    it("D5 a higher priority is taken first, within one the oldest", async () => {
      const queue = await backend().open();
      const order: unknown[] = [];
      const add = (name: string, priority: "high" | "normal" | "low"): Promise<string> => queue.add(QUEUE, { name }, { priority });
      // Milliseconds apart, which is as fine as the order of additions has to be.
      for (const [name, priority] of [
        ["low 1", "low"],
        ["normal 1", "normal"],
        ["high 1", "high"],
        ["normal 2", "normal"],
        ["high 2", "high"],
      ] as const) {
        const added = Date.now();
        await add(name, priority);
        await eventually("the clock moved on", () => Date.now() > added, 1000, 1);
      }
      await works(queue, {
        [QUEUE]: (job) => {
          order.push(job.payload["name"]);
          return Promise.resolve({});
        },
      });
      await eventually("all ran", () => order.length === 5);
      assert.deepEqual(order, ["high 1", "high 2", "normal 1", "normal 2", "low 1"]);
    });

    it("D5 a priority job overtakes a backlog of 100", async () => {
      const queue = await backend().open();
      const { waiting, started, processor } = gate();
      for (let number = 0; number < 100; number++) await queue.add(QUEUE, { number });
      await works(queue, { [QUEUE]: processor });
      await eventually("the first runs", () => waiting.length === 1);
      const urgent = await queue.add(QUEUE, {}, { priority: "high" });
      waiting[0]?.end({});
      await eventually("the next runs", () => started.length === 2);
      assert.equal(started[1], urgent);
      waiting[1]?.end({});
      await eventually("and the next", () => waiting.length === 3);
      await queue.pause(QUEUE);
      waiting[2]?.end({});
      await reaches(queue, started[2] ?? "", "completed");
    });

    it("D5 a delayed job does not start before its time", async () => {
      const queue = await backend().open();
      let ranAt = 0;
      await works(queue, {
        [QUEUE]: () => {
          ranAt = Date.now();
          return Promise.resolve({});
        },
      });
      const addedAt = Date.now();
      const id = await queue.add(QUEUE, {}, { delayMs: 400 });
      assert.equal(await state(queue, id), "delayed");
      assert.equal((await queue.stats())[QUEUE].delayed, 1);
      await reaches(queue, id, "completed");
      assert.ok(ranAt - addedAt >= 399, `ran after ${ranAt - addedAt} ms`);
    });

    it("D5 the same idempotency key is the same job, in its queue", async () => {
      const queue = await backend().open();
      const one = await queue.add(QUEUE, { n: 1 }, { idempotencyKey: "k:1" });
      assert.equal(await queue.add(QUEUE, { n: 2 }, { idempotencyKey: "k:1" }), one);
      assert.notEqual(await queue.add(QUEUE, { n: 2 }, { idempotencyKey: "k:2" }), one);
      assert.notEqual(await queue.add(OTHER, { n: 2 }, { idempotencyKey: "k:1" }), one);
      assert.equal((await queue.stats())[QUEUE].waiting, 2);
      assert.deepEqual((await queue.get(one))?.payload, { n: 1 });
      let runs = 0;
      await works(queue, { [QUEUE]: () => Promise.resolve({ run: ++runs }) });
      await reaches(queue, one, "completed");
      await eventually("both ran", () => runs === 2);
      assert.equal(await queue.add(QUEUE, { n: 3 }, { idempotencyKey: "k:1" }), one, "also when it is over");
      assert.equal((await queue.stats())[QUEUE].waiting, 0);
      const chosen = await queue.add(QUEUE, {}, { id: "0198c0de-0000-7000-8000-000000000001" });
      assert.equal(chosen, "0198c0de-0000-7000-8000-000000000001");
    });

    it("D5 progress can be seen while a job runs", async () => {
      const queue = await backend().open();
      const { waiting, processor } = gate();
      await works(queue, { [QUEUE]: processor });
      const id = await queue.add(QUEUE, {});
      await eventually("it runs", () => waiting.length === 1);
      await waiting[0]?.context.progress(41.6);
      assert.equal((await queue.get(id))?.progress, 42);
      assert.equal(await state(queue, id), "active");
      waiting[0]?.end({});
      await reaches(queue, id, "completed");
    });

    workersContract(backend);
  });
}
