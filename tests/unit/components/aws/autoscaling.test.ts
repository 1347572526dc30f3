import assert from "node:assert/strict";
import { Autoscaling, type AutoscalingArgs } from "../../../../components/aws/autoscaling";
import { Recorder, settled } from "../../../support/pulumi-mocks";
import { CONTEXT, withProvider } from "./support";

describe("A15 Autoscaling", () => {
  let recorder: Recorder;
  beforeEach(async () => {
    recorder = await Recorder.install();
  });

  const ARGS: AutoscalingArgs = { context: CONTEXT, clusterName: "cluster", serviceName: "web", minTasks: 2, maxTasks: 20 };
  const policies = async (args: Partial<AutoscalingArgs>): Promise<Record<string, Record<string, unknown>>> => {
    new Autoscaling("scaling", { ...ARGS, ...args }, withProvider());
    await settled();
    return Object.fromEntries(
      recorder
        .ofType("aws:appautoscaling/policy:Policy")
        .map(({ name, inputs }) => [name, inputs["targetTrackingScalingPolicyConfiguration"] as Record<string, unknown>]),
    );
  };

  it("follows CPU, memory and requests, quickly up and slowly down", async () => {
    const requests = { perTarget: 600, loadBalancerSuffix: "app/alb/1", targetGroupSuffix: "targetgroup/app/2" };
    const made = await policies({ requests });
    assert.deepEqual(
      Object.values(made).map((policy) => [policy["targetValue"], policy["scaleOutCooldown"], policy["scaleInCooldown"]]),
      [
        [65, 60, 300],
        [75, 60, 300],
        [600, 60, 300],
      ],
    );
    assert.deepEqual(made["scaling-requests"]?.["predefinedMetricSpecification"], {
      predefinedMetricType: "ALBRequestCountPerTarget",
      resourceLabel: "app/alb/1/targetgroup/app/2",
    });
    const { inputs } = recorder.get("scaling-tasks");
    assert.deepEqual([inputs["resourceId"], inputs["minCapacity"], inputs["maxCapacity"]], ["service/cluster/web", 2, 20]);
  });

  it("follows the backlog of each task: waiting messages by running tasks", async () => {
    const waiting = {
      namespace: "AWS/SQS",
      metricName: "ApproximateNumberOfMessagesVisible",
      dimensions: { QueueName: "events" },
      statistic: "Average",
    } as const;
    const made = await policies({ backlog: { perTask: 100, waiting } });
    const { metrics } = made["scaling-backlog"]?.["customizedMetricSpecification"] as { metrics: Record<string, unknown>[] };
    assert.equal(made["scaling-backlog"]?.["targetValue"], 100);
    assert.deepEqual(
      metrics.map(({ id, returnData, expression }) => [id, returnData, expression]),
      [
        ["waiting", false, undefined],
        ["running", false, undefined],
        ["perTask", true, "waiting / IF(running > 0, running, 1)"],
      ],
    );
  });

  it("refuses bounds the wrong way round", () => {
    assert.throws(() => new Autoscaling("scaling", { ...ARGS, minTasks: 5, maxTasks: 4 }), /minTasks is 5; allowed: 1 to maxTasks, 4/);
  });
});
