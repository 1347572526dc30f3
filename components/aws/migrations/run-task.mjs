// Runs in Lambda, called by `pulumi up`: starts one task of ECS and waits until it has ended.

/** Milliseconds between two looks at the task. */
const POLL_MS = 3000;

/** Milliseconds kept of Lambda's own time limit to say what has happened. */
const MARGIN_MS = 15_000;

/**
 * Starts the task and waits for it.
 * @param {{cluster: string, taskDefinition: string, subnets: string[], securityGroups: string[], container: string, logGroup: string}} event
 * @param {{runTask: (input: object) => Promise<any>, describeTasks: (input: object) => Promise<any>, sleep: (ms: number) => Promise<void>,
 *   remainingMs: () => number}} ecs what is asked of AWS
 * @returns {Promise<{task: string, exitCode: number}>}
 * @throws {Error} when it did not start, ended with another status than 0, or has not ended in time: the update stops there
 */
export async function runTask(event, ecs) {
  const { cluster, taskDefinition, subnets, securityGroups, container, logGroup } = event;
  const started = await ecs.runTask({
    cluster,
    taskDefinition,
    count: 1,
    // The same revision is asked for again only after it failed, and then it has to run again.
    launchType: "FARGATE",
    platformVersion: "LATEST",
    propagateTags: "TASK_DEFINITION",
    networkConfiguration: { awsvpcConfiguration: { subnets, securityGroups, assignPublicIp: "DISABLED" } },
  });
  const task = started.tasks?.[0]?.taskArn;
  if (task === undefined) throw new Error(`the migration did not start: ${reasons(started.failures)}`);
  while (ecs.remainingMs() > MARGIN_MS) {
    await ecs.sleep(POLL_MS);
    const described = await ecs.describeTasks({ cluster, tasks: [task] });
    const found = described.tasks?.[0];
    if (found === undefined) throw new Error(`the migration is gone: ${reasons(described.failures)}`);
    if (found.lastStatus !== "STOPPED") continue;
    const ended = found.containers?.find(({ name }) => name === container);
    if (ended?.exitCode === 0) return { task, exitCode: 0 };
    const status = ended?.exitCode === undefined ? "it never ran" : `exit status ${ended.exitCode}`;
    const reason = [ended?.reason, found.stoppedReason].filter(Boolean).join("; ");
    throw new Error(`the migration failed (${status}: ${reason || "no reason given"}); its output is in the log group ${logGroup}`);
  }
  throw new Error(
    `the migration has not ended yet; it goes on. When it has (log group ${logGroup}), run the update again: it waits for the rest`,
  );
}

function reasons(failures) {
  return failures?.map(({ reason, detail }) => [reason, detail].filter(Boolean).join(" ")).join(", ") || "no reason given";
}

/** Lambda's entry. The SDK is part of Lambda's runtime. */
export async function handler(event, context) {
  const { setTimeout: sleep } = await import("node:timers/promises");
  const { ECSClient, RunTaskCommand, DescribeTasksCommand } = await import("@aws-sdk/client-ecs");
  const client = new ECSClient({});
  return runTask(event, {
    runTask: (input) => client.send(new RunTaskCommand(input)),
    describeTasks: (input) => client.send(new DescribeTasksCommand(input)),
    sleep,
    remainingMs: () => context.getRemainingTimeInMillis(),
  });
}
