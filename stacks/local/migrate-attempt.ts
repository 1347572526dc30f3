import { MIGRATE_SERVICE } from "../../components/local/migrate";
import { type Attempt, attemptsOf } from "./attempts";
import type { EndpointSettings } from "./docker-endpoint";

/**
 * Which attempt of migrating this update is: that of the newest container where it ended well, so that nothing is done without a reason, else
 * the next one.
 * @throws the error of Docker: what is not known here must not be guessed.
 */
export async function migrateAttempt(settings?: EndpointSettings): Promise<number> {
  return nextMigration(await attemptsOf(MIGRATE_SERVICE, settings));
}

/**
 * Exported for tests. The newest counts, not any that ended well: after one that failed with another image the one from before is still there, and
 * with its number the failed one would be taken for it.
 */
export function nextMigration(attempts: readonly Attempt[]): number {
  const newest = attempts.toSorted((a, b) => b.createdAt - a.createdAt || b.number - a.number).at(0);
  if (newest === undefined) return 1;
  return newest.status.startsWith("Exited (0)") ? newest.number : Math.max(...attempts.map(({ number }) => number)) + 1;
}
