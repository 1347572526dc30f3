import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { NOT_ADOPTED } from "../../policy/not-adopted";
import { NOT_ROTATED } from "../../policy/not-rotated";
import type { ProfileName } from "../../policy/profile";
import { RULES } from "../../policy/rules";
import { exec } from "../../toolchain/lib/exec";
import { findCheckov } from "../../toolchain/machine/checkov";
import type { TerraformPlan } from "./terraform-plan";

/** A check that a resource of a plan failed. */
export interface Failure {
  /** Name of the plan. */
  readonly plan: string;
  /** E.g. `CKV_AWS_16`. */
  readonly id: string;
  /** Terraform's address. */
  readonly resource: string;
}

/** A check of Checkov's that does not count here. */
interface Skipped {
  readonly reason: string;
  /** Only for resources of these addresses. @default all */
  readonly resources?: RegExp;
}

/** Lambda functions of the stack's own operation (components/aws/function). */
const HELPERS = /lambda_function\..*(runner|checker|rotator)/;

/** What Checkov finds and this project does on purpose. */
export const SKIPPED: Readonly<Record<string, Skipped>> = {
  ...Object.fromEntries(
    Object.entries(NOT_ADOPTED)
      .filter(([id]) => id.startsWith("CKV"))
      .map(([id, reason]) => [id, { reason }]),
  ),
  CKV2_AWS_47: {
    reason:
      "Asks for AWSManagedRulesAnonymousIpList, which locks out people behind a VPN; what it is named after, Log4j, is in KnownBadInputs.",
  },
  CKV2_AWS_76: { reason: "The same as CKV2_AWS_47, for the load balancer." },
  CKV2_AWS_5: {
    reason:
      "Checkov does not know that RDS Proxy and, by a node class, nodes of EKS have security groups; the rule security-groups-used does.",
    resources: /security_group\.(.*proxy|(second_)?groups_app$)/,
  },
  CKV2_AWS_57: {
    reason: "What nothing rotates is listed with reasons in policy/not-rotated.ts; the rule secrets-rotation asks for all others.",
    resources: new RegExp(`\\.(second_)?(${Object.keys(NOT_ROTATED).join("|").replaceAll("-", "_")})$`),
  },
  CKV_AWS_157: { reason: "A read replica: the primary has the standby, and the rule rds-multi-az asks for it.", resources: /replica/ },
  CKV_AWS_161: { reason: "The app logs in through RDS Proxy by a secret; IAM authentication is a choice." },
  CKV_AWS_259: { reason: "Asks for HSTS preload, which binds every name below a domain for years: for its owner to decide." },
  CKV_AWS_260: {
    reason: "Port 80 of the load balancer answers with a redirect to HTTPS; the rule security-groups-public allows it there alone.",
  },
  CKV_AWS_145: { reason: "Load balancers write access logs to buckets with S3's own key only.", resources: /logs/ },
  CKV_AWS_378: { reason: "TLS ends at the load balancer; between it and the tasks nobody else is let in, see the test of reachability." },
  CKV_AWS_86: { reason: "Access logs go by log delivery (v2), which Checkov does not know; the rule cloudfront-logs does." },
  CKV_AWS_50: {
    reason: "A helper is called once an update, or once a month; its answer and its log say all there is to trace.",
    resources: HELPERS,
  },
  CKV_AWS_115: {
    reason:
      "What is reserved is taken from the account's other functions; of a new account's ten nothing can be, and the update would fail.",
    resources: HELPERS,
  },
  CKV_AWS_116: {
    reason:
      "The update waits for the function's answer, and Secrets Manager tries again: nothing is lost that a dead-letter queue could keep.",
    resources: HELPERS,
  },
  CKV_AWS_117: { reason: "The helpers ask services of AWS alone, and reach nothing in the VPC.", resources: HELPERS },
  CKV_AWS_173: { reason: "Its one variable is the name of a server, which is no secret; Lambda encrypts it anyway.", resources: /rotator/ },
  CKV_AWS_272: {
    reason: "The function's code is part of the program that deploys it; a signing profile would be signed by the same hands.",
    resources: HELPERS,
  },
  CKV_AWS_305: { reason: "`/` is a page of the app; the rule cloudfront-root-object asks for one where files are served." },
  CKV_AWS_310: { reason: "Failover needs the second region (A16); the rule cloudfront-failover asks for it where there are two." },
  CKV_AWS_338: { reason: "A year of logs is a cost that a user decides on; the rule logs-retention asks for a decision." },
};

