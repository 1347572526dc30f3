/**
 * Outputs of a stack that are secrets, in every phase. `npm run verify` looks for their values where none may be; it is here, beside nothing
 * of Pulumi's SDK, because commands do not load that.
 */
export const SECRET_OUTPUTS = ["adminToken", "databasePassword", "backupPassphrase", "grafanaPassword"] as const;
