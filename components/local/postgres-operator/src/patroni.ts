import type { Settings } from "./settings";

/** Longest wait for an answer of a node that only tells its state, ms. */
const TIMEOUT_MS = 1500;

/** What a node says of itself (`GET /patroni` of Patroni 4.0); only what is used here. */
export interface NodeState {
  readonly state: string;
  /** By `pg_is_in_recovery()` while Postgres answers. */
  readonly role: string;
  readonly timeline?: number;
  readonly xlog?: { readonly location?: number; readonly received_location?: number; readonly replayed_location?: number };
  readonly replication_state?: string;
  /** Of a primary: who streams from it. */
  readonly replication?: readonly { readonly application_name?: string; readonly state?: string; readonly sync_state?: string }[];
  readonly pause?: boolean;
  readonly pending_restart?: boolean;
}

/** Whether it takes writes: it is no standby (any more). */
export function isWritable({ state, role }: NodeState): boolean {
  return state === "running" && role === "primary";
}

/** Patroni's REST API of the nodes. */
export class Patroni {
  constructor(private readonly settings: Pick<Settings, "patroni">) {}

  /** What a node says of itself; `undefined` when it does not answer. */
  async state(node: string, timeoutMs = TIMEOUT_MS): Promise<NodeState | undefined> {
    try {
      const answer = await fetch(this.#url(node, "/patroni"), { signal: AbortSignal.timeout(timeoutMs) });
      return (await answer.json()) as NodeState;
    } catch {
      // Whoever asks treats a node that cannot be reached and one that talks nonsense the same.
      return undefined;
    }
  }

  /**
   * Asks the primary to hand over. It answers after it has done so, in whole seconds; look at the new one instead of waiting for that.
   * @returns what Patroni says when it refuses or fails, else `undefined`.
   */
  async handOver(primary: string, candidate: string, signal: AbortSignal): Promise<string | undefined> {
    const { user, password } = this.settings.patroni;
    const answer = await fetch(this.#url(primary, "/switchover"), {
      method: "POST",
      headers: { "Content-Type": "application/json", Authorization: `Basic ${Buffer.from(`${user}:${password}`).toString("base64")}` },
      body: JSON.stringify({ leader: primary, candidate }),
      signal,
    });
    const text = (await answer.text()).trim();
    return answer.ok ? undefined : `${answer.status} ${text.slice(0, 200)}`;
  }

  #url(node: string, path: string): string {
    return `http://${node}:${this.settings.patroni.port}${path}`;
  }
}
