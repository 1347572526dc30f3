import * as pulumi from "@pulumi/pulumi";
import { ATTEMPT_LABEL } from "../../components/local/common";
import { type DockerEndpoint, dockerEndpoint, type EndpointSettings, programSettings } from "./docker-endpoint";
import { dockerCommand, dockerRequest, isSsh } from "./docker-request";

/** A container that does one thing and was, or is, at it, as `docker ps` tells of it. */
export interface Attempt {
  readonly number: number;
  /** Such as `Up 2 minutes (healthy)` or `Exited (0) 2 hours ago`. */
  readonly status: string;
  /** Seconds since 1970. */
  readonly createdAt: number;
}

/**
 * Those of a service of this stack that there are, running or not.
 * @throws the error of Docker
 */
export async function attemptsOf(service: string, settings: EndpointSettings = programSettings()): Promise<Attempt[]> {
  const endpoint = dockerEndpoint(settings);
  return isSsh(endpoint) ? parsed(await dockerCommand(endpoint, commandLine(service))) : await listed(endpoint, service);
}

function filters(service: string): string[] {
  return [`phased-stack.project=${pulumi.getProject()}`, `phased-stack.stack=${pulumi.getStack()}`, `phased-stack.service=${service}`];
}

async function listed(endpoint: DockerEndpoint, service: string): Promise<Attempt[]> {
  const query = encodeURIComponent(JSON.stringify({ label: filters(service) }));
  const list = JSON.parse(await dockerRequest(endpoint, `/containers/json?all=true&filters=${query}`)) as readonly {
    readonly Labels?: Readonly<Record<string, string>> | null;
    readonly Status: string;
    readonly Created: number;
  }[];
  return list.map(({ Labels, Status, Created }) => ({
    ...{ number: Number(Labels?.[ATTEMPT_LABEL] ?? 0), status: Status, createdAt: Created },
  }));
}

function commandLine(service: string): string {
  const chosen = filters(service).map((label) => `--filter 'label=${label}'`);
  return ["docker ps --all", ...chosen, `--format '{{.Label "${ATTEMPT_LABEL}"}}|{{.CreatedAt}}|{{.Status}}'`].join(" ");
}

/** Exported for tests. @param lines such as `2|2026-11-22 14:59:13 +0000 UTC|Up 2 minutes (healthy)` */
export function parsed(lines: string): Attempt[] {
  return [...lines.matchAll(/^(\d*)\|(\S+) (\S+) ([+-]\d\d)(\d\d)[^|]*\|(.*)$/gm)].map(
    ([, number = "", day = "", time = "", hours = "", minutes = "", status = ""]) => ({
      ...{ number: Number(number), status, createdAt: Date.parse(`${day}T${time}${hours}:${minutes}`) / 1000 },
    }),
  );
}
