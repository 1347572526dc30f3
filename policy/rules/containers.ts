import { containers } from "../ecs";
import { type Section } from "../graph";
import { flag, isGiven, items, number, text } from "../read";
import { rulesOf, type Part } from "../rule";
import { AWS } from "../types";

/** Names of variables whose value is a secret, as people name them. */
const SECRET_NAME = /(PASSWORD|SECRET|TOKEN|PRIVATE_KEY|API_KEY|ACCESS_KEY|CREDENTIALS)$/i;
/** `user:password@` in a URL. */
const SECRET_URL = /^[a-z][a-z0-9+.-]*:\/\/[^/\s:@]*:[^/\s@]+@/i;
const DIGEST = /@sha256:[0-9a-f]{64}$/;

/** A part about each container of a task definition; clauses begin with its name. */
const each =
  (
    judge: (
      container: Section,
      ...rest: Parameters<Part> extends [unknown, ...infer Rest] ? Rest : never
    ) => readonly string[] | string | undefined,
  ): Part =>
  (task, ...rest) =>
    containers(task).flatMap((container) => {
      const clauses = judge(container, ...rest) ?? [];
      return (typeof clauses === "string" ? [clauses] : clauses).map((clause) => `container ${text(container, "name")}: ${clause}`);
    });

const unprivileged = (container: Section): string[] => {
  const user = text(container, "user").split(":")[0] ?? "";
  return [
    ...(flag(container, "privileged") ? ["privileged is true; allowed: false"] : []),
    ...(user === "" || user === "0" || user === "root" ? [`user is ${user === "" ? "not set" : user}; allowed: one that is not root`] : []),
  ];
};

const logs = (container: Section): string[] => {
  const driver = text(container, "logConfiguration.logDriver");
  if (driver !== "awslogs") return [`logDriver is ${driver || "not set"}; allowed: awslogs`];
  const options = { inputs: (container.inputs["logConfiguration"] as { options?: Record<string, unknown> }).options ?? {} };
  const mode = text(options, "mode");
  return [
    ...(mode === "non-blocking" ? [] : [`logs' mode is ${mode || "not set"}; allowed: non-blocking, or a slow log stops the app`]),
    ...(isGiven(options, "max-buffer-size") ? [] : ["logs' max-buffer-size is not set; allowed: e.g. 8m"]),
  ];
};

const secrets = (container: Section): string[] =>
  items(container, "environment").flatMap((variable) => {
    const [name, value] = [text(variable, "name"), text(variable, "value")];
    // *_FILE and *_ARN say where a secret is.
    return value !== "" && (SECRET_NAME.test(name) || SECRET_URL.test(value))
      ? [`environment variable ${name} has a secret in plain text`]
      : [];
  });

/** Rules of task definitions, and of the containers in them. */
export const containerRules = rulesOf("containers", {
  "containers-read-only": {
    title: "A container cannot change its own root file system",
    cites: ["CKV_AWS_336", "ECS.5"],
    remediation: "Set readonlyRootFilesystem; give what has to be written a volume.",
    types: [AWS.taskDefinition],
    parts: [each((container) => (flag(container, "readonlyRootFilesystem") ? undefined : "readonlyRootFilesystem is not true"))],
  },
  "containers-unprivileged": {
    title: "A container runs as a user other than root, without privileges",
    cites: ["CKV_AWS_334", "ECS.4"],
    remediation: "Set user to a number above 0 and leave privileged off.",
    types: [AWS.taskDefinition],
    parts: [each(unprivileged)],
  },
  "containers-init": {
    title: "A container has an init process, which reaps children and hands signals on",
    remediation: "Set linuxParameters.initProcessEnabled.",
    types: [AWS.taskDefinition],
    parts: [
      each((container) =>
        flag(container, "linuxParameters.initProcessEnabled") ? undefined : "linuxParameters.initProcessEnabled is not true",
      ),
    ],
  },
  "containers-stop-timeout": {
    title: "A container has more time to stop than the app takes to drain",
    remediation: "Set stopTimeout above the time named, at most 120 s.",
    types: [AWS.taskDefinition],
    parts: [
      each((container, _graph, { drainSeconds }) => {
        // Fargate kills after 30 s where nothing is said.
        const given = number(container, "stopTimeout") ?? 30;
        return given > drainSeconds && given <= 120
          ? undefined
          : `stopTimeout is ${given} s; allowed: more than ${drainSeconds} s, at most 120 s`;
      }),
    ],
  },
  "containers-logs": {
    title: "Logs go to CloudWatch, and a slow log does not stop the app",
    cites: ["ECS.9"],
    remediation: 'Set logConfiguration to awslogs with mode "non-blocking" and max-buffer-size.',
    types: [AWS.taskDefinition],
    parts: [each(logs)],
  },
  "containers-secrets": {
    title: "Secrets reach a container by reference, never as plain environment",
    cites: ["ECS.8"],
    remediation: "Put it into Secrets Manager and name it in the container's secrets.",
    types: [AWS.taskDefinition],
    parts: [each(secrets)],
  },
  "containers-roles": {
    title: "The app's role and the role that starts its container are two",
    cites: ["CKV_AWS_249"],
    remediation: "Give taskRoleArn and executionRoleArn a role each.",
    types: [AWS.taskDefinition],
    scope: "graph",
    parts: [
      (task, graph) => {
        const missing = ["taskRoleArn", "executionRoleArn"].filter((path) => !isGiven(task, path));
        if (missing.length > 0) return missing.map((path) => `${path} is not set`);
        const own = graph.targets(task, "taskRoleArn", AWS.iamRole);
        const starting = graph.targets(task, "executionRoleArn", AWS.iamRole);
        return own.some((role) => starting.includes(role)) ? "taskRoleArn and executionRoleArn are the same role" : undefined;
      },
    ],
  },
  "containers-digest": {
    title: "An image is named by its digest, so that all tasks run the same",
    devRelaxation: "a tag other than latest",
    remediation: "Refer to the image by the digest that pushing it gave.",
    types: [AWS.taskDefinition],
    parts: [
      each((container, _graph, { name }) => {
        const image = text(container, "image");
        if (DIGEST.test(image)) return undefined;
        const tag = /:([^/:]+)$/.exec(image)?.[1];
        if (name === "dev" && tag !== undefined && tag !== "latest") return undefined;
        return `image is ${image || "not set"}; allowed: one with @sha256:…`;
      }),
    ],
  },
  "containers-health-check": {
    title: "The container of a service is checked from inside",
    remediation: "Set healthCheck.command; it must not touch a backing service.",
    types: [AWS.taskDefinition],
    scope: "graph",
    parts: [
      (task, graph, profile) => {
        // A task that no service keeps running ends by itself, such as the one that migrates.
        if (graph.referrers(task, "taskDefinition", AWS.ecsService).length === 0) return undefined;
        return each((container) =>
          endsByItself(container) || isGiven(container, "healthCheck.command") ? undefined : "healthCheck is not set",
        )(task, graph, profile);
      },
    ],
  },
  "containers-size": {
    title: "CPU and memory of a task are set",
    remediation: "Set cpu and memory of the task definition.",
    types: [AWS.taskDefinition],
    parts: [(task) => ["cpu", "memory"].filter((path) => !isGiven(task, path)).map((path) => `${path} is not set`)],
  },
});

/** A container that is not essential may end while its task goes on. */
function endsByItself(container: Section): boolean {
  return isGiven(container, "essential") && !flag(container, "essential");
}
