import type Docker from "dockerode";
import { LABELS } from "../../lib/docker";
import { MONITORING_SERVICES, SERVICES } from "../../lib/docker-app";
import { fail, verdict, type Check } from "../types";

/** B13 and the rules of the project for every container. */
export const containmentChecks: readonly Check[] = [
  {
    id: "B13",
    title: "every container: limits, no privilege, nothing published but the load balancer",
    target: "all of them",
    phases: ["database"],
    async run({ containers }) {
      const inspected = await Promise.all((await containers()).map((container) => container.inspect()));
      if (inspected.length === 0) return fail("no container runs");
      const violations = inspected.flatMap((info) => containmentViolations(info).map((what) => `${serviceOf(info)}: ${what}`));
      return verdict(violations, `${inspected.length} of ${inspected.length} containers`);
    },
  },
  {
    id: "B13",
    title: "no secret in environments, arguments and labels",
    target: "none",
    phases: ["database"],
    async run({ containers, secrets }) {
      if (secrets.length === 0) return fail("the stack has no secret outputs to look for");
      const inspected = await Promise.all((await containers()).map((container) => container.inspect()));
      // As JSON writes them: a passphrase of the user's own may have characters that it escapes.
      const written = secrets.map((secret) => JSON.stringify(secret).slice(1, -1));
      const telling = inspected.filter((info) => {
        const text = JSON.stringify(info);
        return written.some((secret) => text.includes(secret));
      });
      return verdict(
        telling.map((info) => `${serviceOf(info)} shows one`),
        `${secrets.length} secrets looked for in ${inspected.length} containers`,
      );
    },
  },
];

function serviceOf({ Config: config }: Docker.ContainerInspectInfo): string {
  return config.Labels[LABELS.service] ?? "?";
}

/** The load balancer, where the configuration says; pages of the monitoring have no login and are for the host alone. */
function mayPublish(info: Docker.ContainerInspectInfo): boolean {
  const addresses = Object.values((info.HostConfig.PortBindings ?? {}) as Record<string, readonly { readonly HostIp?: string }[]>)
    .flat()
    .map(({ HostIp: address }) => address);
  const forTheHost = addresses.every((address) => address === "127.0.0.1");
  return serviceOf(info) === SERVICES.loadBalancer || (MONITORING_SERVICES.includes(serviceOf(info)) && forTheHost);
}

/** What is missing of the rules for containers. */
export function containmentViolations(info: Docker.ContainerInspectInfo): string[] {
  const { HostConfig: host, Config: config } = info;
  // dockerode leaves these two untyped.
  const [dropped, added] = [host.CapDrop as string[] | null, host.CapAdd as string[] | null];
  const published = Object.values((host.PortBindings ?? {}) as Record<string, unknown>).length > 0;
  return [
    ...(published && !mayPublish(info) ? ["publishes a port"] : []),
    ...(host.ReadonlyRootfs === true ? [] : ["its root can be written"]),
    ...(config.User === "" || config.User === "root" || config.User.startsWith("0") ? ["runs as root"] : []),
    ...(dropped?.includes("ALL") === true && (added ?? []).length === 0 ? [] : ["has capabilities"]),
    ...((host.Memory ?? 0) > 0 ? [] : ["no limit of memory"]),
    ...(host.Privileged === true ? ["is privileged"] : []),
  ];
}
