import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { parse } from "yaml";

const ROOT = path.resolve(__dirname, "../../..");
const DIRECTORY = path.join(ROOT, ".github/workflows");
const README = readFileSync(path.join(ROOT, "README.md"), "utf8");

interface Step {
  readonly name?: string;
  readonly uses?: string;
  readonly run?: string;
  readonly if?: string;
  readonly env?: Readonly<Record<string, string>>;
  readonly with?: Readonly<Record<string, string | number | boolean>>;
}

interface Job {
  readonly "runs-on": string;
  readonly environment?: string;
  readonly permissions?: Readonly<Record<string, string>>;
  readonly concurrency?: Readonly<Record<string, string | boolean>>;
  readonly steps: readonly Step[];
}

interface Workflow {
  readonly file: string;
  readonly text: string;
  readonly on: Readonly<Record<string, unknown>>;
  readonly permissions: Readonly<Record<string, string>>;
  readonly jobs: Readonly<Record<string, Job>>;
}

const WORKFLOWS: readonly Workflow[] = readdirSync(DIRECTORY)
  .sort()
  .map((file) => {
    const text = readFileSync(path.join(DIRECTORY, file), "utf8");
    return { file, text, ...(parse(text) as Omit<Workflow, "file" | "text">) };
  });

const workflow = (file: string): Workflow => {
  const found = WORKFLOWS.find((each) => each.file === file);
  assert.ok(found, file);
  return found;
};

