import { z } from "zod";
import type { S3Repository } from "../../components/local/postgres/s3-repository";
import type { Field } from "../config/fields";
import type { StackConfig } from "../config/keys";
import { authorityFileViolations } from "../lib/authority-file";

type BackupConfig = Pick<StackConfig, "backupUrl" | "backupCaFile">;

const FORM = "s3://BUCKET/PATH?region=REGION, and with endpoint=HOST:PORT for another server than Amazon's";
const EXAMPLE = "'s3://my-backups/shop?region=eu-central-1'";
const FIX = `Fix: pulumi config set backupUrl ${EXAMPLE}`;

/** The keys of an address after the question mark. */
const PARAMETERS = ["endpoint", "region", "style"] as const;

/** The certificates are a file in the image. */
const AUTHORITIES = { reader: "every Postgres server", mostBytes: 256 * 1024 } as const;

/** The key of the stack configuration. What exactly is wrong with an address, {@link backupViolations} says. */
export const backupUrl: Field<string> = {
  schema: z.string().regex(/^s3:\/\/\S{1,1000}$/),
  allowed: `an address such as ${FORM}`,
  example: EXAMPLE,
};

/** What is wrong with the place of the backups, one sentence each. The address is not repeated: there may be keys in it. */
export function backupViolations(config: BackupConfig, now = new Date()): string[] {
  const { backupUrl: address, backupCaFile: file } = config;
  const problem = address === undefined ? undefined : parse(address).problem;
  const violations = problem === undefined ? [] : [`backupUrl ${problem}`];
  if (file === undefined) return violations;
  if (address === undefined) {
    violations.push("backupCaFile is set, but backupUrl is not; allowed: authorities for a server. Fix: pulumi config rm backupCaFile");
  }
  return [...violations, ...authorityFileViolations({ key: "backupCaFile", file }, AUTHORITIES, now)];
}

/** Where the backups are, without the authorities; `undefined` for the volume. @throws Error for what {@link backupViolations} refuses. */
export function backupRepository({ backupUrl: address }: Pick<StackConfig, "backupUrl">): S3Repository | undefined {
  if (address === undefined) return undefined;
  const { repository, problem } = parse(address);
  if (repository === undefined) throw new Error(`backupUrl ${problem}`);
  return repository;
}

type Parsed =
  { readonly repository: S3Repository; readonly problem?: undefined } | { readonly repository?: undefined; readonly problem: string };

function parse(address: string): Parsed {
  if (!URL.canParse(address)) return { problem: `cannot be read; allowed: ${FORM}. ${FIX}` };
  const url = new URL(address);
  const given = (name: (typeof PARAMETERS)[number]): string | undefined => url.searchParams.get(name) ?? undefined;
  const [endpoint, region = endpoint === undefined ? undefined : "us-east-1"] = [given("endpoint"), given("region")];
  const { hostname: bucket } = url;
  const uriStyle = given("style") ?? (endpoint === undefined ? "host" : "path");
  const path = url.pathname.replace(/\/$/, "") || "/";
  const problem = addressProblem(url) ?? valueProblem({ bucket, path, endpoint, region, uriStyle });
  if (problem !== undefined || region === undefined || (uriStyle !== "host" && uriStyle !== "path"))
    return { problem: problem ?? `cannot be read; allowed: ${FORM}. ${FIX}` };
  return { repository: { bucket, path, endpoint: endpoint ?? amazon(region), region, uriStyle } };
}

/** Amazon's own server of a region. */
function amazon(region: string): string {
  return `s3.${region}.amazonaws.com${region.startsWith("cn-") ? ".cn" : ""}`;
}

function addressProblem(url: URL): string | undefined {
  const names = [...url.searchParams.keys()];
  const unknown = names.find((name) => !(PARAMETERS as readonly string[]).includes(name));
  const twice = names.find((name, index) => names.indexOf(name) !== index);
  if (url.username !== "" || url.password !== "") {
    return "has keys in it, which everybody who has the stack's file can read; allowed: keys as secrets. Fix: pulumi config set --secret backupS3Key ID";
  }
  if (url.port !== "") return `has a port after the bucket; allowed: ${FORM}. ${FIX}`;
  if (url.hash !== "") return `has something after #; allowed: ${FORM}. ${FIX}`;
  if (unknown !== undefined) return `has ${unknown}=; allowed: ${PARAMETERS.join(", ")}. ${FIX}`;
  return twice === undefined ? undefined : `has ${twice}= twice; allowed: each once. ${FIX}`;
}

interface Values {
  readonly bucket: string;
  readonly path: string;
  readonly endpoint: string | undefined;
  readonly region: string | undefined;
  readonly uriStyle: string;
}

function valueProblem({ bucket, path, endpoint, region, uriStyle }: Values): string | undefined {
  if (!/^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/.test(bucket)) {
    return `has no bucket's name after s3://; allowed: 3 to 63 lower-case letters, digits, dots and dashes. ${FIX}`;
  }
  if (!/^\/$|^(\/[A-Za-z0-9._-]+)+$/.test(path)) {
    return `has a path that is not usable; allowed: parts of letters, digits, dots, _ and -. ${FIX}`;
  }
  if (endpoint !== undefined && !/^[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?(:[0-9]{1,5})?$/.test(endpoint)) {
    return "has an endpoint that is not usable; allowed: HOST or HOST:PORT, which is spoken to by TLS only. Fix: pulumi config set backupUrl 's3://my-backups/shop?endpoint=s3.example.com:9000'";
  }
  if (region === undefined) return `has no region; allowed: one of Amazon's, or an endpoint. ${FIX}`;
  if (!/^[A-Za-z0-9-]{1,32}$/.test(region)) return `has a region that is not usable; allowed: letters, digits and dashes. ${FIX}`;
  if (uriStyle !== "host" && uriStyle !== "path") return `has a style that is not known; allowed: host, path. ${FIX}`;
  if (uriStyle === "host" && bucket.includes(".")) {
    return `has a bucket with a dot in its name, for which no server has a certificate; allowed: a name without, or style=path. ${FIX}`;
  }
  return undefined;
}
