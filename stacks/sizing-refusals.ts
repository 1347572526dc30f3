import type { DockerHost } from "./preflight";
import { leastTotal, type Share } from "./share";
import type { Shares, SizingConfig } from "./sizing";

/** What there is and what is asked for, when the second is more. Memory in MiB. */
export interface TooMuch {
  readonly config: SizingConfig;
  readonly host: Pick<DockerHost, "memoryMb">;
  readonly budgetMb: number;
  readonly fixedMb: number;
  readonly shares: Shares;
}

/** A key whose value may be what is too much: the size of each piece, how it is spelled, and the least it may be. */
interface Size {
  readonly key: "postgresMemoryMb" | "appMemoryMb" | "jobsMemoryMb" | "redisCacheMb" | "redisLimitsMb";
  readonly share: Share;
  readonly least: number;
  /** The key's value for a container of that size. */
  readonly valueOf: (containerMb: number) => number;
}

/**
 * One sentence for a plan that does not fit: the size that is too large if somebody gave one, else the count, else the budget, else the
 * host. What it tells to type leads to a plan that fits.
 */
export function cannotFit(all: TooMuch): string {
  const { config, host, budgetMb, fixedMb, shares } = all;
  const needed = fixedMb + leastTotal(Object.values(shares));
  const over = needed - budgetMb;
  const may =
    config.memoryBudgetMb === undefined
      ? `the ${budgetMb} MiB the stack may use of the Docker host's ${host.memoryMb}`
      : `the ${budgetMb} MiB of memoryBudgetMb`;
  for (const { key, share, least, valueOf } of sizes(all)) {
    const allowed = valueOf(share.least - Math.ceil(over / share.count));
    if (allowed < least) continue;
    const each = share.count === 1 ? "" : ` for each of ${share.count} containers`;
    return (
      `${key} is ${config[key]}${each}, with which all containers need ${needed} MiB; ` +
      `allowed: at most ${allowed}, to stay within ${may}. Fix: pulumi config set ${key} ${allowed}`
    );
  }
  for (const [key, share, least] of [
    ["appInstances", shares.app, 1],
    ["postgresNodes", shares.postgres, 2],
  ] as const) {
    const allowed = share.count - Math.ceil(over / share.least);
    if (allowed < least) continue;
    return (
      `${key} is ${share.count}, with which all containers need at least ${needed} MiB; ` +
      `allowed: at most ${allowed}, to stay within ${may}. Fix: pulumi config set ${key} ${allowed}`
    );
  }
  if (config.memoryBudgetMb !== undefined && needed <= host.memoryMb) {
    return `memoryBudgetMb is ${budgetMb}; allowed: at least ${needed}, what all containers need. Fix: pulumi config set memoryBudgetMb ${needed}`;
  }
  return (
    `the Docker host is too small for phase database: all containers need at least ${needed} MiB, more than ${may}. ` +
    "Fix: give Docker more memory, or stay in phase cluster: pulumi config set phase cluster"
  );
}

/** The sizes somebody gave, the largest first: that is where there is most to gain. */
function sizes({ config, shares }: TooMuch): Size[] {
  const same = (containerMb: number): number => Math.floor(containerMb);
  // The reverse of what the container of a Redis needs; a little less is allowed, too.
  const data = (containerMb: number): number => Math.floor(((containerMb - 33) * 2) / 3);
  const all: Size[] = [
    { key: "postgresMemoryMb", share: shares.postgres, least: 256, valueOf: same },
    { key: "appMemoryMb", share: shares.app, least: 192, valueOf: same },
    { key: "jobsMemoryMb", share: shares.jobs, least: 256, valueOf: same },
    { key: "redisCacheMb", share: shares.redisCache, least: 16, valueOf: data },
    { key: "redisLimitsMb", share: shares.redisLimits, least: 16, valueOf: data },
  ];
  return all.filter(({ key }) => config[key] !== undefined).sort((a, b) => b.share.count * b.share.least - a.share.count * a.share.least);
}

/** Postgres' memory does not carry its connections. */
export function tooManyConnections(config: SizingConfig, maxConnections: number, leastMb: number): string {
  return (
    `postgresMemoryMb is ${config.postgresMemoryMb}, but ${maxConnections} connections need ${leastMb} MiB; ` +
    `allowed: at least ${leastMb}, or fewer connections (dbPoolSize). Fix: pulumi config set postgresMemoryMb ${leastMb}`
  );
}

/** More connections to PgBouncer than it takes. */
export function tooManyClients(config: SizingConfig, workers: number, clients: number, most: number): string {
  const what = `${config.appInstances} instances (appInstances) with ${workers} workers each`;
  return (
    `${what} may open ${clients} connections to PgBouncer; allowed: at most ${most}. ` +
    `Fix: pulumi config set workers ${Math.max(1, Math.floor((workers * most) / clients))}`
  );
}
