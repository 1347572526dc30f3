import type { Etcd } from "./etcd";
import { log, reasonOf } from "./log";

/** For how long the lock outlives an operator that died with it, seconds; kept alive three times as often. */
const LEASE_SECONDS = 10;

/** Held by one operator at a time: while the operator is replaced there are two, and one of them may conduct a switchover. */
export class Lock {
  /** Of the lock that this operator has, or is about to have, in this life. */
  #lease: string | undefined;

  /** @param key in etcd. @param owner name of this operator, the same after it starts again. */
  constructor(
    private readonly etcd: Pick<Etcd, "get" | "grant" | "keepAlive" | "create" | "revoke">,
    private readonly key: string,
    private readonly owner: string,
  ) {}

  /** Takes it and keeps it until it is given back. @returns what gives it back, or `undefined` when another has it. */
  async take(): Promise<(() => Promise<void>) | undefined> {
    const lease = await this.etcd.grant(LEASE_SECONDS);
    this.#lease = lease;
    if (!(await this.etcd.create(this.key, this.owner, lease))) {
      await this.etcd.revoke(lease);
      return undefined;
    }
    const timer = setInterval(
      () => {
        this.etcd
          .keepAlive(lease)
          .catch((error: unknown) => log("warn", "the lock of the switchover is not kept", { reason: reasonOf(error) }));
      },
      (LEASE_SECONDS * 1000) / 3,
    );
    return async () => {
      clearInterval(timer);
      this.#lease = undefined;
      await this.etcd.revoke(lease);
    };
  }

  /** Whether another operator has it. What this one left behind in a former life is removed. */
  async isElsewhere(): Promise<boolean> {
    const held = await this.etcd.get(this.key);
    if (held === undefined) return false;
    if (held.value !== this.owner) return true;
    if (held.lease !== this.#lease) await this.etcd.revoke(held.lease);
    return false;
  }
}
