import assert from "node:assert/strict";
import { pathToFileURL } from "node:url";
import path from "node:path";

interface Answer {
  readonly tasks?: readonly object[];
  readonly failures?: readonly object[];
}
interface Ecs {
  readonly runTask: (input: Record<string, unknown>) => Promise<Answer>;
  readonly describeTasks: (input: Record<string, unknown>) => Promise<Answer>;
  readonly sleep: (ms: number) => Promise<void>;
  readonly remainingMs: () => number;
}
type RunTask = (event: object, ecs: Ecs) => Promise<{ task: string; exitCode: number }>;

const EVENT = {
  cluster: "arn:cluster",
  taskDefinition: "arn:definition:7",
  subnets: ["private-1"],
  securityGroups: ["sg-app"],
  container: "app",
  logGroup: "/shop/prod/migrations",
};

describe("A14 the function that runs the migration", () => {
  let runTask: RunTask;
  before(async () => {
    const file = path.resolve(__dirname, "../../../../components/aws/migrations/run-task.mjs");
    ({ runTask } = (await import(pathToFileURL(file).href)) as { runTask: RunTask });
  });

  /** ECS that answers each look at the task with the next of these; the clock runs by the function's pauses. */
  function ecs(looks: readonly Answer[], started: Answer = { tasks: [{ taskArn: "arn:task" }] }, limitMs = 900_000) {
    const asked: Record<string, unknown>[] = [];
    let passedMs = 0;
    let look = 0;
    return {
      asked,
      runTask: (input: Record<string, unknown>) => {
        asked.push(input);
        return Promise.resolve(started);
      },
      describeTasks: () => Promise.resolve(looks[Math.min(look++, looks.length - 1)] ?? {}),
      sleep: (ms: number) => {
        passedMs += ms;
        return Promise.resolve();
      },
      remainingMs: () => limitMs - passedMs,
    };
  }
  const stopped = (exitCode: number | undefined, more: object = {}): Answer => ({
    tasks: [
      {
        lastStatus: "STOPPED",
        containers: [
          { name: "app", exitCode },
          { name: "sidecar", exitCode: 0 },
        ],
        ...more,
      },
    ],
  });

  it("starts one task without a public address and waits for its end", async () => {
    const fake = ecs([{ tasks: [{ lastStatus: "PENDING" }] }, { tasks: [{ lastStatus: "RUNNING" }] }, stopped(0)]);
    assert.deepEqual(await runTask(EVENT, fake), { task: "arn:task", exitCode: 0 });
    assert.equal(fake.asked.length, 1);
    const { taskDefinition, count, networkConfiguration } = fake.asked[0]!;
    assert.deepEqual([taskDefinition, count], ["arn:definition:7", 1]);
    assert.deepEqual(networkConfiguration, {
      awsvpcConfiguration: { subnets: ["private-1"], securityGroups: ["sg-app"], assignPublicIp: "DISABLED" },
    });
  });

  it("fails with status, reason and log of a migration that failed", async () => {
    await assert.rejects(
      runTask(EVENT, ecs([stopped(1, { stoppedReason: "Essential container in task exited" })])),
      /^Error: the migration failed \(exit status 1: Essential container in task exited\); its output is in the log group \/shop\/prod\/migrations$/,
    );
    await assert.rejects(
      runTask(EVENT, ecs([stopped(undefined, { stoppedReason: "CannotPullContainerError" })])),
      /\(it never ran: CannotPullContainerError\)/,
    );
  });

  it("fails when no task starts, when it is gone, and when Lambda's time is over", async () => {
    const refused = ecs([], { tasks: [], failures: [{ reason: "RESOURCE:FARGATE", detail: "no capacity" }] });
    await assert.rejects(runTask(EVENT, refused), /the migration did not start: RESOURCE:FARGATE no capacity/);
    await assert.rejects(runTask(EVENT, ecs([{ tasks: [], failures: [{ reason: "MISSING" }] }])), /the migration is gone: MISSING/);
    const endless = ecs([{ tasks: [{ lastStatus: "RUNNING" }] }]);
    await assert.rejects(
      runTask(EVENT, endless),
      /has not ended yet; it goes on\. When it has \(log group \/shop\/prod\/migrations\), run the update again/,
    );
    assert.ok(endless.remainingMs() > 0, "it says so before Lambda ends it");
  });
});
