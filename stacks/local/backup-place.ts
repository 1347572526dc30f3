import * as pulumi from "@pulumi/pulumi";
import type { RepositoryKeys, S3Repository } from "../../components/local/postgres";
import type { StackConfig } from "../config";
import { secretValues } from "../config/secrets";
import { readAuthorities } from "../lib/authority-file";

/** What the database is given of where its backups are: nothing for the volume. */
export function backupPlace(
  { backupCaFile }: Pick<StackConfig, "backupCaFile">,
  repository: S3Repository | undefined,
): { readonly repository?: S3Repository; readonly repositoryKeys?: RepositoryKeys } {
  if (repository === undefined) return {};
  const { backupS3Key, backupS3KeySecret, backupPassphrase } = secretValues({
    project: pulumi.getProject(),
    values: pulumi.runtime.allConfig(),
  });
  if (backupS3Key === undefined || backupS3KeySecret === undefined) throw new pulumi.RunError("backupUrl has no keys");
  return {
    repository: backupCaFile === undefined ? repository : { ...repository, certificates: readAuthorities(backupCaFile) },
    repositoryKeys: {
      key: pulumi.secret(backupS3Key),
      keySecret: pulumi.secret(backupS3KeySecret),
      ...(backupPassphrase !== undefined && { passphrase: pulumi.secret(backupPassphrase) }),
    },
  };
}
