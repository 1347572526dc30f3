/** Logs a line and comes to its end while the only thread for writing has something else to do. */
import { pbkdf2 } from "node:crypto";
import { createLogger } from "../../../app/src/observability/logger";

process.on("exit", () => pbkdf2("password", "salt", 1_000_000, 32, "sha256", () => undefined));
createLogger({ logLevel: "info", appName: "test", appVersion: "1" }).info("the last line");
