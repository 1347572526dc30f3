import { type ContextFile, readContext } from "../image/context-hash";

export { LEAST_MEMORY_MB, postgresMemory, postgresSettings, type PostgresSettings, type PostgresSizing } from "./settings";

/** The build context of the image all Postgres nodes run. */
export function postgresContext(): ContextFile[] {
  return readContext(__dirname, (name) => name === "Dockerfile" || name === "entrypoint.sh");
}
