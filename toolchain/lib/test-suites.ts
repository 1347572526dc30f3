import { checkovStep } from "../machine/checkov";
import { controlPlaneStep } from "../machine/control-plane";
import { kubeScoreStep } from "../machine/kube-score";
import type { Step } from "../machine/types";

/** One part of `npm test`. Checks (compiler, linter) count as one test each; mocha suites count their tests. */
export interface Suite {
  readonly id: string;
  readonly what: string;
  /** Program and arguments of a check, or the files of a mocha suite. */
  readonly check?: readonly string[];
  readonly files?: string;
  /** Mocha's timeout of one test, in milliseconds. */
  readonly timeout?: number;
  /** Test files of a mocha suite at a time, each in a process of its own: where they compute and share nothing. @default 1 */
  readonly jobs?: number;
  /** Left out unless it is asked for. */
  readonly onlyByName?: true;
}

/**
 * What runs when. Suites of one line run at the same time as those of the other lines of its group, because they mostly wait for
 * containers and each other's processes while the others compute; groups run one after the other. Lines of a group take about as long as
 * each other, measured on two cores.
 */
export const GROUPS: readonly (readonly (readonly Suite[])[])[] = [
  [
    [
      {
        id: "unit",
        what: "pure functions, components under mocks, stack config, toolchain",
        files: "tests/unit/**/*.test.ts",
        timeout: 30_000,
      },
      { id: "app", what: "the app's API, database and cluster logic", files: "tests/app/**/*.test.ts", timeout: 30_000, jobs: 2 },
    ],
    [
      { id: "typecheck", what: "TypeScript, strict", check: ["tsc", "--noEmit"] },
      { id: "lint", what: "ESLint, type-aware", check: ["eslint", "."] },
      { id: "format", what: "Prettier", check: ["prettier", "--check", "--log-level", "warn", "."] },
      { id: "faults", what: "the cluster manager under kill, stop, leak, reload", files: "tests/faults/**/*.test.ts", timeout: 120_000 },
    ],
  ],
  [
    [
      {
        id: "services",
        what: "the app on real Postgres, PgBouncer, Redis and Kafka",
        files: "tests/services/**/*.test.ts",
        timeout: 120_000,
      },
      { id: "database", what: "phase database from up to destroy", files: "tests/database/**/*.test.ts", timeout: 600_000 },
    ],
    [
      {
        id: "browser",
        what: "the pages and their modules in headless Chromium",
        files: "tests/browser/**/*.test.ts",
        timeout: 120_000,
      },
      {
        id: "conformance",
        what: "the providers' behaviour, property by property",
        files: "tests/conformance/**/*.test.ts",
        timeout: 120_000,
      },
      {
        id: "servers",
        what: "etcd, Postgres under Patroni and Kafka, when some of them are lost",
        files: "tests/servers/**/*.test.ts",
        timeout: 120_000,
      },
      { id: "integration", what: "pulumi up and all commands on real Docker", files: "tests/integration/**/*.test.ts", timeout: 600_000 },
    ],
  ],
  [
    [
      {
        id: "chaos",
        what: "phase database under faults and operations; takes over an hour, so only when named (npm run test:chaos)",
        files: "tests/chaos/**/*.test.ts",
        timeout: 600_000,
        onlyByName: true,
      },
    ],
    [
      {
        id: "checkov",
        what: "phase cloud against Checkov's rules, as a Terraform plan; installs Checkov from PyPI, so only when named",
        files: "tests/checkov/**/*.test.ts",
        timeout: 900_000,
        onlyByName: true,
      },
    ],
    [
      {
        id: "kubernetes",
        what: "the manifests on a real API server and by kube-score; builds both from the Go module proxy, so only when named",
        files: "tests/kubernetes/**/*.test.ts",
        timeout: 300_000,
        onlyByName: true,
      },
    ],
  ],
];

export const SUITES: readonly Suite[] = GROUPS.flat(2);

/** Suites that need more than npm's packages. */
export const NEEDS_DOCKER: ReadonlySet<string> = new Set(["services", "conformance", "servers", "integration", "database", "chaos"]);

/** What suites need beside npm's packages, brought about before they run. */
export const TOOLS: Readonly<Record<string, () => readonly Step[]>> = {
  checkov: () => [checkovStep()],
  kubernetes: () => [controlPlaneStep(), kubeScoreStep()],
};
