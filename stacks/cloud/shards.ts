import * as pulumi from "@pulumi/pulumi";
import { FIRST_SHARD } from "../config/shards";
import type { StackConfig } from "../config/keys";
import type { CloudPlan } from "./sizing/types";

/** Names of the databases after the first one, as the app calls them: `s2`, `s3` … A name never changes: the database has it written in itself. */
export function furtherShards(count: number): readonly string[] {
  return Array.from({ length: Math.max(0, count - 1) }, (_, index) => `s${index + 2}`);
}

/**
 * Refuses what does not go together with the number of databases, which is known only when sizes are planned.
 * @throws RunError in one sentence.
 */
export function refuseShards({ secondRegion, databaseShardsForNew = [] }: StackConfig, { users, database }: CloudPlan): void {
  const names = [FIRST_SHARD, ...furtherShards(database.shards)];
  const nowhere = databaseShardsForNew.find((name) => !names.includes(name));
  if (nowhere !== undefined) {
    throw new pulumi.RunError(
      `databaseShardsForNew has "${nowhere}", and there ${database.shards === 1 ? "is one database" : `are ${database.shards} databases`}; ` +
        `allowed: ${names.join(", ")}. Fix: pulumi config set databaseShardsForNew ${names.join(",")}`,
    );
  }
  if (secondRegion !== undefined && database.shards > 1) {
    throw new pulumi.RunError(
      `secondRegion is ${secondRegion}, and companies are divided among ${database.shards} databases, whose copies there would be of different moments: ` +
        `a company that has just been moved could be in none of them; allowed in this version with ${users} users: one of the two. Fix: pulumi config rm secondRegion`,
    );
  }
}