const withoutComments = (text: string): string => text.replaceAll(/^ *#.*$/gm, "");

/** Variables and secrets of the repository that a text of a workflow reads, as `variable NAME`. */
function settingsIn(text: string): string[] {
  const found = [...withoutComments(text).matchAll(/\b(vars|secrets)\.([A-Z][A-Z0-9_]*)/g)];
  return [...new Set(found.map(([, kind, name = ""]) => `${kind === "vars" ? "variable" : "secret"} ${name}`))];
}

/** Part of README below a heading, up to the next of the same rank or a higher one. */
function section(heading: string): string {
  const start = README.indexOf(`\n${heading}\n`);
  assert.ok(start >= 0, heading);
  const rank = heading.indexOf(" ");
  const next = new RegExp(`\n#{1,${rank}} `, "g");
  next.lastIndex = start + heading.length;
  return README.slice(start, next.exec(README)?.index);
}

const CI = section("### 5. CI with OIDC roles");

/** Rows of README's table: what is to be set, and which workflows read it. */
const ROWS = [...CI.matchAll(/^\| `([A-Z0-9_]+)` +\| (variable|secret) +\| (.+?) +\| (.+?) +\|$/gm)].map(
  ([, name = "", kind = "", files = "", what = ""]) => ({
    setting: `${kind} ${name}`,
    files: [...files.matchAll(/`([\w.-]+)`/g)].map(([, file = ""]) => file).sort(),
    what,
  }),
);

const OWN_REPOSITORY = "github.event.pull_request.head.repo.full_name == github.repository";
const LOGIN = "aws-actions/configure-aws-credentials@";

/** Steps that log in somewhere, with their jobs. */
const LOGINS = WORKFLOWS.flatMap(({ file, on, jobs }) =>
  Object.values(jobs).flatMap((job) => job.steps.filter(({ uses }) => uses?.startsWith(LOGIN)).map((step) => ({ file, on, job, step }))),
);

describe("workflows and what README says of them", () => {
  it("README names every variable and every secret that a workflow reads, with that workflow, and none that none reads", () => {
    const read = new Map<string, string[]>();
    for (const { file, text } of WORKFLOWS) for (const setting of settingsIn(text)) read.set(setting, [...(read.get(setting) ?? []), file]);
    assert.ok(read.size >= 15, `${read.size} settings`);
    const told = ROWS.map(({ setting, files }) => [setting, files] as const);
    assert.equal(new Set(told.map(([setting]) => setting)).size, told.length, "each in one row");
    assert.deepEqual(Object.fromEntries(told), Object.fromEntries(read));
  });

  it("each workflow says at its top what is to be set for it, and reads settings in no way that a search does not find", () => {
    for (const { file, text } of WORKFLOWS) {
      const top = text.slice(0, text.search(/^name:/m));
      for (const setting of settingsIn(text)) assert.match(top, new RegExp(`\\b${setting.split(" ")[1] ?? ""}\\b`), `${file}: ${setting}`);
      assert.doesNotMatch(withoutComments(text), /\b(vars|secrets)\s*(\[|\)|: *inherit)/, file);
    }
  });

  it("a pull request of a fork is served without a login: nothing is asked for that GitHub does not give it", () => {
    assert.match(CI, /`preview\.yml` shows every pull request what production would be; it needs no login, and so works for forks/);
    const ofPullRequests = WORKFLOWS.filter(({ on }) => "pull_request" in on);
    assert.deepEqual(
      ofPullRequests.map(({ file }) => file),
      ["local-stack.yml", "preview.yml", "test.yml"],
    );
    for (const { file, on, jobs } of WORKFLOWS) {
      assert.ok(!("pull_request_target" in on), `${file} would run a fork's code with the rights of this repository`);
      if (!("pull_request" in on)) continue;
      for (const [name, job] of Object.entries(jobs)) {
        const at = `${file}, ${name}`;
        assert.equal(job["runs-on"], "ubuntu-24.04", `${at}: a fork's code on a machine of our own`);
        for (const step of job.steps)
          if (step.uses?.startsWith(LOGIN) || JSON.stringify(step.env ?? {}).includes("github.token"))
            assert.ok(step.if?.split(" && ").includes(OWN_REPOSITORY), `${at}: ${step.name ?? step.uses ?? ""}`);
        if (file === "preview.yml" && name === "preview") continue;
        assert.deepEqual(settingsIn(JSON.stringify(job)), [], at);
        assert.equal(job.permissions?.["id-token"], undefined, at);
      }
    }
    assert.match(
      workflow("preview.yml")
        .jobs["production"]?.steps.map(({ run = "" }) => run)
        .join("\n") ?? "",
      /npm run --silent preview:prod/,
    );
  });

  it("who works on a stack waits in one line with all who do, of whom none is cut off or put out of the line by the next", () => {
    const jobs = WORKFLOWS.flatMap((each) => Object.values(each.jobs)).filter(({ concurrency }) =>
      String(concurrency?.["group"]).startsWith("stack-"),
    );
    assert.equal(jobs.length, 2, "deploy and drift");
    // Without `queue: max` one job waits at most, and a newer one ends it.
    for (const { concurrency } of jobs)
      assert.deepEqual(concurrency, { group: "stack-${{ matrix.stack }}", "cancel-in-progress": false, queue: "max" });
  });

  it("what previews pull requests shares with the deployment only the region: it has a backend, a login and a role of its own", () => {
    const others = new Set(WORKFLOWS.filter(({ on }) => !("pull_request" in on)).flatMap(({ text }) => settingsIn(text)));
    const shared = settingsIn(workflow("preview.yml").text).filter((setting) => others.has(setting));
    assert.deepEqual(shared, ["variable AWS_REGION"]);
  });

  it("roles trust the subject that GitHub gives to the jobs which take them on, and are there for as long as these ask", () => {
    const subjectOf = (role: string): string => new RegExp(`\\b${role}\\) subject=(\\S+) ;;`).exec(CI)?.[1] ?? "";
    const told = ROWS.find(({ setting }) => setting === "variable AWS_DEV_PREVIEW_ROLE")?.what ?? "";
    const trusted: Readonly<Record<string, string>> = {
      AWS_DEPLOY_ROLE: subjectOf("deploy"),
      AWS_PREVIEW_ROLE: subjectOf("read"),
      AWS_DRIFT_ROLE: subjectOf("read"),
      AWS_DEV_PREVIEW_ROLE: /`…:(pull_request)`/.exec(told)?.[1] ?? "",
    };
    const longest = Number(/--max-session-duration (\d+)/.exec(CI)?.[1]);
    const taken = LOGINS.map(({ file, on, job, step }) => {
      const role = /vars\.(\w+)/.exec(String(step.with?.["role-to-assume"]))?.[1] ?? "";
      const subject =
        job.environment !== undefined ? `environment:${job.environment}` : "pull_request" in on ? "pull_request" : "ref:refs/heads/main";
      assert.equal(trusted[role], subject, `${file} takes ${role} on as ${subject}`);
      assert.equal(job.permissions?.["id-token"], "write", file);
      assert.ok(Number(step.with?.["role-duration-seconds"] ?? 3600) <= longest, `${file} asks for longer than ${longest} s`);
      return role;
    });
    assert.deepEqual(taken.sort(), Object.keys(trusted).sort());
    assert.match(CI, /:sub": "\$REPOSITORY:\$subject"/, "by the name that GitHub uses in tokens");
    assert.match(CI, /REPOSITORY=\$\(gh api \S+\/actions\/oidc\/customization\/sub --jq '\.sub_claim_prefix /);
  });

  it("what works on production stacks runs where DEPLOY_RUNNER says, and on GitHub's machines without it", () => {
    const production = [...Object.values(workflow("deploy.yml").jobs), ...Object.values(workflow("drift.yml").jobs)];
    assert.equal(production.length, 3);
    for (const job of production) assert.equal(job["runs-on"], "${{ vars.DEPLOY_RUNNER || 'ubuntu-24.04' }}");
  });

  it("the deployment logs Docker in to the registry of each region, before the update, and fails where one refuses", () => {
    const steps = workflow("deploy.yml").jobs["deploy"]?.steps ?? [];
    const at = steps.findIndex(({ run }) => run?.includes("docker login"));
    assert.ok(at >= 0 && at < steps.findIndex(({ run }) => run?.includes("pulumi up")));
    assert.equal(steps[at]?.env?.["REGIONS"], "${{ vars.AWS_REGION }} ${{ vars.AWS_SECOND_REGION }}");
    const bin = mkdtempSync(path.join(os.tmpdir(), "workflow-"));
    const log = path.join(bin, "log");
    const login = (regions: string): { status: number | null; registries: string[] } => {
      writeFileSync(log, "");
      const env = { PATH: `${bin}:${process.env["PATH"] ?? ""}`, LOG: log, REGIONS: regions };
      const { status } = spawnSync("bash", ["-e", "-c", steps[at]?.run ?? ""], { env, encoding: "utf8" });
      return { status, registries: readFileSync(log, "utf8").split("\n").slice(0, -1) };
    };
    try {
      const program = (name: string, body: string): void => {
        writeFileSync(path.join(bin, name), `#!/bin/sh\n${body}\n`, { mode: 0o755 });
      };
      program("aws", 'case "$1 $4" in sts*) echo 123456789012 ;; "ecr nowhere") exit 255 ;; ecr*) echo "password-of-$4" ;; esac');
      program("docker", 'for registry; do :; done; echo "$registry $(cat)" >> "$LOG"');
      const registry = (region: string): string => `123456789012.dkr.ecr.${region}.amazonaws.com password-of-${region}`;
      assert.deepEqual(login("eu-central-1 "), { status: 0, registries: [registry("eu-central-1")] });
      assert.deepEqual(login("eu-central-1 us-west-2"), { status: 0, registries: ["eu-central-1", "us-west-2"].map(registry) });
      assert.notEqual(login("nowhere us-west-2").status, 0);
    } finally {
      rmSync(bin, { recursive: true });
    }
  });

  it("the guide's commands are shell, and use no file, variable or CLI before it is there", () => {
    const guide = section("## Production on AWS, step by step");
    const blocks = [...guide.matchAll(/^```sh\n([^]*?)^```$/gm)].map(([, block = ""]) => block);
    assert.ok(blocks.length > 10, `${blocks.length} blocks`);
    for (const block of blocks) {
      const { status, stderr } = spawnSync("bash", ["-n"], { input: block, encoding: "utf8" });
      assert.deepEqual([status, stderr], [0, ""], block);
    }
    const commands = blocks.join("\n");
    const inOrder = (texts: readonly string[]): void => {
      const at = texts.map((text) => commands.indexOf(text));
      assert.ok(
        at.every((index, n) => index > (at[n - 1] ?? 0)),
        texts.filter((_, n) => (at[n] ?? -1) <= (at[n - 1] ?? 0)).join(", "),
      );
    };
    inOrder(["> policies/state.json", "in policies/$role-*.json policies/state.json"]);
    // A backend that the shell has from a local stack would win over the login, and the CLI may be the project's own.
    inOrder([
      "npm run prepare-machine -- --phase cloud",
      'eval "$(npm run -s env)"',
      "unset PULUMI_BACKEND_URL",
      "pulumi login",
      "pulumi stack init prod",
      "pulumi whoami",
    ]);
    inOrder(["\nR=eu-central-1", "--region $R"]);
    for (const [line] of commands.matchAll(/^.*aws (kms|ecr|eks|ec2|rds|ecs|logs|cloudwatch|service-quotas) [a-z-]+.*(\\\n.*)*/gm))
      assert.match(
        line,
        /--region|aws rds (create-db-snapshot|reboot-db-instance|create-blue|switchover)|describe-availability-zones/,
        line,
      );
  });
});
