import assert from "node:assert/strict";
import type { Backplane, BackplaneListener, BackplaneMessage } from "../../../app/src/realtime/backplane";
import { eventually } from "../../support/services/container";

/** Members of one backplane in a test; each stands for a process. */
export interface BackplaneMembers {
  readonly members: readonly Backplane[];
  readonly received: readonly BackplaneMessage[][];
  close(): Promise<void>;
}

/** Makes members and waits until all of them hear each other. */
export type BackplaneFactory = (count: number) => Promise<BackplaneMembers>;

/** Collects what a member receives. */
export function collector(): { readonly listener: BackplaneListener; readonly received: BackplaneMessage[]; readonly gaps: () => number } {
  const received: BackplaneMessage[] = [];
  let gaps = 0;
  return { received, gaps: () => gaps, listener: { message: (message) => received.push(message), gap: () => (gaps += 1) } };
}

const deliver = (text: string): BackplaneMessage => ({ kind: "deliver", channels: ["user:a:b", "company-admin:a"], text });

/** What every backplane promises. */
export function backplaneContract(name: string, create: BackplaneFactory): void {
  describe(`D7 backplane contract: ${name}`, () => {
    let rig: BackplaneMembers;
    beforeEach(async () => (rig = await create(3)));
    afterEach(() => rig.close());

    it("D7 reaches every other member once, and never comes back", async () => {
      rig.members[0]!.publish(deliver("from 0"));
      rig.members[1]!.publish(deliver("from 1"));
      const texts = (index: number) => rig.received[index]!.map((message) => (message.kind === "deliver" ? message.text : "")).sort();
      await eventually("all arrived", () => rig.received[2]!.length >= 2 && rig.received[0]!.length >= 1 && rig.received[1]!.length >= 1);
      // Whoever gets it last got everything before.
      rig.members[2]!.publish(deliver("last"));
      await eventually("the last one arrived", () => texts(0).includes("last") && texts(1).includes("last"));
      assert.deepEqual(
        [texts(0), texts(1), texts(2)],
        [
          ["from 1", "last"],
          ["from 0", "last"],
          ["from 0", "from 1"],
        ],
      );
    });

    it("D7 keeps the order of a sender, and every character", async () => {
      const all = Array.from({ length: 200 }, (_, index) => deliver(JSON.stringify({ index, text: 'ü ☃ \u2028 "\\' })));
      for (const message of all) rig.members[0]!.publish(message);
      await eventually("all arrived", () => rig.received[1]!.length === 200 && rig.received[2]!.length === 200);
      assert.deepEqual(rig.received[1], all);
      assert.deepEqual(rig.received[2], all);
    });

    it("D7 carries the end of sessions", async () => {
      rig.members[1]!.publish({ kind: "end-sessions", idHashes: ["one", "two"] });
      await eventually("it arrived", () => rig.received[0]!.length === 1);
      assert.deepEqual(rig.received[0], [{ kind: "end-sessions", idHashes: ["one", "two"] }]);
    });

    it("D7 a member that left hears nothing more, the others go on", async () => {
      await rig.members[2]!.close();
      rig.members[0]!.publish(deliver("after"));
      await eventually("it arrived", () => rig.received[1]!.length === 1);
      assert.equal(rig.received[2]!.length, 0);
    });

    it("D7 says that it is connected", async () => {
      await eventually("all are connected", () => rig.members.every((member) => member.connected()));
    });
  });
}
