import { readFileSync } from "node:fs";
import path from "node:path";
import type { ContextFile } from "../image/context-hash";
import { type RedisSettings, renderRedisConfig } from "./redis-config";

export { REDIS_APP_USER, renderRedisAcl } from "./acl";
export {
  REDIS_ACL_PATH,
  REDIS_DATA_DIRECTORY,
  REDIS_PORT,
  redisContainerMb,
  renderRedisConfig,
  type RedisRole,
  type RedisSettings,
} from "./redis-config";

/** The build context of one Redis server's image. */
export function redisContext(settings: RedisSettings): ContextFile[] {
  return [
    { path: "Dockerfile", content: readFileSync(path.join(__dirname, "Dockerfile")), executable: false },
    { path: "redis.conf", content: Buffer.from(renderRedisConfig(settings)), executable: false },
  ];
}
