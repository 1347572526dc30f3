/** Rules of the field that are not adopted, and why. Ids of Checkov or of AWS Security Hub. */
export const NOT_ADOPTED: Readonly<Record<string, string>> = {
  CKV_AWS_144:
    "Replication of every bucket to a second region: a second region is a choice (A16), and logs and rebuildable files need no copy.",
  CKV_AWS_374: "Geographic restriction of CloudFront: who may use the app is not for the infrastructure to guess.",
  CKV2_AWS_62: "Event notifications of every bucket: only where something listens to them.",
  "S3.11": "The same as CKV2_AWS_62.",
  "RDS.23": "A database port other than the default: hides nothing from anybody who can reach it, and security groups decide who can.",
};
