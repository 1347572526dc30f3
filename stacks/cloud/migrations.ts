import * as pulumi from "@pulumi/pulumi";
import { passwordVariable } from "../../app/src/db/shards/password-variable";
import { Migrations, type MigrationsArgs } from "../../components/aws/migrations";
import { taskLogGroup, TaskRoles } from "../../components/aws/service";
import {
  containerEnvironment,
  DATA_DIRECTORY,
  DATABASE_AUTHORITIES,
  databaseUrl,
  furtherAddresses,
} from "../../components/aws/service/environment";
import { type AppParts, keyOf } from "./app-parts";
import type { CloudTarget } from "./target";
import type { StackConfig } from "../config";

/** Where the task that migrates runs, and from what. */
type Placement = Pick<MigrationsArgs, "cluster" | "subnetIds" | "securityGroupId"> & Pick<MigrationsArgs["task"], "image" | "architecture">;

/**
 * Migrations, as the owner of the tables and past the pool: locks and long statements have no place in it. The task has roles of its own, so
 * that no other can be given the owner's password. It also makes the app's login, whose password it is therefore told.
 */
export function migrate(config: StackConfig, target: CloudTarget, parts: AppParts, placement: Placement): Migrations {
  const { context, provider } = target.home;
  const { logs, keys } = parts;
  const { image, architecture, cluster, subnetIds, securityGroupId } = placement;
  const logGroup = taskLogGroup("migrations-logs", { context, role: "migrations", logs }, { provider });
  const roles = new TaskRoles(
    "migrations-roles",
    {
      context,
      repositoryArns: parts.repositoryArns,
      logGroupArns: [logGroup.arn],
      secretArns: migrationSecretArns(parts),
      dataKeyArn: keys.arns.data,
      uses: {},
    },
    { provider },
  );
  const environment = containerEnvironment(migrationVariables(config, parts), migrationSecrets(parts));
  return new Migrations(
    "migrations",
    {
      context,
      task: { image, architecture, environment, logGroup, executionRoleArn: roles.execution.arn, taskRoleArn: roles.task.arn },
      roles: [roles.execution, roles.task],
      cluster,
      subnetIds,
      securityGroupId,
      logs,
    },
    { provider, dependsOn: [parts.network, ...parts.servers, ...roles.policies] },
  );
}

/**
 * What the migration is told, on every runtime. With several databases it is also what `move-company` needs to be told: replicas among it, which
 * that has to know to wait for them.
 */
export function migrationVariables(
  config: StackConfig,
  { database, shards = [], image }: AppParts,
): Record<string, pulumi.Input<string> | undefined> {
  const { owner: user, port, databaseName: name, replicaHosts } = database;
  const further = shards.map(({ name: shard, database: { primaryHost: host, replicaHosts: replicas } }) => ({
    name: shard,
    host,
    replicaHosts: replicas,
  }));
  return {
    NODE_ENV: "production",
    APP_NAME: pulumi.getProject(),
    APP_VERSION: image.version,
    LOG_LEVEL: config.logLevel,
    TMPDIR: DATA_DIRECTORY,
    DATABASE_CA: DATABASE_AUTHORITIES,
    DATABASE_URL: databaseUrl(user, database.primaryHost, port, name),
    ...(shards.length === 0 ? {} : furtherAddresses({ user, port, name, replicaHosts, shards: further })),
    DATABASE_APP_USER: database.user,
    ...(database.iam === undefined ? {} : { DATABASE_IAM_USER: database.iam.user }),
  };
}

/** The migration's secrets: it works as the owner, who has another password on each server, and makes the app's login. */
export function migrationSecrets({ database, shards = [], redisLimits }: AppParts): Record<string, pulumi.Input<string>> {
  return {
    DATABASE_PASSWORD: keyOf(database.secretArns.owner, "password"),
    ...Object.fromEntries(shards.map((shard) => [passwordVariable(shard.name), keyOf(shard.database.secretArns.owner, "password")])),
    DATABASE_APP_PASSWORD: keyOf(database.secretArns.user, "password"),
    REDIS_LIMITS_URL: redisLimits.urlSecretArn,
  };
}

/** The secrets it reads. */
export function migrationSecretArns({ database, shards = [], redisLimits }: AppParts): readonly pulumi.Output<string>[] {
  const { owner, user } = database.secretArns;
  return [owner, user, redisLimits.urlSecretArn, ...shards.map((shard) => shard.database.secretArns.owner)];
}
