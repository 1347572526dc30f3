import assert from "node:assert/strict";
import cluster from "node:cluster";
import {
  answerInPrimary,
  askPrimary,
  broadcast,
  connectWorkers,
  onBroadcast,
  receiveFromPrimary,
  receiveFromWorker,
} from "../../../app/src/cluster/channel";
import type { FromPrimary } from "../../../app/src/cluster/ipc";

describe("messages between the processes of an instance", () => {
  it("without a primary a broadcast reaches nobody, and questions are answered here", async () => {
    const received: unknown[] = [];
    const stop = onBroadcast("alone", (payload) => received.push(payload));
    broadcast("alone", "anyone?");
    stop();
    assert.deepEqual(received, []);
    answerInPrimary("double", (payload, worker) => [(payload as number) * 2, worker]);
    assert.deepEqual(await askPrimary("double", 21, 1000), [42, 0]);
  });

  it("a topic has one who answers; a topic without is an error that names it", async () => {
    answerInPrimary("taken", () => undefined);
    assert.throws(() => answerInPrimary("taken", () => undefined), /questions about taken are answered already/);
    await assert.rejects(askPrimary("nobody", 1, 1000), /nobody answers questions about nobody/);
  });

  it("the primary hands a broadcast to all workers but its sender, and to itself", () => {
    const sent: { readonly message: FromPrimary; readonly except: number }[] = [];
    connectWorkers((message, except) => sent.push({ message, except }));
    try {
      const own: unknown[] = [];
      const stop = onBroadcast("news", (payload) => own.push(payload));
      receiveFromWorker({ phased: "broadcast", topic: "news", payload: { n: 1 } }, 7, assertNoReply);
      stop();
      receiveFromWorker({ phased: "broadcast", topic: "news", payload: { n: 2 } }, 7, assertNoReply);
      assert.deepEqual(own, [{ n: 1 }], "until it stopped listening");
      assert.deepEqual(
        sent.map(({ except }) => except),
        [7, 7],
      );
      broadcast("news", { n: 3 });
      assert.deepEqual(sent[2], { message: { phased: "broadcast", topic: "news", payload: { n: 3 } }, except: 0 });
    } finally {
      connectWorkers(() => undefined);
    }
  });

  it("answers that are there go back in one message, later ones by themselves, errors as their sentence", async () => {
    let finish: (value: string) => void = () => undefined;
    answerInPrimary("now", (payload, worker) => `${String(payload)} of ${worker}`);
    answerInPrimary("later", () => new Promise((resolve) => (finish = resolve)));
    answerInPrimary("broken", () => {
      throw new Error("no idea");
    });
    const replies: FromPrimary[] = [];
    const asks = ["later", "now", "broken", "unknown"].map((topic, id) => ({ id, topic, payload: "question" }));
    receiveFromWorker({ phased: "channel-asks", asks }, 3, (message) => replies.push(message));
    assert.deepEqual(replies, [
      {
        phased: "channel-answers",
        answers: [
          { id: 1, value: "question of 3" },
          { id: 2, error: "no idea" },
          { id: 3, error: "nobody answers questions about unknown" },
        ],
      },
    ]);
    finish("at last");
    await new Promise((resolve) => setImmediate(resolve));
    assert.deepEqual(replies[1], { phased: "channel-answers", answers: [{ id: 0, value: "at last" }] });
  });

  it("a worker whose primary does not answer gets an error in time; an answer that comes too late is dropped", async () => {
    assert.ok(cluster.isPrimary);
    const worker = Object.getOwnPropertyDescriptor(cluster, "isWorker");
    assert.ok(worker);
    Object.defineProperty(cluster, "isWorker", { ...worker, value: true });
    try {
      await assert.rejects(askPrimary("silence", 1, 20), /the primary process did not answer about silence within 20 ms/);
    } finally {
      Object.defineProperty(cluster, "isWorker", worker);
    }
    receiveFromPrimary({ phased: "channel-answers", answers: [{ id: 1, value: "late" }] });
  });
});

function assertNoReply(): void {
  assert.fail("a broadcast has no answer");
}
