import { GRAFANA_BASE_IMAGE } from "../../components/local/grafana/base-image";
import { type DockerEndpoint, dockerEndpoint, type EndpointSettings, programSettings } from "./docker-endpoint";
import { dockerCommand, dockerRequest, isSsh } from "./docker-request";
import { grafanaVolume } from "./volumes";

/** A registry takes a second or two to log the engine in and to answer, ms. */
const REGISTRY_MS = 10_000;

/** Whether Grafana can be had, and why not. */
export type GrafanaImage = { readonly available: true } | { readonly available: false; readonly reason: string };

/**
 * Whether this stack has a Grafana already, the Docker host its official image, or its registry tells of it. Nothing is pulled: that is the build's
 * work, in an update. What is there stays, whatever the registry says today: builds with BuildKit leave no base image behind, so a registry
 * that is away for a moment would cost the dashboards and users that people made. A build that cannot pull fails instead, and changes nothing.
 */
export async function grafanaImage(settings: EndpointSettings = programSettings()): Promise<GrafanaImage> {
  if (await grafanaVolume(settings)) return { available: true };
  const endpoint = dockerEndpoint(settings);
  try {
    await (isSsh(endpoint) ? dockerCommand(endpoint, commandLine()) : ask(endpoint));
    return { available: true };
  } catch (error) {
    return { available: false, reason: error instanceof Error ? error.message : String(error) };
  }
}

async function ask(endpoint: DockerEndpoint): Promise<void> {
  try {
    await dockerRequest(endpoint, `/images/${GRAFANA_BASE_IMAGE}/json`);
  } catch {
    await dockerRequest(endpoint, `/distribution/${GRAFANA_BASE_IMAGE}/json`, undefined, REGISTRY_MS);
  }
}

function commandLine(): string {
  return `docker image inspect ${GRAFANA_BASE_IMAGE} >/dev/null 2>&1 || docker manifest inspect ${GRAFANA_BASE_IMAGE} >/dev/null`;
}
