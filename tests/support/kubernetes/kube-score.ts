import { exec } from "../../../toolchain/lib/exec";
import { findKubeScore } from "../../../toolchain/machine/kube-score";
import { type Manifest, yamlOf } from "../manifests";

/** The version of Kubernetes that APIs are asked to be stable in. */
const KUBERNETES = "v1.36";
const TIMEOUT_MS = 120_000;
/** Grade of a check that failed, in its JSON. */
const CRITICAL = 1;

/** A check that failed as CRITICAL. */
export interface Finding {
  /** Of the check, e.g. `container-resources`. */
  readonly id: string;
  /** Kind and name. */
  readonly object: string;
  readonly comment: string;
}

interface Exception {
  readonly reason: string;
  /** What is remarked: anything else of the same check counts. */
  readonly comment: RegExp;
}

const NO_CPU_LIMIT = "A pod with a CPU limit stands still while its node has time to spare; what others asked for is theirs anyway.";

/** What kube-score asks for and the pods do not have, on purpose. */
export const EXCEPTIONS: Readonly<Record<string, Exception>> = {
  "container-resources": { reason: NO_CPU_LIMIT, comment: /^app CPU limit is not set$/ },
  "container-resource-requests-equal-limits": { reason: NO_CPU_LIMIT, comment: /^app CPU requests does not match limits$/ },
  "container-cpu-requests-equal-limits": { reason: NO_CPU_LIMIT, comment: /^app CPU requests does not match limits$/ },
  "container-ephemeral-storage-request-equals-limit": {
    reason: "Uploads and logs fill the disk now and then: a node is not to keep free what a pod may need at most.",
    comment: /^app Ephemeral Storage request does not match limit$/,
  },
  "container-image-pull-policy": {
    reason: "Images are named by digest, which never means another image: a registry that is away stops no pod whose image is there.",
    comment: /^app ImagePullPolicy is not set to Always$/,
  },
};

interface Scored {
  readonly type_meta: { readonly kind: string };
  readonly object_meta: { readonly name: string };
  readonly checks: readonly {
    readonly check: { readonly id: string };
    readonly grade: number;
    readonly skipped: boolean;
    readonly comments: readonly { readonly path: string; readonly summary: string }[] | null;
  }[];
}

/**
 * Holds objects against all checks of kube-score, the optional ones too; annotations that switch a check off do not count.
 * @returns what failed as CRITICAL, excepted or not, and how many checks were made
 * @throws Error when kube-score is not there, or has not understood the objects
 */
export async function runKubeScore(manifests: readonly Manifest[]): Promise<{ findings: Finding[]; checks: number }> {
  const program = findKubeScore();
  if (program === undefined) throw new Error("kube-score is not there. Fix: npm run test:kubernetes, which builds it");
  const flags = [
    "--all-default-optional",
    "--disable-ignore-checks-annotations",
    "--kubernetes-version",
    KUBERNETES,
    "--output-format",
    "json",
  ];
  // It ends with exit code 1 when there is something to report.
  const { stdout, tail } = await exec(program, ["score", ...flags, "-"], { input: yamlOf(manifests), check: false, timeoutMs: TIMEOUT_MS });
  if (!stdout.trimStart().startsWith("[")) throw new Error(`kube-score made no report:\n${tail}`);
  const scored = JSON.parse(stdout) as readonly Scored[];
  const made = scored.flatMap(({ type_meta: { kind }, object_meta: { name }, checks }) =>
    checks.filter(({ skipped }) => !skipped).map((check) => ({ object: `${kind} ${name}`, ...check })),
  );
  const findings = made
    .filter(({ grade }) => grade <= CRITICAL)
    .map(({ object, check: { id }, comments }) => ({
      ...{ id, object },
      comment: (comments ?? []).map(({ path, summary }) => `${path} ${summary}`.trim()).join("; "),
    }));
  return { findings, checks: made.length };
}

/** Findings that nothing excepts, one line each. */
export function unexcepted(findings: readonly Finding[]): string[] {
  const excepted = ({ id, comment }: Finding): boolean => EXCEPTIONS[id]?.comment.test(comment) === true;
  return findings.filter((finding) => !excepted(finding)).map(({ id, object, comment }) => `${id}: ${object}: ${comment}`);
}
