import { neededMemoryMb } from "../../app/src/config/machine";
import { isContractVariable } from "../../components/local/app/environment";
import { cloudViolations } from "../cloud/checks";
import { backupViolations } from "../local/backup-repository";
import { looksSecret } from "./fields";
import { CLUSTER_APP_MEMORY_MB, type Given, type StackConfig } from "./keys";
import { tlsViolations } from "../local/tls";

/** What does not go together, as sentences. What depends on the Docker host is checked later, see host.ts and sizing.ts. */
export function crossFieldViolations(config: StackConfig, given: Given, hasKubeconfig = false): string[] {
  const violations = [...tlsViolations(config), ...backupViolations(config), ...cloudViolations(config, hasKubeconfig)];
  const { appEnvironment, workerHeapMb } = config;
  // Elsewhere the memory follows from the workers, in phase database unless it is given.
  const memory = { cluster: config.appMemoryMb ?? CLUSTER_APP_MEMORY_MB, database: config.appMemoryMb ?? Infinity, cloud: Infinity };
  const appMemoryMb = memory[config.phase];
  const count = config.workers === "auto" ? 1 : config.workers;
  const needed = neededMemoryMb(config.phase, count, workerHeapMb);
  if (needed > appMemoryMb) {
    const heap = workerHeapMb === undefined ? "" : ` with a heap of ${workerHeapMb} MiB each (workerHeapMb)`;
    violations.push(
      `appMemoryMb is ${appMemoryMb}, but ${count} worker${count === 1 ? "" : "s"}${heap} need${count === 1 ? "s" : ""} ${needed} MiB; ` +
        `allowed: at least ${needed}, or fewer workers, or a smaller heap. Fix: pulumi config set appMemoryMb ${needed}`,
    );
  }
  if (config.monitoring) violations.push(...portViolations(config));
  for (const kind of ["api", "chat"] as const) {
    if (config[`${kind}RequestsPerSecond`] === 0 && (given[`${kind}Burst`] ?? 0) > 0) {
      violations.push(
        `${kind}Burst is ${config[`${kind}Burst`]}, but ${kind}RequestsPerSecond 0 switches that limit off; ` +
          `allowed: a burst only with a limit. Fix: pulumi config rm ${kind}Burst`,
      );
    }
  }
  for (const name of Object.keys(appEnvironment).sort()) {
    const remove = `Fix: pulumi config rm --path appEnvironment.${name}`;
    if (isContractVariable(name)) {
      violations.push(`appEnvironment.${name} belongs to the app contract and is set by the phase; allowed: other names. ${remove}`);
    } else if (looksSecret(name, appEnvironment[name] ?? "")) {
      violations.push(
        `appEnvironment.${name} looks like a secret, and variables are visible in containers; allowed: plain values. ${remove}`,
      );
    }
  }
  return violations;
}

/** Two services on one port of the host: only the first would start. A free one is proposed for the later of the two. */
function portViolations(config: StackConfig): string[] {
  const keys = ["port", "httpRedirectPort", "prometheusPort", "alertmanagerPort", "grafanaPort"] as const;
  const taken = keys.map((key) => config[key]);
  return keys.flatMap((key, index) => {
    const first = keys[taken.indexOf(taken[index])];
    // The first two are compared where TLS is checked.
    if (taken[index] === undefined || first === key || first === undefined || key === "httpRedirectPort") return [];
    let free = 9090;
    while (taken.includes(free)) free += 1;
    return [`${key} and ${first} are both ${taken[index]}; allowed: different ports. Fix: pulumi config set ${key} ${free}`];
  });
}
