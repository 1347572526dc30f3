import assert from "node:assert/strict";
import type { Processors } from "../../../app/src/jobs/queue";
import { eventually } from "../../support/services/container";
import { gate, OTHER, QUEUE, type QueueBackend, reaches, state, works } from "./queue-contract-rig";

/** The part of the contract that is about those who take jobs: stopping them, and several of them. To be called within `describe`. */
export function workersContract(backend: () => QueueBackend): void {
  it("D5 cancelling: a waiting job never runs, a running one is told, a finished one stays", async () => {
    const queue = await backend().open();
    const { waiting, started, processor } = gate();
    const removed = await queue.add(QUEUE, {});
    const delayed = await queue.add(QUEUE, {}, { delayMs: 60_000 });
    assert.equal(await queue.cancel(removed), "removed");
    assert.equal(await queue.cancel(delayed), "removed");
    const settled = await works(queue, { [QUEUE]: processor });
    const running = await queue.add(QUEUE, {});
    await eventually("it runs", () => waiting.length === 1);
    assert.equal(await queue.cancel(running), "requested");
    await eventually("its signal aborts", () => waiting[0]?.context.signal.aborted === true);
    await reaches(queue, running, "cancelled");
    assert.equal((await queue.get(running))?.result, null);
    assert.equal(await queue.cancel(running), "finished");
    assert.equal(await queue.cancel("nobody"), "unknown");
    assert.deepEqual(started, [running]);
    await eventually("told", () => settled.length === 1);
    assert.equal(settled[0]?.state, "cancelled");
  });

  it("D5 a paused queue takes nothing, also in other processes, and goes on where it was", async () => {
    const [queue, other] = [await backend().open(), await backend().open()];
    const ran: string[] = [];
    const processors: Processors = {
      [QUEUE]: (job) => {
        ran.push(job.id);
        return Promise.resolve({});
      },
      [OTHER]: () => Promise.resolve({}),
    };
    await queue.pause(QUEUE);
    await works(other, processors);
    const id = await queue.add(QUEUE, {});
    const free = await queue.add(OTHER, {});
    await reaches(queue, free, "completed");
    const stats = await other.stats();
    assert.equal(stats[QUEUE].paused, true);
    assert.equal(stats[QUEUE].waiting, 1);
    assert.equal(stats[OTHER].paused, false);
    assert.deepEqual(ran, []);
    await queue.resume(QUEUE);
    await reaches(queue, id, "completed");
    assert.equal((await queue.stats())[QUEUE].paused, false);
  });

  it("D5 statistics count every state of every queue", async () => {
    const queue = await backend().open();
    const { waiting, processor } = gate();
    await works(queue, { [QUEUE]: processor, [OTHER]: () => Promise.reject(new Error("bad")) });
    const dead = await queue.add(OTHER, {}, { attempts: 1 });
    await reaches(queue, dead, "failed");
    const done = await queue.add(QUEUE, {});
    await eventually("it runs", () => waiting.length === 1);
    waiting[0]?.end({});
    await reaches(queue, done, "completed");
    await queue.add(QUEUE, {});
    await eventually("it runs", () => waiting.length === 2);
    await queue.add(QUEUE, {});
    await queue.add(QUEUE, {}, { delayMs: 60_000 });
    const stats = await queue.stats();
    assert.deepEqual(stats[QUEUE], { waiting: 1, active: 1, delayed: 1, completed: 1, failed: 0, paused: false });
    assert.deepEqual(stats[OTHER], { waiting: 0, active: 0, delayed: 0, completed: 0, failed: 1, paused: false });
    assert.deepEqual(stats["document-processing"], { waiting: 0, active: 0, delayed: 0, completed: 0, failed: 0, paused: false });
  });

  it("D5 a processor that hangs is cut off; the job is tried again, then dead, and the place is free", async () => {
    const queue = await backend().open({ timeoutMs: 150 });
    const hung = new Set<AbortSignal>();
    await works(queue, {
      [QUEUE]: (job, { signal }) => {
        if (job.payload["hangs"] !== true) return Promise.resolve({});
        hung.add(signal);
        return new Promise(() => undefined);
      },
    });
    const id = await queue.add(QUEUE, { hangs: true }, { attempts: 2 });
    await reaches(queue, id, "failed");
    assert.match((await queue.get(id))?.error ?? "", /did not end within 150 ms/);
    assert.equal((await queue.get(id))?.attemptsStarted, 2);
    assert.equal(hung.size, 2);
    assert.ok([...hung].every((signal) => signal.aborted));
    await reaches(queue, await queue.add(QUEUE, {}), "completed");
  });

  it("D5 drain waits for what runs, takes nothing more, and hands back what is left, which does not count as an attempt", async () => {
    const [queue, next] = [await backend().open(), await backend().open()];
    const { waiting, started, processor } = gate();
    await works(queue, { [QUEUE]: processor }, 2);
    const finishes = await queue.add(QUEUE, { n: 1 }, { attempts: 1 });
    const stays = await queue.add(QUEUE, { n: 2 }, { attempts: 1 });
    await eventually("both run", () => waiting.length === 2);
    const draining = queue.drain(700);
    const late = await next.add(QUEUE, { n: 3 });
    waiting.find(({ job }) => job.id === finishes)?.end({ done: true });
    assert.equal(await draining, 1);
    assert.equal(started.length, 2, "nothing was taken during the drain");
    assert.equal(await state(next, finishes), "completed");
    assert.equal(await state(next, stays), "waiting");
    assert.equal(waiting.find(({ job }) => job.id === stays)?.context.signal.aborted, true);
    const attempts: number[] = [];
    await works(next, {
      [QUEUE]: (job) => {
        attempts.push(job.attempt);
        return Promise.resolve({});
      },
    });
    await reaches(next, stays, "completed");
    await reaches(next, late, "completed");
    assert.deepEqual(attempts, [1, 1]);
  });

  it("D5 a job that arrives while a worker with free places drains is left to others", async () => {
    const [queue, next] = [await backend().open(), await backend().open()];
    const { waiting, started, processor } = gate();
    const late: string[] = [];
    await works(queue, {
      [QUEUE]: processor,
      [OTHER]: (job) => {
        late.push(job.id);
        return Promise.resolve({});
      },
    });
    const runs = await queue.add(QUEUE, {});
    await eventually("it runs", () => waiting.length === 1);
    const draining = queue.drain(5000);
    const arrives = await next.add(OTHER, {}, { attempts: 1 });
    const attempts: number[] = [];
    await works(next, {
      [OTHER]: (job) => {
        attempts.push(job.attempt);
        return Promise.resolve({});
      },
    });
    await reaches(next, arrives, "completed");
    waiting[0]?.end({});
    await draining;
    assert.deepEqual([started, late, attempts], [[runs], [], [1]]);
  });

  it("D5 several workers share the work, each job runs once", async () => {
    const queues = await Promise.all([backend().open(), backend().open(), backend().open()]);
    const runs = new Map<string, number>();
    const [producer] = queues;
    const ids = await Promise.all(Array.from({ length: 60 }, (_, n) => producer.add(QUEUE, { n })));
    for (const queue of queues) {
      await works(
        queue,
        {
          [QUEUE]: (job) => {
            runs.set(job.id, (runs.get(job.id) ?? 0) + 1);
            return Promise.resolve({});
          },
        },
        2,
      );
    }
    await eventually("all ran", async () => (await producer.stats())[QUEUE].completed === 60, 20_000);
    assert.equal(runs.size, ids.length);
    assert.ok([...runs.values()].every((count) => count === 1));
  });
}
