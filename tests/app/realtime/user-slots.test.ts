import assert from "node:assert/strict";
import cluster, { Worker } from "node:cluster";
import { receiveFromWorker } from "../../../app/src/cluster/channel";
import type { FromPrimary } from "../../../app/src/cluster/ipc";
import { countConnectionsInPrimary } from "../../../app/src/realtime/user-slots";

describe("D7 places of users over all workers of an instance", () => {
  it("D7 a worker that died keeps no place, even if what it asked last is read after its exit", () => {
    countConnectionsInPrimary();
    const take = (worker: number): FromPrimary | undefined => {
      const answers: FromPrimary[] = [];
      const payload = { kind: "take", user: "company user", slot: 1, most: 1 };
      const ask = { phased: "channel-asks", asks: [{ id: 1, topic: "realtime-slots", payload }] } as const;
      receiveFromWorker(ask, worker, (answer) => answers.push(answer));
      return answers[0];
    };
    const answered = (value: boolean): FromPrimary => ({ phased: "channel-answers", answers: [{ id: 1, value }] });
    const dead = Object.assign(Object.create(Worker.prototype) as Worker, { id: 7 });
    assert.deepEqual(take(7), answered(true));
    assert.deepEqual(take(8), answered(false));
    cluster.emit("exit", dead, 0, "SIGKILL");
    assert.deepEqual(take(7), answered(true), "a question that was still on the channel");
    cluster.emit("disconnect", dead);
    assert.deepEqual(take(8), answered(true));
  });
});
