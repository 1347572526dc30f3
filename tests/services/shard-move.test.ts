import assert from "node:assert/strict";
import { loadConfig } from "../../app/src/config";
import { products } from "../../app/src/db/domain-tables";
import { alone, closeSessions, openSessions } from "../../app/src/db/shards/move/command";
import { TenantScope } from "../../app/src/db/tenant";
import { COMPANY, MoveRig } from "../support/services/company-move";
import { type PostgresGroup, startPostgres } from "../support/services/postgres";

const PRODUCT = `r${"0".repeat(23)}`;

describe("A17 a company is moved while it is used", function () {
  this.timeout(120_000);
  let postgres: PostgresGroup;
  let rig: MoveRig;
  before(async () => {
    postgres = await startPostgres();
  });
  after(() => postgres.remove());
  beforeEach(async () => {
    rig = await MoveRig.start(postgres);
  });
  afterEach(() => rig.stop());

  it("A17 nothing that was acknowledged is lost or doubled, no write fails, and every read sees it: there and back", async () => {
    const before = await rig.rowsIn("first");
    assert.ok(Object.keys(before).length >= 20, `rows in every table that moves: ${Object.keys(before).join(", ")}`);
    const running = rig.write();
    for (const to of ["s2", "first"]) {
      const sent = running.acknowledged.length;
      const result = await rig.move(to);
      assert.ok(result.heldMs > 0 && result.heldMs < 3000, `writes were held for ${result.heldMs} ms`);
      assert.ok(running.acknowledged.length > sent + 20, "written while it moved");
      assert.deepEqual(running.failures, []);
      await running.more(20);
    }
    await running.stop();
    assert.deepEqual(running.failures, []);
    await rig.assertMoved("first", running.acknowledged);
    const after = await rig.rowsIn("first");
    for (const [table, rows] of Object.entries(before)) assert.ok((after[table] ?? 0) >= rows, `${table}: ${after[table]} of ${rows}`);
    assert.equal((await new TenantScope(rig.processes[0], COMPANY).table(products).find(PRODUCT))?.priceCents, 9_007_199_254_740_991);
  });

  it("A17 two runs never move one company at the same time, whatever their targets", async () => {
    const config = loadConfig(rig.environment);
    // The last one has nothing in common with the others but the place that the company leaves, as a run to a third database.
    const opened = await Promise.all(["s2", "s2", "first"].map((to) => openSessions(config, "first", to)));
    try {
      const [running, same, elsewhere] = opened;
      assert.ok(running && same && elsewhere);
      await alone(running, COMPANY);
      for (const other of [same, elsewhere]) await assert.rejects(alone(other, COMPANY), /another run is moving this company/);
      await alone(elsewhere, "another-company");
    } finally {
      await Promise.all(opened.map((sessions) => closeSessions(sessions)));
    }
  });
});
