import type { CloudApp } from "./cloud-app";
import type { AppParts } from "./cloud-app-parts";
import type { CloudTarget } from "./cloud-target";
import type { StackConfig } from "./config";

/** What runs the app on AWS; everything around it is the same. */
type CloudRuntime = (config: StackConfig, target: CloudTarget, parts: AppParts) => CloudApp;

/** The runtime that is configured. Each is loaded only when it is chosen: ECS never pays for Kubernetes' library. */
export async function cloudRuntime({ cloudRuntime: chosen }: StackConfig): Promise<CloudRuntime> {
  return chosen === "eks" ? (await import("./cloud-eks.js")).cloudEks : (await import("./cloud-app.js")).cloudApp;
}
