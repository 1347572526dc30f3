import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { migrate } from "../../app/src/db/migrate";
import { SqliteDatabase } from "../../app/src/db/sqlite";
import { MIGRATIONS } from "../app/db/support";
import { describeKilledWorkers } from "./support/job-faults";

describe("faults: job workers are killed, queue on SQLite", function () {
  this.timeout(60_000);
  let directory = "";
  let file = "";

  beforeEach(async () => {
    directory = mkdtempSync(path.join(tmpdir(), "phased-job-queue-"));
    file = path.join(directory, "app.db");
    const database = await SqliteDatabase.open({ file });
    await migrate(database, MIGRATIONS);
    await database.close();
  });
  afterEach(() => rmSync(directory, { recursive: true, force: true }));

  describeKilledWorkers(() => file);
});
