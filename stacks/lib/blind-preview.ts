import * as pulumi from "@pulumi/pulumi";

/** Set for a preview by somebody without a login (`npm run preview:prod`): nothing is asked of anybody. An update ignores it. */
const WITHOUT_CREDENTIALS = "PHASED_PREVIEW_WITHOUT_CREDENTIALS";

/** Whether this is a preview that may ask nothing of a cloud or an engine. */
export function isBlindPreview(): boolean {
  return pulumi.runtime.isDryRun() && process.env[WITHOUT_CREDENTIALS] === "true";
}
