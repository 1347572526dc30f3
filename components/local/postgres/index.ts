import { type ContextFile, readContext } from "../image/context-hash";

export {
  PATRONI_API_USER,
  PATRONI_CONFIG_PATH,
  PATRONI_PORT,
  PATRONI_STOP_SIGNAL,
  patroniConfig,
  patroniSharedConfig,
  POSTGRES_PORT,
  renderPatroniConfig,
  type PatroniSettings,
} from "./patroni";
export {
  LEAST_CONNECTIONS,
  LEAST_MEMORY_MB,
  postgresMemory,
  postgresSettings,
  type PostgresSettings,
  type PostgresSizing,
} from "./settings";

/** The build context of the image all Postgres nodes run. */
export function postgresContext(): ContextFile[] {
  return readContext(__dirname, (name) => name === "Dockerfile" || name === "entrypoint.sh");
}
