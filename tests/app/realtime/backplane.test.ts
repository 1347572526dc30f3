import { ProcessBackplane, type ProcessChannel } from "../../../app/src/realtime/backplane";
import { backplaneContract, collector } from "./backplane-contract";

/** The channel between processes as each of them sees it; the real one has its own test, with real processes. */
function channels(count: number): ProcessChannel[] {
  const listeners = Array.from({ length: count }, () => new Set<(payload: unknown) => void>());
  return listeners.map((own) => ({
    broadcast: (_topic, payload) => {
      const copy: unknown = structuredClone(payload);
      for (const others of listeners)
        if (others !== own) for (const listener of others) setImmediate(() => others.has(listener) && listener(copy));
    },
    onBroadcast: (_topic, listener) => {
      own.add(listener);
      return () => own.delete(listener);
    },
  }));
}

backplaneContract("processes", (count) => {
  const collected = Array.from({ length: count }, collector);
  const members = channels(count).map((channel, index) => new ProcessBackplane(collected[index]!.listener, channel));
  return Promise.resolve({
    members,
    received: collected.map(({ received }) => received),
    close: async () => {
      await Promise.all(members.map((member) => member.close()));
    },
  });
});
