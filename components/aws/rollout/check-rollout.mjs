// Runs in Lambda, called by `pulumi up` after a service is stable: stable on what?

/**
 * Fails unless the service runs this very task definition. ECS goes back to the old one when new tasks never get healthy; the service is then
 * stable as well, and whoever only waits for that takes a failed update for a good one.
 * @param {{cluster: string, service: string, taskDefinition: string}} event
 * @param {(input: object) => Promise<any>} describeServices
 * @returns {Promise<{service: string, taskDefinition: string}>}
 * @throws {Error} with what runs instead, and why
 */
export async function checkRollout(event, describeServices) {
  const { cluster, service, taskDefinition } = event;
  const { services, failures } = await describeServices({ cluster, services: [service] });
  const found = services?.[0];
  if (found === undefined) throw new Error(`service ${service} cannot be found: ${failures?.[0]?.reason ?? "no reason given"}`);
  const primary = found.deployments?.find(({ status }) => status === "PRIMARY");
  if (primary?.taskDefinition === taskDefinition && primary.rolloutState !== "FAILED") return { service, taskDefinition };
  const failed = found.deployments?.find((deployment) => deployment.taskDefinition === taskDefinition);
  const reason = failed?.rolloutStateReason ?? primary?.rolloutStateReason ?? "no reason given";
  const events = (found.events ?? []).slice(0, 5).map(({ message }) => message);
  throw new Error(
    `service ${service} did not become healthy and runs ${short(primary?.taskDefinition)} instead of ${short(taskDefinition)} (${reason}). ` +
      `Its last events: ${events.join(" | ") || "none"}. Correct it and update again; without a change, run: pulumi up --refresh`,
  );
}

function short(arn) {
  return arn?.split("/").at(-1) ?? "nothing";
}

/** Lambda's entry. The SDK is part of Lambda's runtime. */
export async function handler(event) {
  const { ECSClient, DescribeServicesCommand } = await import("@aws-sdk/client-ecs");
  const client = new ECSClient({});
  return checkRollout(event, (input) => client.send(new DescribeServicesCommand(input)));
}
