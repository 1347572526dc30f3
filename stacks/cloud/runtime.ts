import type { CloudApp } from "./app";
import type { AppParts } from "./app-parts";
import type { CloudTarget } from "./target";
import type { StackConfig } from "../config";

/** What runs the app on AWS; everything around it is the same. */
type CloudRuntime = (config: StackConfig, target: CloudTarget, parts: AppParts) => CloudApp;

/** The runtime that is configured. Each is loaded only when it is chosen: ECS never pays for Kubernetes' library. */
export async function cloudRuntime({ cloudRuntime: chosen }: StackConfig): Promise<CloudRuntime> {
  return chosen === "eks" ? (await import("./eks.js")).cloudEks : (await import("./app.js")).cloudApp;
}
