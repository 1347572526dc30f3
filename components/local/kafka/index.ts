import { readFileSync } from "node:fs";
import path from "node:path";
import type { ContextFile } from "../image/context-hash";

export {
  KAFKA_CONFIG_PATH,
  KAFKA_DATA_DIRECTORY,
  KAFKA_EXTERNAL_PORT,
  KAFKA_PORT,
  kafkaMemory,
  renderServerProperties,
  type BrokerSettings,
} from "./server-properties";

/** The official image the broker's image is built on; the stand-in of restricted networks has the same name. */
export const KAFKA_BASE_IMAGE = "apache/kafka:4.1.0";

/** The build context of a broker's image: the same for every broker. */
export function kafkaContext(): ContextFile[] {
  return ["Dockerfile", "start.sh"].map((name) => ({
    path: name,
    content: readFileSync(path.join(__dirname, name)),
    executable: name === "start.sh",
  }));
}
