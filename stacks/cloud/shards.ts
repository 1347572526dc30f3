import * as pulumi from "@pulumi/pulumi";
import { FIRST_SHARD } from "../config/shards";
import type { StackConfig } from "../config/keys";
import type { CloudPlan } from "./sizing/types";

/** Names of the databases after the first one, as the app calls them: `s2`, `s3` … A name never changes: the database has it written in itself. */
export function furtherShards(count: number): readonly string[] {
  return Array.from({ length: Math.max(0, count - 1) }, (_, index) => `s${index + 2}`);
}

/**
 * Most servers and pools that the app's role names where it logs in with tokens: a role's own policies have 10,240 characters (IAM user guide, "IAM and STS
 * quotas"), an ARN of a user in Postgres 90, and the rest of that role's up to 3,500.
 */
const MOST_LOGINS = 70;

/**
 * Refuses what does not go together with the number of databases, which is known only when sizes are planned.
 * @throws RunError in one sentence.
 */
export function refuseShards(config: StackConfig, { users, database }: CloudPlan): void {
  const { secondRegion, databaseShardsForNew = [], databaseLogin } = config;
  const names = [FIRST_SHARD, ...furtherShards(database.shards)];
  const nowhere = databaseShardsForNew.find((name) => !names.includes(name));
  if (nowhere !== undefined) {
    throw new pulumi.RunError(
      `databaseShardsForNew has "${nowhere}", and there ${database.shards === 1 ? "is one database" : `are ${database.shards} databases`}; ` +
        `allowed: ${names.join(", ")}. Fix: pulumi config set databaseShardsForNew ${names.join(",")}`,
    );
  }
  const logins = database.shards * (1 + database.replicas);
  if (databaseLogin === "iam" && logins > MOST_LOGINS) {
    throw new pulumi.RunError(
      `databaseLogin is iam, and with ${database.shards} databases of ${database.replicas} replicas the app's role would name ${logins} servers and pools, which do not fit into its policy; ` +
        `allowed: at most ${MOST_LOGINS}, or password. Fix: pulumi config set databaseLogin password`,
    );
  }
  if (secondRegion !== undefined && database.shards > 1) {
    throw new pulumi.RunError(
      `secondRegion is ${secondRegion}, and companies are divided among ${database.shards} databases, whose copies there would be of different moments: ` +
        `a company that has just been moved could be in none of them; allowed in this version with ${users} users: one of the two. Fix: pulumi config rm secondRegion`,
    );
  }
}
