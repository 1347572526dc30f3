import type { Request } from "express";
import type { ClusterStatus } from "../cluster/types";
import { viaAdminPort } from "../http/admin-listener";
import { requestToken } from "../http/middleware/authenticate";
import { secretsEqual } from "../session/token";

/** Whether whoever asks is an operator: by the admin token, or because the request came in by the admin port. */
export function seesDetails(request: Request, adminToken: string): boolean {
  if (viaAdminPort(request)) return true;
  const token = requestToken(request);
  return token !== undefined && secretsEqual(token, adminToken);
}

type WithoutPid<Process> = Omit<Process, "pid">;

/** {@link ClusterStatus} without the ids of processes, which help only who wants to harm them. */
export interface PublicClusterStatus extends Omit<ClusterStatus, "worker" | "primary" | "workers"> {
  readonly worker: WithoutPid<ClusterStatus["worker"]>;
  readonly primary: WithoutPid<ClusterStatus["primary"]>;
  readonly workers: readonly WithoutPid<ClusterStatus["workers"][number]>[];
}

/** What everybody may see of the instance's processes. */
export function withoutPids(status: ClusterStatus): PublicClusterStatus {
  const { worker, primary, workers, ...rest } = status;
  return { ...rest, worker: withoutPid(worker), primary: withoutPid(primary), workers: workers.map(withoutPid) };
}

function withoutPid<Process extends { readonly pid: number }>(described: Process): WithoutPid<Process> {
  const shown: WithoutPid<Process> & { pid?: number } = { ...described };
  delete shown.pid;
  return shown;
}
