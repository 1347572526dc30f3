// Runs in Lambda, called by Secrets Manager in four steps: the password of the owner of the tables, changed through RDS and not in SQL.

/** Milliseconds between two looks at the server. */
const POLL_MS = 5000;

/** Milliseconds kept of Lambda's own time limit to say what has happened. */
const MARGIN_MS = 10_000;

/** Letters and digits of a password: what may stand in an address as it is. */
const LENGTH = 48;

/**
 * One step of a rotation. Each may be repeated: Secrets Manager does so when one failed.
 * @param {{Step: string, SecretId: string, ClientRequestToken: string}} event
 * @param {{describeSecret: Function, getSecretValue: Function, putSecretValue: Function, updateSecretVersionStage: Function,
 *   getRandomPassword: Function, modifyDBInstance: Function, describeDBInstances: Function, sleep: (ms: number) => Promise<void>,
 *   remainingMs: () => number}} cloud what is asked of AWS
 * @param {string} instance identifier of the database server
 * @throws {Error} when the version is none of this rotation, or the server has not taken the password in time
 */
export async function rotate(event, cloud, instance) {
  const { Step: step, SecretId: secretId, ClientRequestToken: token } = event;
  const { VersionIdsToStages: stages = {} } = await cloud.describeSecret({ SecretId: secretId });
  const own = stages[token];
  if (own === undefined) throw new Error(`the secret has no version ${token} to rotate to`);
  if (own.includes("AWSCURRENT")) return;
  if (!own.includes("AWSPENDING")) throw new Error(`version ${token} of the secret is not AWSPENDING`);
  switch (step) {
    case "createSecret":
      return create(secretId, token, cloud);
    case "setSecret":
      return set(secretId, token, cloud, instance);
    case "testSecret":
      return wait(cloud, instance);
    case "finishSecret":
      return finish(secretId, token, stages, cloud);
    default:
      throw new Error(`${step} is not a step of a rotation`);
  }
}

async function create(secretId, token, cloud) {
  const pending = { SecretId: secretId, VersionId: token, VersionStage: "AWSPENDING" };
  try {
    await cloud.getSecretValue(pending);
    return;
  } catch (error) {
    // Made by the first attempt at this step otherwise.
    if (error?.name !== "ResourceNotFoundException") throw error;
  }
  const { SecretString: current } = await cloud.getSecretValue({ SecretId: secretId, VersionStage: "AWSCURRENT" });
  const { RandomPassword: password } = await cloud.getRandomPassword({ PasswordLength: LENGTH, ExcludePunctuation: true });
  const content = JSON.stringify({ ...JSON.parse(current), password });
  await cloud.putSecretValue({ SecretId: secretId, ClientRequestToken: token, SecretString: content, VersionStages: ["AWSPENDING"] });
}

async function set(secretId, token, cloud, instance) {
  const { SecretString: content } = await cloud.getSecretValue({ SecretId: secretId, VersionId: token, VersionStage: "AWSPENDING" });
  const { password } = JSON.parse(content);
  await cloud.modifyDBInstance({ DBInstanceIdentifier: instance, MasterUserPassword: password, ApplyImmediately: true });
}

/** The server takes a new password some seconds after it was told; until then it says that one is pending. */
async function wait(cloud, instance) {
  while (cloud.remainingMs() > MARGIN_MS) {
    await cloud.sleep(POLL_MS);
    const { DBInstances: servers } = await cloud.describeDBInstances({ DBInstanceIdentifier: instance });
    const server = servers?.[0];
    if (server?.DBInstanceStatus === "available" && server.PendingModifiedValues?.MasterUserPassword === undefined) return;
  }
  throw new Error(`the database ${instance} has not taken the new password yet; Secrets Manager tries again`);
}

async function finish(secretId, token, stages, cloud) {
  const current = Object.keys(stages).find((version) => stages[version].includes("AWSCURRENT"));
  const move = { SecretId: secretId, VersionStage: "AWSCURRENT", MoveToVersionId: token };
  await cloud.updateSecretVersionStage(current === undefined ? move : { ...move, RemoveFromVersionId: current });
}

/** Lambda's entry. The SDKs are part of Lambda's runtime. */
export async function handler(event, context) {
  const [secrets, rds] = await Promise.all([import("@aws-sdk/client-secrets-manager"), import("@aws-sdk/client-rds")]);
  const { setTimeout: sleep } = await import("node:timers/promises");
  const [keeper, database] = [new secrets.SecretsManagerClient({}), new rds.RDSClient({})];
  const cloud = {
    describeSecret: (input) => keeper.send(new secrets.DescribeSecretCommand(input)),
    getSecretValue: (input) => keeper.send(new secrets.GetSecretValueCommand(input)),
    putSecretValue: (input) => keeper.send(new secrets.PutSecretValueCommand(input)),
    updateSecretVersionStage: (input) => keeper.send(new secrets.UpdateSecretVersionStageCommand(input)),
    getRandomPassword: (input) => keeper.send(new secrets.GetRandomPasswordCommand(input)),
    modifyDBInstance: (input) => database.send(new rds.ModifyDBInstanceCommand(input)),
    describeDBInstances: (input) => database.send(new rds.DescribeDBInstancesCommand(input)),
    sleep,
    remainingMs: () => context.getRemainingTimeInMillis(),
  };
  return rotate(event, cloud, process.env.DATABASE_INSTANCE);
}
