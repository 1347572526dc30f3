import { setTimeout as delay } from "node:timers/promises";
import type { Client } from "pg";
import { containerAddress, dockerCommand } from "./container";
import type { PatroniGroup } from "./patroni";
import { PATRONI_PORT } from "../../../components/local/postgres";

/** Table the load writes to. */
export const WRITTEN = "CREATE TABLE IF NOT EXISTS written (id bigint PRIMARY KEY)";

/** Pause between two statements of one client, ms. */
const PACE_MS = 20;

/** Clients that write one row after the other, each on a connection of its own, which it opens anew when it is lost. */
export class WriteLoad {
  /** Numbers whose INSERT was acknowledged. */
  readonly acknowledged: number[] = [];
  /** Why statements and connections failed. */
  readonly failures: string[] = [];
  #longestGapMs = 0;
  #lastAt = performance.now();
  #running = true;
  readonly #done: Promise<unknown>;

  /** @param from numbers are taken from here on. */
  constructor(connect: () => Client, clients: number, from: number) {
    let next = from;
    this.#done = Promise.all(Array.from({ length: clients }, () => this.#write(connect, () => next++)));
  }

  /** Longest time between two acknowledgements of anybody, up to now, ms. */
  get longestGapMs(): number {
    return Math.round(Math.max(this.#longestGapMs, performance.now() - this.#lastAt));
  }

  async stop(): Promise<void> {
    this.#running = false;
    await this.#done;
  }

  async #write(connect: () => Client, take: () => number): Promise<void> {
    let client: Client | undefined;
    while (this.#running) {
      const id = take();
      try {
        if (client === undefined) {
          client = connect();
          await client.connect();
        }
        await client.query("INSERT INTO written (id) VALUES ($1)", [id]);
        const now = performance.now();
        this.#longestGapMs = Math.max(this.#longestGapMs, now - this.#lastAt);
        this.#lastAt = now;
        this.acknowledged.push(id);
      } catch (error) {
        // Not acknowledged: what became of it does not count.
        this.failures.push((error as Error).message);
        client?.end().catch(() => undefined);
        client = undefined;
      }
      await delay(PACE_MS);
    }
    await client?.end();
  }
}

/**
 * Asks all nodes who is primary, over and over, at their own addresses.
 * @returns what stops it, and tells the most that said so at the same time: two looks in a row, as an answer may be late.
 */
export function watchPrimaries({ nodes }: PatroniGroup): () => Promise<number> {
  let [watching, most, before] = [true, 0, 0];
  const isPrimary = async (container: string): Promise<boolean> => {
    const address = await containerAddress(container).catch(() => "");
    if (address === "") return false;
    const answer = await fetch(`http://${address}:${PATRONI_PORT}/primary`, { method: "HEAD", signal: AbortSignal.timeout(1000) }).catch(
      () => undefined,
    );
    return answer?.status === 200;
  };
  const done = (async () => {
    while (watching) {
      const now = (await Promise.all(nodes.map(({ container }) => isPrimary(container)))).filter(Boolean).length;
      most = Math.max(most, Math.min(now, before));
      before = now;
      await delay(100);
    }
  })();
  return async () => {
    watching = false;
    await done;
    return most;
  };
}

/** Numbers that were acknowledged and that this node does not have. */
export async function lostOn(container: string, acknowledged: readonly number[]): Promise<number[]> {
  // Over the server's own socket: a node may be unreachable from here, and its password is in its container.
  const printed = await dockerCommand([
    ...["exec", container, "bash", "-c"],
    'PGPASSWORD=$(cat "$POSTGRES_PASSWORD_FILE") psql --no-psqlrc --tuples-only --no-align --username postgres --command "SELECT id FROM written" app',
  ]);
  const kept = new Set(printed.split("\n").map(Number));
  return acknowledged.filter((id) => !kept.has(id));
}
