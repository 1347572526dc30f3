import assert from "node:assert/strict";
import { UserError } from "../../../toolchain/lib/errors";
import { previewEnvironment } from "../../../toolchain/preview/environment";
import { readEvents } from "../../../toolchain/preview/events";
import { countByType, reportOf, reportText } from "../../../toolchain/preview/report";
import type { PreviewRun } from "../../../toolchain/preview/run";
import { previewConfig } from "../../../toolchain/preview/stack-file";

const URN = "urn:pulumi:prod::phased-stack::";

const line = (event: object): string => JSON.stringify({ sequence: 1, timestamp: 1, ...event });
const created = (type: string, name: string, inputs: object = {}): string =>
  line({ resourcePreEvent: { metadata: { op: "create", urn: `${URN}${type}::${name}`, type, new: { inputs } }, planning: true } });
const policy = (policyName: string, enforcementLevel: string, message: string, resourceUrn?: string): string =>
  line({ policyEvent: { policyName, enforcementLevel, message, resourceUrn, policyPackName: "phased-stack" } });

const PLUGINS = [{ name: "aws", version: "7.48.0", kind: "stand-in" }] as const;
const COST = { region: "eu-central-1", pricesAsOf: "2026-11-21", monthlyUsd: 1234, unconfirmedUsd: 7, byType: { "aws:ec2/eip:Eip": 1234 } };

function runOf(more: Partial<PreviewRun> = {}): PreviewRun {
  return {
    resources: [],
    outputs: {},
    remarks: [],
    errors: [],
    policiesRan: true,
    code: 0,
    tail: "",
    notes: [],
    accountId: "123456789012",
    region: "eu-central-1",
    durationMs: 8123.4,
    ...more,
  };
}

describe("F5 configuration of a preview", () => {
  const file = [
    "encryptionsalt: v1:abc",
    "secretsprovider: awskms://alias/state",
    "config:",
    "  phased-stack:phase: cloud # always",
    '  phased-stack:users: "50000"',
    "  phased-stack:appEnvironment:",
    "    A: x",
    "  aws:secretKey:",
    "    secure: AAAB",
  ].join("\n");

  it("is the stack's, with settings on top, without its key and what only that can read", () => {
    const { text, values, leftOut } = previewConfig(file, ["users=10000", "docker:host=unix:///x=y"]);
    assert.doesNotMatch(text, /encryptionsalt|secretsprovider|secure/);
    assert.deepEqual(values, { "phased-stack:phase": "cloud", "phased-stack:users": "10000", "docker:host": "unix:///x=y" });
    assert.match(text, /appEnvironment:\n\s+A: x/);
    assert.deepEqual(leftOut, ["aws:secretKey"]);
  });

  it("works from nothing, and refuses a setting that is none", () => {
    assert.deepEqual(previewConfig("", ["phase=cloud"]).values, { "phased-stack:phase": "cloud" });
    assert.throws(
      () => previewConfig(file, ["users"]),
      (error) => error instanceof UserError && /"users" is not of the form key=value/.test(error.message),
    );
  });
});

describe("F5 environment of a preview", () => {
  it("has nothing in it that leads to an account, a cluster or a state", () => {
    const outer = {
      PATH: "/bin",
      HOME: "/home/ada",
      AWS_PROFILE: "prod",
      AWS_ACCESS_KEY_ID: "AKIA",
      PULUMI_ACCESS_TOKEN: "pul",
      KUBECONFIG: "/k",
    };
    const env = previewEnvironment(
      { ...outer, PULUMI_CONFIG_PASSPHRASE_FILE: "/p", PULUMI_HOME: "/pulumi" },
      "/tmp/x",
      "file:///tmp/x/state",
      "secret",
    );
    assert.deepEqual(
      Object.entries(env).filter(([, value]) => ["prod", "AKIA", "pul", "/k", "/p"].includes(value ?? "")),
      [],
    );
    assert.deepEqual([env["PATH"], env["PULUMI_HOME"], env["PULUMI_BACKEND_URL"]], ["/bin", "/pulumi", "file:///tmp/x/state"]);
    assert.equal(env["PHASED_PREVIEW_WITHOUT_CREDENTIALS"], "true");
  });
});

