import * as pulumi from "@pulumi/pulumi";
import { npmCommand } from "../lib/npm-command";
import { dockerEndpoint, type EndpointSettings, programSettings } from "./docker-endpoint";
import { dockerCommand, dockerRequest, isSsh } from "./docker-request";

/** Label of a container that has data of its own, with its name among its like. */
const NODE = "phased-stack.node";

/**
 * Names of this stack's containers that have data of their own, running or not: `pg-1`, `kafka-1` … Only an earlier refusal depends on it, so
 * an engine that does not answer has none: Pulumi refuses as well.
 */
export async function nodesWithData(settings: EndpointSettings = programSettings()): Promise<readonly string[]> {
  try {
    const endpoint = dockerEndpoint(settings);
    if (isSsh(endpoint)) return named((await dockerCommand(endpoint, commandLine())).split("\n"));
    const query = encodeURIComponent(JSON.stringify({ label: filters() }));
    const list = await dockerRequest(endpoint, `/containers/json?all=true&filters=${query}`);
    const containers = JSON.parse(list) as readonly { readonly Labels?: Readonly<Record<string, string>> | null }[];
    return named(containers.map(({ Labels }) => Labels?.[NODE] ?? ""));
  } catch {
    return [];
  }
}

function filters(): string[] {
  return [`phased-stack.project=${pulumi.getProject()}`, `phased-stack.stack=${pulumi.getStack()}`, NODE];
}

function commandLine(): string {
  const chosen = filters().map((label) => `--filter 'label=${label}'`);
  return ["docker ps --all", ...chosen, `--format '{{.Label "${NODE}"}}'`].join(" ");
}

function named(lines: readonly string[]): string[] {
  return [...new Set(lines.map((line) => line.trim()).filter((line) => line !== ""))].sort();
}

/** What an update is to leave of what has data. */
export interface Wanted {
  /** Postgres nodes: `pg-1` to `pg-<postgresNodes>`. */
  readonly postgresNodes: number;
  readonly kafka: boolean;
}

/**
 * Refuses, where data are protected, to remove a Postgres node or the brokers. Pulumi refuses it too, in every preview and for ever: what the
 * program does not register keeps the protection that it had, and `protect false` in the same update comes too late for it.
 *
 * @param nodes those that there are, by {@link nodesWithData}
 * @throws RunError before anything is registered.
 */
export function checkProtectedStay({ postgresNodes, kafka }: Wanted, nodes: readonly string[]): void {
  const servers = nodes.map((name) => Number(/^pg-(?<number>\d+)$/.exec(name)?.groups?.["number"] ?? 0));
  const brokers = kafka ? [] : nodes.filter((name) => /^kafka-\d+$/.test(name));
  const removed = servers.filter((number) => number > postgresNodes).map((number) => `pg-${number}`);
  const changes = [
    ...(removed.length > 0 ? [{ key: "postgresNodes", to: String(postgresNodes), from: String(Math.max(...servers)) }] : []),
    ...(brokers.length > 0 ? [{ key: "kafka", to: "false", from: "true" }] : []),
  ];
  if (changes.length === 0) return;
  const up = (...settings: readonly string[]): string =>
    npmCommand(pulumi.getStack(), "up", ...settings.flatMap((setting) => ["--config", setting]));
  const steps = [
    up("protect=false", ...changes.map(({ key, from }) => `${key}=${from}`)),
    up(...changes.map(({ key, to }) => `${key}=${to}`)),
    up("protect=true"),
  ];
  throw new pulumi.RunError(
    `${changes.map(({ key, to }) => `${key} is ${to}`).join(", ")}, and protect is true: the data of ${[...removed, ...brokers].join(", ")} are ` +
      `protected, and nothing was changed. Fix: ${changes.map(({ key, from }) => `${key} ${from}`).join(", ")} as before; or, if these data ` +
      `are to be deleted, one after the other: ${steps.join("; ")}`,
  );
}
