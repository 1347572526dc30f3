import * as pulumi from "@pulumi/pulumi";
import { type DockerEndpoint, dockerEndpoint, type EndpointSettings, programSettings } from "./docker-endpoint";
import { dockerCommand, dockerRequest, isSsh } from "./docker-request";

/** Label of a container with the name of its broker. */
const NODE = "phased-stack.node";

/**
 * Names of this stack's Kafka brokers that run. Only the order of an update depends on it, so an engine that does not answer is no reason to
 * refuse one: then it is not known, and the update goes broker by broker.
 */
export async function runningBrokers(settings: EndpointSettings = programSettings()): Promise<readonly string[] | undefined> {
  try {
    const endpoint = dockerEndpoint(settings);
    return isSsh(endpoint) ? named((await dockerCommand(endpoint, commandLine())).split("\n")) : await listed(endpoint);
  } catch {
    return undefined;
  }
}

function filters(): string[] {
  return [`phased-stack.project=${pulumi.getProject()}`, `phased-stack.stack=${pulumi.getStack()}`, "phased-stack.service=kafka"];
}

async function listed(endpoint: DockerEndpoint): Promise<string[]> {
  const query = encodeURIComponent(JSON.stringify({ label: filters(), status: ["running"] }));
  const text = await dockerRequest(endpoint, `/containers/json?filters=${query}`);
  const containers = JSON.parse(text) as readonly { readonly Labels?: Readonly<Record<string, string>> | null }[];
  return named(containers.map(({ Labels }) => Labels?.[NODE] ?? ""));
}

function commandLine(): string {
  const chosen = filters().map((label) => `--filter 'label=${label}'`);
  return ["docker ps", ...chosen, "--filter status=running", `--format '{{.Label "${NODE}"}}'`].join(" ");
}

function named(lines: readonly string[]): string[] {
  return [...new Set(lines.map((line) => line.trim()).filter((line) => line !== ""))].sort();
}
