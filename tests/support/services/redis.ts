import { randomBytes } from "node:crypto";
import { Redis } from "ioredis";
import {
  REDIS_ACL_PATH,
  REDIS_APP_USER,
  REDIS_DATA_DIRECTORY,
  REDIS_PORT,
  redisContainerMb,
  redisContext,
  renderRedisAcl,
  type RedisRole,
} from "../../../components/local/redis";
import { type ServiceContainer, serviceImage, startService } from "./container";

/** A Redis server of a test. */
export interface RedisService extends ServiceContainer {
  readonly role: RedisRole;
  /** With user and password: what goes into REDIS_URL. */
  readonly url: string;
  /** A plain client that waits for the server, for looking into it; disconnect it after use. */
  client(): Redis;
}

export interface RedisServiceOptions {
  /** @default "limits" */
  readonly role?: RedisRole;
  /** @default 64 */
  readonly maxMemoryMb?: number;
}

/** Starts Redis from the project's own image, configured as the stack does it: read-only root, ACL file, no capabilities. */
export async function startRedis({ role = "limits", maxMemoryMb = 64 }: RedisServiceOptions = {}): Promise<RedisService> {
  const password = randomBytes(16).toString("hex");
  const url = (port: number): string => `redis://${REDIS_APP_USER}:${password}@127.0.0.1:${port}`;
  const service = await startService({
    kind: `redis-${role}`,
    image: await serviceImage("redis", redisContext({ role, maxMemoryMb })),
    internalPort: REDIS_PORT,
    create: ["--read-only", "--cap-drop", "ALL", "--security-opt", "no-new-privileges", "--memory", `${redisContainerMb(maxMemoryMb)}m`],
    volumes: ["/run/secrets", REDIS_DATA_DIRECTORY],
    files: [{ path: REDIS_ACL_PATH, content: renderRedisAcl(password) }],
    ready: ({ port }) => answers(url(port)),
  });
  const clients = new Set<Redis>();
  return {
    ...service,
    role,
    url: url(service.port),
    client() {
      const client = new Redis(url(service.port), { maxRetriesPerRequest: null, retryStrategy: () => 50 });
      // Tests stop the server on purpose; what a command says about it reaches its caller.
      client.on("error", () => undefined);
      clients.add(client);
      return client;
    },
    async remove() {
      for (const client of clients) client.disconnect();
      await service.remove();
    },
  };
}

async function answers(url: string): Promise<boolean> {
  const client = new Redis(url, { lazyConnect: true, retryStrategy: () => null, connectTimeout: 1000, commandTimeout: 1000 });
  client.on("error", () => undefined);
  try {
    await client.connect();
    return (await client.ping()) === "PONG";
  } finally {
    client.disconnect();
  }
}
