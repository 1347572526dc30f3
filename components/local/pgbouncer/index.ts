import { readFileSync } from "node:fs";
import path from "node:path";
import type { ContextFile } from "../image/context-hash";
import { type PgbouncerSettings, renderPgbouncerConfig } from "./config";

export {
  PGBOUNCER_PORT,
  PGBOUNCER_USERS_PATH,
  pgbouncerPool,
  postgresConnections,
  renderPgbouncerConfig,
  renderPgbouncerUsers,
  RESERVED_CONNECTIONS,
  type PgbouncerPool,
  type PgbouncerSettings,
} from "./config";

/** The build context of one PgBouncer's image. */
export function pgbouncerContext(settings: PgbouncerSettings): ContextFile[] {
  return [
    { path: "Dockerfile", content: readFileSync(path.join(__dirname, "Dockerfile")), executable: false },
    { path: "pgbouncer.ini", content: Buffer.from(renderPgbouncerConfig(settings)), executable: false },
  ];
}
