import assert from "node:assert/strict";
import { destroyInstances, startInstance } from "./support/instance";
import { get, Load } from "./support/load";
import { programs } from "./support/programs";

describe("faults: the example of an existing app, wrapped", function () {
  this.timeout(120_000);
  before(() => {
    assert.ok(programs().example);
  });
  afterEach(destroyInstances);

  it("C7 starts with its workers, reloads and drains under load without a failed request", async () => {
    const instance = await startInstance("example", { RATE_LIMITS: "off" });
    const load = new Load(`${instance.url}/report`, 30, 10);
    await load.answered(20);
    const since = instance.lines.length;
    instance.signal("SIGHUP");
    await instance.message("rolling reload finished", since);
    await load.answered(20);
    const outcomes = await load.stop();
    assert.deepEqual(
      outcomes.filter(({ status }) => status !== 200),
      [],
    );
    // What is in flight when the end is asked for is answered.
    const last = get(`${instance.url}/report`);
    instance.signal("SIGTERM");
    assert.equal((await last).status, 200);
    assert.deepEqual(await instance.exited, { code: 0, signal: null });
  });
});
