/**
 * A process that creates patients, as many at the same time as it is told, and prints how many it could; for `quotas.test.ts`.
 * Arguments: database file or URL, company, user, count.
 */
import { SqliteDatabase } from "../../../app/src/db/sqlite";
import { TenantScope } from "../../../app/src/db/tenant";
import { HttpProblem } from "../../../app/src/http/problem";
import { createPatient } from "../../../app/src/patients/patients";
import { openPostgres } from "../../support/database";
import { newPatient } from "./support";

async function main(): Promise<void> {
  const [where = "", companyId = "", userId = "", count = "0"] = process.argv.slice(2);
  const database = where.startsWith("postgres:")
    ? await openPostgres(where, { lockWaitMs: 30_000 })
    : await SqliteDatabase.open({ file: where, lockWaitMs: 30_000 });
  const scope = new TenantScope(database, companyId);
  const patient = { ...newPatient(), email: null, phone: null, notes: "" };
  const outcomes = await Promise.allSettled(Array.from({ length: Number(count) }, () => createPatient(scope, userId, patient)));
  let refused = 0;
  for (const outcome of outcomes) {
    if (outcome.status === "fulfilled") continue;
    if (!(outcome.reason instanceof HttpProblem) || outcome.reason.kind !== "quota-exceeded") throw outcome.reason;
    refused += 1;
  }
  await database.close();
  process.stdout.write(JSON.stringify({ created: outcomes.length - refused, refused }));
}

main().catch((error: unknown) => {
  process.stderr.write(`${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`);
  process.exitCode = 1;
});
