import cluster, { type Worker } from "node:cluster";
import { answerInPrimary, askPrimary } from "../cluster/channel";

const TOPIC = "realtime-slots";

/** Longest wait for the primary, ms; then each worker counts for itself. */
const DEADLINE_MS = 2000;

/** `take` asks for a place of this user, `give` hands one back; `slot` is one connection of the asking worker. */
type Ask =
  | { readonly kind: "take"; readonly user: string; readonly slot: number; readonly most: number }
  | { readonly kind: "give"; readonly user: string; readonly slot: number };

/** In the primary, before workers start: which connections each user has, on all workers. */
export function countConnectionsInPrimary(): void {
  const users = new Map<string, Set<string>>();
  const leave = (user: string, places: Set<string>, place: string): void => {
    places.delete(place);
    if (places.size === 0) users.delete(user);
  };
  answerInPrimary(TOPIC, (payload, worker) => {
    const ask = payload as Ask;
    const place = `${worker} ${ask.slot}`;
    const places = users.get(ask.user) ?? new Set();
    if (ask.kind === "give") {
      leave(ask.user, places, place);
      return true;
    }
    if (places.size >= ask.most) return false;
    users.set(ask.user, places.add(place));
    return true;
  });
  // A worker that died hands nothing back.
  const forget = ({ id }: Worker): void => {
    for (const [user, places] of users) {
      for (const place of places) if (place.startsWith(`${id} `)) leave(user, places, place);
    }
  };
  cluster.on("exit", forget);
  // What it asked last may be read after its exit; from here on there is nothing more to read.
  cluster.on("disconnect", forget);
}

/** Places of users for connections, counted over all workers of an instance. */
export class UserSlots {
  #last = 0;

  /**
   * Takes a place.
   * @param user who it is for, the same text in every worker.
   * @param most places the user may have.
   * @returns how to hand it back, to be called once or more; `undefined` when the user has them all.
   * @throws Error (rejects) when the primary does not answer; nothing is taken then.
   */
  async take(user: string, most: number): Promise<(() => void) | undefined> {
    const slot = ++this.#last;
    // The primary knows which places there are, so handing back one that was never taken does nothing.
    const give = (): void => {
      askPrimary<boolean>(TOPIC, { kind: "give", user, slot } satisfies Ask, DEADLINE_MS).catch(() => {
        // A primary that is gone takes this worker, and its places, with it.
      });
    };
    try {
      return (await askPrimary<boolean>(TOPIC, { kind: "take", user, slot, most } satisfies Ask, DEADLINE_MS)) ? give : undefined;
    } catch (error) {
      // It may have heard the question, and only the answer is late.
      give();
      throw error;
    }
  }
}
