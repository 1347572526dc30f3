import * as pulumi from "@pulumi/pulumi";
import { SecretFiles } from "../secret-files";
import { PASSWORD_NAMES, type PasswordName } from "./roles";
import { renderRepositoryKeys, REPOSITORY_KEYS_FILE } from "./s3-repository";

/** S3RepositoryKeys as inputs; without a passphrase one is generated. */
export interface RepositoryKeys {
  readonly key: pulumi.Input<string>;
  readonly keySecret: pulumi.Input<string>;
  readonly passphrase?: pulumi.Input<string> | undefined;
}

/** No password of a role, and no file of its own. It is kept while no repository needs it: one that is used again must still open. */
const PASSPHRASE = "backup_passphrase";

/** Passwords of all roles, and what opens the repository of the backups. */
export type PostgresSecrets = SecretFiles<PasswordName | typeof PASSPHRASE, typeof REPOSITORY_KEYS_FILE, typeof PASSPHRASE>;

export interface PostgresSecretsArgs {
  readonly keys: RepositoryKeys | undefined;
  readonly image: pulumi.Input<string>;
  readonly protect: boolean;
  readonly parent: pulumi.Resource;
}

/** The files of a cluster's secrets; that of the repository only with keys of one, so that nothing is written anew where there is none. */
export function postgresSecrets(name: string, { keys, image, protect, parent }: PostgresSecretsArgs): PostgresSecrets {
  const generate = [...PASSWORD_NAMES, PASSPHRASE] as const;
  const render = keys && {
    render: (generated: Readonly<Record<typeof PASSPHRASE, pulumi.Output<string>>>) => ({
      [REPOSITORY_KEYS_FILE]: pulumi
        .all([keys.key, keys.keySecret, keys.passphrase ?? generated[PASSPHRASE]])
        .apply(([key, keySecret, passphrase]) => renderRepositoryKeys({ key, keySecret, passphrase })),
    }),
  };
  return new SecretFiles(name, { generate, withoutFile: [PASSPHRASE], ...render, image, protect }, { parent });
}

/** What the repository is encrypted with, marked secret; `undefined` where it is a volume, which is not. */
export function backupPassphrase(secrets: PostgresSecrets, keys: RepositoryKeys | undefined): pulumi.Output<string> | undefined {
  return keys && pulumi.secret(keys.passphrase ?? secrets.values[PASSPHRASE]);
}
