import assert from "node:assert/strict";
import { Lock } from "../../../components/local/postgres-operator/src/lock";

/** etcd with one key. */
class OneKey {
  held: { readonly value: string; readonly lease: string } | undefined;
  #leases = 0;

  get(): Promise<OneKey["held"]> {
    return Promise.resolve(this.held);
  }

  grant(): Promise<string> {
    this.#leases += 1;
    return Promise.resolve(String(this.#leases));
  }

  keepAlive(): Promise<void> {
    return Promise.resolve();
  }

  create(_key: string, value: string, lease: string): Promise<boolean> {
    if (this.held !== undefined) return Promise.resolve(false);
    this.held = { value, lease };
    return Promise.resolve(true);
  }

  revoke(lease: string): Promise<void> {
    if (this.held?.lease === lease) this.held = undefined;
    return Promise.resolve();
  }
}

describe("F2 the lock of the switchover", () => {
  it("F2 one operator has it at a time, and sees when it is the other", async () => {
    const etcd = new OneKey();
    const [one, two] = [new Lock(etcd, "/switchover", "one"), new Lock(etcd, "/switchover", "two")];
    const giveBack = await one.take();
    assert.ok(giveBack !== undefined);
    assert.equal(await two.take(), undefined);
    assert.equal(await two.isElsewhere(), true);
    await giveBack();
    assert.equal(await two.isElsewhere(), false);
    const after = await two.take();
    assert.ok(after !== undefined);
    await after();
  });

  it("F2 asking whether it is elsewhere does not take it away from a switchover under way here", async () => {
    const etcd = new OneKey();
    const lock = new Lock(etcd, "/switchover", "one");
    const giveBack = await lock.take();
    assert.equal(await lock.isElsewhere(), false);
    assert.equal(etcd.held?.value, "one");
    await giveBack?.();
    assert.equal(etcd.held, undefined);
  });

  it("F2 what an operator left behind in a former life is removed", async () => {
    const etcd = new OneKey();
    etcd.held = { value: "one", lease: "99" };
    assert.equal(await new Lock(etcd, "/switchover", "one").isElsewhere(), false);
    assert.equal(etcd.held, undefined);
  });
});
