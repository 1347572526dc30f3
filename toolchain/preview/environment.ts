import path from "node:path";

/** Variables that lead to somebody's cloud, Pulumi account or cluster. */
const LEADS_SOMEWHERE = /^(AWS_|PULUMI_ACCESS_TOKEN$|PULUMI_BACKEND_URL$|PULUMI_CONFIG_PASSPHRASE|PULUMI_STACK$|KUBECONFIG$)/;

/**
 * The environment of a preview: nothing in it leads to an account, and state goes where it is thrown away. The plugins find no login, not even
 * the one of a profile or of the machine they run on.
 * @param directory a new directory of this preview
 */
export function previewEnvironment(outer: NodeJS.ProcessEnv, directory: string, backend: string, passphrase: string): NodeJS.ProcessEnv {
  const kept = Object.entries(outer).filter(([name]) => !LEADS_SOMEWHERE.test(name));
  return {
    ...Object.fromEntries(kept),
    AWS_CONFIG_FILE: path.join(directory, "no-aws-config"),
    AWS_SHARED_CREDENTIALS_FILE: path.join(directory, "no-aws-credentials"),
    AWS_EC2_METADATA_DISABLED: "true",
    PHASED_PREVIEW_WITHOUT_CREDENTIALS: "true",
    PULUMI_BACKEND_URL: backend,
    PULUMI_CONFIG_PASSPHRASE: passphrase,
    // The event log is an option of the CLI's debug set.
    PULUMI_DEBUG_COMMANDS: "true",
  };
}
