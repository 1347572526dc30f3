import * as pulumi from "@pulumi/pulumi";
import { APP_PORT, DRAIN_DELAY_SECONDS, SHUTDOWN_TIMEOUT_SECONDS } from "../../contract";
import { type ContainerEnvironment, DATA_DIRECTORY } from "./environment";

const defaults = {
  /** User and group of the app in its image. */
  user: "10001:10001",
  /** Added to the app's drain and shutdown: time to end before it is killed. Fargate allows 120 s in all. */
  stopMarginSeconds: 17,
  /** Log lines wait here while CloudWatch does not take them; older ones are given up then, rather than that the app waits. */
  logBuffer: "25m",
  openFiles: 65_535,
  healthCheck: { interval: 10, timeout: 5, retries: 3, startPeriod: 60 },
} as const;

/** Seconds a task may take to stop: longer than the app drains. */
export const STOP_SECONDS = DRAIN_DELAY_SECONDS + SHUTDOWN_TIMEOUT_SECONDS + defaults.stopMarginSeconds;

/** Name of the container in its task, and of its port for Service Connect. */
export const CONTAINER = "app";

/** Volume of {@link DATA_DIRECTORY}. */
export const DATA_VOLUME = "data";

export interface ContainerArgs {
  readonly image: pulumi.Input<string>;
  /** Words after the image's entry point. @default none: the app starts */
  readonly command?: readonly string[] | undefined;
  readonly environment: ContainerEnvironment;
  readonly logGroupName: pulumi.Input<string>;
  readonly region: string;
  /** It listens, and is asked whether it is ready. @default true */
  readonly serves?: boolean;
}

/**
 * Definitions of a task's only container, as JSON: nothing of the root file system can be written, no privilege, no secret in plain, and a
 * log that never makes the app wait.
 */
export function containerDefinitions(args: ContainerArgs): pulumi.Output<string> {
  const { serves = true, command } = args;
  return pulumi.jsonStringify([
    {
      name: CONTAINER,
      image: args.image,
      essential: true,
      ...(command === undefined ? {} : { command }),
      user: defaults.user,
      privileged: false,
      readonlyRootFilesystem: true,
      linuxParameters: { initProcessEnabled: true, capabilities: { drop: ["ALL"] } },
      stopTimeout: STOP_SECONDS,
      environment: args.environment.environment,
      secrets: args.environment.secrets,
      mountPoints: [{ sourceVolume: DATA_VOLUME, containerPath: DATA_DIRECTORY, readOnly: false }],
      ulimits: [{ name: "nofile", softLimit: defaults.openFiles, hardLimit: defaults.openFiles }],
      ...(serves
        ? {
            // No appProtocol, which is TCP: on Fargate the proxy of Service Connect listens on this port, for the load balancer as well, and a
            // proxy for HTTP ends every answer that is not complete after 15 seconds, streams of chat among them.
            portMappings: [{ name: CONTAINER, containerPort: APP_PORT, hostPort: APP_PORT, protocol: "tcp" }],
            // ECS does not read the image's own. Asked of the container itself, so also for tasks without a load balancer.
            healthCheck: { command: ["CMD", "node", "main.js", "healthcheck"], ...defaults.healthCheck },
          }
        : {}),
      logConfiguration: {
        logDriver: "awslogs",
        options: {
          "awslogs-group": args.logGroupName,
          "awslogs-region": args.region,
          "awslogs-stream-prefix": "app",
          mode: "non-blocking",
          "max-buffer-size": defaults.logBuffer,
        },
      },
    },
  ]);
}