const TIMEOUT_MS = 800_000;

interface Report {
  readonly results: {
    readonly failed_checks: readonly { readonly check_id: string; readonly resource: string; readonly file_path: string }[];
  };
  readonly summary: { readonly parsing_errors: number; readonly resource_count: number };
}

/**
 * Holds plans against Checkov's rules for Terraform.
 * @param checks ids of those that count. @default all
 * @returns what failed, skipped or not, and how many resources were checked
 * @throws UserError when Checkov is not there, or has not understood a plan
 */
export async function runCheckov(
  plans: Readonly<Record<string, TerraformPlan>>,
  checks: readonly string[] = [],
): Promise<{ failures: Failure[]; resources: number }> {
  const program = findCheckov();
  if (program === undefined) throw new Error("Checkov is not installed. Fix: npm test -- --only checkov, which installs it");
  const directory = mkdtempSync(path.join(tmpdir(), "checkov-plans-"));
  try {
    const files = Object.entries(plans).map(([name, plan], index) => {
      const file = path.join(directory, `${index}.json`);
      writeFileSync(file, JSON.stringify(plan));
      return { name, file };
    });
    const args = [
      ...files.flatMap(({ file }) => ["-f", file]),
      ...["--framework", "terraform_plan", "--compact", "--quiet"],
      // Into a file: a report of many plans is longer than what is kept of a program's output.
      ...["--output", "json", "--output-file-path", directory],
      // Nothing is asked of a platform: the rules are those of the package.
      "--skip-download",
      ...(checks.length === 0 ? [] : ["--check", checks.join(",")]),
    ];
    const options = { timeoutMs: TIMEOUT_MS, check: false, cwd: directory, env: { ...process.env, LOG_LEVEL: "ERROR" } };
    const { code, tail } = await exec(program, args, options);
    const report = path.join(directory, "results_json.json");
    if (!existsSync(report)) throw new Error(`checkov ended with exit code ${code} and no report:\n${tail}`);
    const { results, summary } = JSON.parse(readFileSync(report, "utf8")) as Report;
    if (summary.parsing_errors > 0) throw new Error(`checkov could not read ${summary.parsing_errors} of ${files.length} plans`);
    const names = new Map(files.map(({ name, file }) => [path.basename(file), name]));
    const failures = results.failed_checks.map(({ check_id: id, resource, file_path: file }) => ({
      plan: names.get(path.basename(file)) ?? file,
      id,
      resource,
    }));
    return { failures, resources: summary.resource_count };
  } finally {
    rmSync(directory, { recursive: true });
  }
}

/**
 * Failures that nothing excuses, one line each.
 * @param profile with dev, what this project's rules relax there does not count either
 */
export function unexcused(failures: readonly Failure[], profile: ProfileName = "prod"): string[] {
  const relaxed = new Set(
    RULES.filter(({ devRelaxation }) => profile === "dev" && devRelaxation !== undefined).flatMap(({ cites }) => cites),
  );
  const excused = ({ id, resource }: Failure): boolean => {
    const skipped = SKIPPED[id];
    return relaxed.has(id) || (skipped !== undefined && (skipped.resources?.test(resource) ?? true));
  };
  return failures.filter((failure) => !excused(failure)).map(({ plan, id, resource }) => `${plan}: ${id} ${resource}`);
}
