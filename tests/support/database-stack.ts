import assert from "node:assert/strict";
import { setTimeout as delay } from "node:timers/promises";
import type Docker from "dockerode";
import type { PostgresStatus } from "../../components/local/postgres-operator/src/status-types";
import { execIn } from "../../toolchain/lib/docker";
import { postgresStatus } from "../../toolchain/lib/postgres-operator";
import { containersOf, docker } from "./docker";

/** Services of phase database, with the number of containers of a stack that says nothing else. */
export const SERVICES: Readonly<Record<string, number>> = {
  app: 3,
  "data-move": 1,
  etcd: 1,
  jobs: 1,
  "load-balancer": 1,
  pgbouncer: 1,
  postgres: 3,
  "postgres-operator": 1,
  "postgres-proxy": 1,
  "redis-cache": 1,
  "redis-limits": 1,
};

/** What runs behind a stack of phase database. */
export class DatabaseStack {
  constructor(readonly name: string) {}

  /** The running container of a service; of several the first. */
  async container(service: string): Promise<Docker.Container> {
    const info = (await containersOf(this.name, service)).find(({ State }) => State === "running");
    assert.ok(info, `no container of ${service} runs`);
    return docker.getContainer(info.Id);
  }

  /** The container of a Postgres node, running or not. */
  async node(name: string): Promise<Docker.Container> {
    for (const { Id } of await containersOf(this.name, "postgres")) {
      const container = docker.getContainer(Id);
      if ((await container.inspect()).Config.Env.includes(`PATRONI_NAME=${name}`)) return container;
    }
    return assert.fail(`no container of ${name}`);
  }

  async status(): Promise<PostgresStatus> {
    return postgresStatus(await this.container("postgres-operator"));
  }

  /** Waits until nobody doubts the primary and all nodes follow it. */
  async redundant(seconds = 120): Promise<PostgresStatus> {
    let last: PostgresStatus | undefined;
    let reason = "";
    const deadline = Date.now() + seconds * 1000;
    while (Date.now() < deadline) {
      try {
        last = await this.status();
        if (last.healthy && last.members.every(({ role, state }) => role !== "standby" || state === "streaming")) return last;
        reason = last.problems.join("; ");
      } catch (error) {
        reason = String(error);
      }
      await delay(500);
    }
    return assert.fail(`not redundant within ${seconds} s: ${reason}\n${JSON.stringify(last?.members)}`);
  }

  /** Who is primary, whether or not all others follow. */
  async primary(): Promise<string> {
    const { leader } = await this.status();
    return leader ?? assert.fail("there is no primary");
  }

  /** Names of the primary and the standbys, once all of them follow it. */
  async roles(): Promise<{ readonly primary: string; readonly standbys: readonly string[] }> {
    const { members } = await this.redundant();
    const [primary, ...others] = members.filter(({ role }) => role === "primary").map(({ name }) => name);
    assert.ok(primary !== undefined && others.length === 0, JSON.stringify(members));
    return { primary, standbys: members.filter(({ role }) => role === "standby").map(({ name }) => name) };
  }

  /** Result of a query on one node, columns separated by `|`, as superuser in the database of the app. */
  async sql(node: string, query: string): Promise<string> {
    return this.exec(await this.node(node), ["entrypoint.sh", "psql", "-d", "app", "-XAt", "-c", query]);
  }

  /** Keys in a Redis server, by what it tells its health check. */
  async redisKeys(service: "redis-cache" | "redis-limits"): Promise<number> {
    const client = ["redis-cli", "--no-auth-warning", "--user", "health", "--pass", "health", "info", "keyspace"];
    return Number(/^db0:keys=(\d+)/m.exec(await this.exec(await this.container(service), client))?.[1] ?? 0);
  }

  private async exec(container: Docker.Container, command: readonly string[]): Promise<string> {
    const { exitCode, stdout, stderr } = await execIn(container, command);
    assert.equal(exitCode, 0, `${command.join(" ")}: ${stderr || stdout}`);
    return stdout.trim();
  }
}