describe("F5 events of a preview", () => {
  it("resources, outputs, remarks of policies, errors once, whether the rules were looked at", () => {
    const events = readEvents(
      [
        created("pulumi:pulumi:Stack", "phased-stack-prod"),
        created("aws:ec2/vpc:Vpc", "network", { cidrBlock: "10.0.0.0/16" }),
        line({
          resOutputsEvent: {
            metadata: { op: "create", urn: `${URN}pulumi:pulumi:Stack::x`, type: "pulumi:pulumi:Stack", new: { outputs: { region: "r" } } },
          },
        }),
        policy("vpc-flow-logs", "mandatory", "<{%fg 1%}>no flow logs<{%reset%}>", `${URN}aws:ec2/vpc:Vpc::network`),
        policy("not-judged", "advisory", "3 of 9", `${URN}pulumi:pulumi:Stack::phased-stack-prod`),
        line({ diagnosticEvent: { severity: "error", message: "broken\n" } }),
        line({ diagnosticEvent: { severity: "error", message: "broken" } }),
        line({ diagnosticEvent: { severity: "info", message: "fine" } }),
        line({ summaryEvent: { PolicyPacks: { "phased-stack": "0.1.0" } } }),
        '{"diagnosticEvent":{"severity":"err',
      ].join("\n"),
    );
    assert.deepEqual(events, {
      resources: [{ type: "aws:ec2/vpc:Vpc", name: "network", inputs: { cidrBlock: "10.0.0.0/16" } }],
      outputs: { region: "r" },
      remarks: [
        { policy: "vpc-flow-logs", mandatory: true, resource: "network", message: "no flow logs" },
        { policy: "not-judged", mandatory: false, resource: "", message: "3 of 9" },
      ],
      errors: ["broken"],
      policiesRan: true,
    });
  });

  it("a log that was never begun tells nothing", () => {
    assert.deepEqual(readEvents(""), { resources: [], outputs: {}, remarks: [], errors: [], policiesRan: false });
  });
});

describe("F5 report of a preview", () => {
  const mandatory = { policy: "b", mandatory: true, resource: "x", message: "x: broken. Fix: mend it" };
  const advisory = { policy: "a", mandatory: false, resource: "y", message: "y: might be better" };

  it("is well only if Pulumi ended well, the rules were looked at, and no mandatory one is broken", () => {
    assert.equal(reportOf("prod", runOf(), PLUGINS).ok, true);
    assert.equal(reportOf("prod", runOf({ remarks: [advisory] }), PLUGINS).ok, true);
    assert.equal(reportOf("prod", runOf({ remarks: [mandatory] }), PLUGINS).ok, false);
    assert.equal(reportOf("prod", runOf({ code: 1, tail: "no such stack" }), PLUGINS).ok, false);
    const unproven = reportOf("prod", runOf({ policiesRan: false }), PLUGINS);
    assert.deepEqual([unproven.ok, unproven.errors], [false, ["the policy pack did not run"]]);
  });

  it("a failure without an event shows the end of the output", () => {
    assert.deepEqual(reportOf("prod", runOf({ code: 255, policiesRan: false, tail: "error: no such stack" }), PLUGINS).errors, [
      "error: no such stack",
    ]);
  });

  it("a broken mandatory rule is told as a violation, and not as the engine's failure once more", () => {
    const stopped = runOf({ remarks: [mandatory], errors: ["preview failed"], code: 255 });
    assert.deepEqual(reportOf("prod", stopped, PLUGINS).errors, []);
    assert.deepEqual(reportOf("prod", runOf({ errors: ["preview failed"], code: 255 }), PLUGINS).errors, ["preview failed"]);
    assert.deepEqual(reportOf("prod", runOf({ ...stopped, errors: ["preview failed", "no plugin"] }), PLUGINS).errors, ["no plugin"]);
  });

  it("counts by type, most first, without components", () => {
    const of = (type: string) => ({ type, name: "n", inputs: {} });
    const counted = countByType([of("aws:b"), of("aws:a"), of("phased-stack:aws:Network"), of("aws:b")]);
    assert.deepEqual(Object.entries(counted), [
      ["aws:b", 2],
      ["aws:a", 1],
    ]);
  });

  it("tells people plugins, counts, violations with their fix, what is not judged, costs with assumptions, and how long it took", () => {
    const cost = JSON.stringify({ ...COST, notPriced: { "aws:x": "no price" }, assumptions: ["people think"] });
    const remarks = [advisory, mandatory, { policy: "not-judged", mandatory: false, resource: "", message: "3 of 9 checks" }];
    const resources = [{ type: "aws:ec2/eip:Eip", name: "ip", inputs: {} }];
    const report = reportOf("prod", runOf({ remarks, resources, outputs: { monthlyCostEstimate: cost }, notes: ["a note"] }), PLUGINS);
    const text = reportText(report);
    for (const part of [
      /Plugins: aws 7\.48\.0 \(stand-in\)\./,
      /a note/,
      /1 +aws:ec2\/eip:Eip\n1 +in total/,
      /mandatory b\n {2}x: broken\. Fix: mend it\nadvisory a\n/,
      /Not judged: 3 of 9 checks/,
      /1,234 +in total/,
      /7 of it at prices that could not be confirmed/,
      /not priced: aws:x: no price/,
      / {2}- people think/,
      /✘ 1 resources, 1 mandatory and 1 advisory violations, about 1,234 US dollars a month \(8\.1 s\)$/,
    ]) {
      assert.match(text, part);
    }
    assert.deepEqual(JSON.parse(JSON.stringify(report)), report, "everything is in its JSON");
  });
});
